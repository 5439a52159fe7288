import { describe, expect, it } from 'vitest'
import { policyOf } from '../../../src/topology/dsl-options.ts'

describe('policyOf', () => {
  it('takes the error policy out of options, and nothing else', () => {
    const retry = { retries: 2 }
    expect(policyOf({ name: 'x', onError: 'skip', retry })).toEqual({ onError: 'skip', retry })
    expect(policyOf({ name: 'x', onError: 'fail' })).toEqual({ onError: 'fail' })
  })

  it('says nothing where nothing is said, so that the application decides', () => {
    expect(policyOf(undefined)).toEqual({})
    expect(Object.keys(policyOf({ name: 'x' }))).toEqual([])
  })
})
