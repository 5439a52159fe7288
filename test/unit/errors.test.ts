import { describe, expect, it } from 'vitest'
import {
  AbortableError,
  codeOf,
  ConfigError,
  CorruptedStateError,
  FatalError,
  FencedError,
  messageOf,
  MillraceError,
  RecordError,
  RetriableError,
  StateMismatchError,
  TopologyError,
  UnknownOutcomeError,
} from '../../src/errors.ts'

const CLASSES = [
  AbortableError,
  CorruptedStateError,
  FatalError,
  FencedError,
  RecordError,
  RetriableError,
  UnknownOutcomeError,
] as const

describe('the error classes', () => {
  it.each(CLASSES.map((one) => [one.name, one] as const))(
    '%s keeps its code, its message and its cause, under its own name',
    (name, Class) => {
      const cause = new Error('below')
      const error = new Class('SOME_CODE', 'what happened', { cause })
      expect(error).toMatchObject({ name, code: 'SOME_CODE', message: 'what happened', cause })
      expect(error).toBeInstanceOf(MillraceError)
      expect(error).toBeInstanceOf(Error)
      expect(CLASSES.filter((other) => error instanceof other)).toEqual([Class])
    },
  )

  it('tell all problems at once, a line each', () => {
    const problems = ['first', 'second']
    const cases = [
      [new TopologyError(problems), 'TOPOLOGY_INVALID', 'The topology is not valid:'],
      [new ConfigError(problems), 'CONFIG_INVALID', 'The configuration is not valid:'],
      [new StateMismatchError('It does not fit:', problems), 'STATE_MISMATCH', 'It does not fit:'],
    ] as const
    for (const [error, code, headline] of cases) {
      expect(error).toMatchObject({ code, problems, message: `${headline}\n  - first\n  - second` })
      expect(error).toBeInstanceOf(MillraceError)
    }
  })
})

describe('messageOf and codeOf', () => {
  it('read anything that was thrown', () => {
    expect(messageOf(new Error('text'))).toBe('text')
    expect(messageOf('text')).toBe('text')
    expect(messageOf(undefined)).toBe('undefined')
    expect(messageOf(5n)).toBe('5')
  })

  it('find the code of millrace and of the system, else what is to be said instead', () => {
    expect(codeOf(new RecordError('BAD', 'x'), 'OTHER')).toBe('BAD')
    expect(codeOf(Object.assign(new Error('x'), { code: 'ENOSPC' }), 'OTHER')).toBe('ENOSPC')
    for (const thrown of [new Error('x'), { code: '' }, { code: 5 }, 'text', null, undefined])
      expect(codeOf(thrown, 'OTHER')).toBe('OTHER')
  })
})
