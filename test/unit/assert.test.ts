import { describe, expect, it } from 'vitest'
import { assert, AssertionError, unreachable } from '../../src/assert.ts'
import { MillraceError } from '../../src/errors.ts'

describe('assert', () => {
  it('passes over what holds', () => {
    for (const condition of [true, 1, 'x', {}]) expect(() => assert(condition, 'it holds')).not.toThrow()
  })

  it('throws, saying what should have held', () => {
    for (const condition of [false, 0, '', null, undefined, NaN]) {
      expect(() => assert(condition, 'the sky is blue')).toThrow(new AssertionError('the sky is blue'))
    }
    expect(new AssertionError('the sky is blue').message).toBe('assertion failed: the sky is blue')
  })

  it('throws no error that a policy would handle', () => {
    const error = new AssertionError('x')
    expect(error).not.toBeInstanceOf(MillraceError)
    expect(error.name).toBe('AssertionError')
  })
})

describe('unreachable', () => {
  it('throws when it is reached after all', () => {
    expect(() => unreachable('seven' as never)).toThrow(new AssertionError('unexpected value seven'))
  })
})
