import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { timeWindowedSerde } from '../../../src/serde/time-windowed-serde.ts'

describe('timeWindowedSerde', () => {
  const serde = timeWindowedSerde(Serdes.string(), 600)

  it('writes the key and the start of its window, as Kafka Streams does', () => {
    const bytes = serde.serialize({ key: 'ä1', window: { startMs: 1_200, endMs: 1_800 } }) as Buffer
    expect(bytes.toString('hex')).toBe('c3a431' + '00000000000004b0')
  })

  it('reads what it wrote, in the middle of other bytes', () => {
    const windowed = { key: 'boiler', window: { startMs: 0, endMs: 600 } }
    const bytes = serde.serialize(windowed) as Buffer
    const around = Buffer.concat([Buffer.from('xx'), bytes, Buffer.from('yy')])
    expect(serde.deserialize(around, 2, 2 + bytes.length)).toEqual(windowed)
  })

  it('refuses bytes that are too few for a window, and keys that the inner serde refuses', () => {
    expect(() => serde.deserialize(Buffer.alloc(7), 0, 7)).toThrow(/7 bytes/)
    expect(() => serde.serialize({ key: 5 as never, window: { startMs: 0, endMs: 600 } })).toThrow(/text/)
  })
})
