import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../../src/assert.ts'
import { describeFailure } from '../../../src/cli/failure.ts'
import { packError, unpackError } from '../../../src/cli/packed-error.ts'
import { ConfigError, FatalError, RetriableError, StateMismatchError } from '../../../src/errors.ts'

const systemError = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })

describe('an error that has gone from one thread to another', () => {
  it.each([
    ['one problem of the configuration', new ConfigError(['--window is too small'])],
    ['several of them', new ConfigError(['this', 'that'])],
    ['state of another topology', new StateMismatchError('It does not fit:', ['window: was 1, is 2'])],
    ['a fatal one', new FatalError('LOG_DISK_FULL', 'no room')],
    ['one that lasted too long', new RetriableError('LOG_UNREACHABLE', 'nobody answers')],
    ['one of the system', systemError],
    ['a broken assumption', new AssertionError('this holds')],
    ['a defect', new TypeError('x is not a function')],
    ['no error at all', 'just a text'],
  ])('is told as where it happened: %s', (_what, error) => {
    const arrived = unpackError(structuredClone(packError(error)))
    const { exitCode, message, details } = describeFailure(error, false)
    const told = describeFailure(arrived, false)
    expect([told.exitCode, told.message]).toEqual([exitCode, message])
    expect(told.details === undefined).toBe(details === undefined)
  })

  it('says where it happened, not where it arrived', () => {
    const error = new FatalError('ANY', 'any')
    expect(unpackError(structuredClone(packError(error))).stack).toBe(error.stack)
  })
})
