import { describe, expect, it } from 'vitest'
import { EmitStrategy } from '../../../src/time/emit-strategy.ts'

describe('EmitStrategy', () => {
  it('names its two strategies as the fingerprint of a topology keeps them', () => {
    expect(EmitStrategy.onWindowClose()).toBe('onWindowClose')
    expect(EmitStrategy.onWindowUpdate()).toBe('onWindowUpdate')
  })
})
