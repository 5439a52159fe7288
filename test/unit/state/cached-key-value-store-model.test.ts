/** The store against a plain model, whatever happens around it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { CachedKeyValueStore } from '../../../src/state/cached-key-value-store.ts'
import {
  BINARY_KEYS,
  histories,
  KeyValueModel,
  TEXT_KEYS,
  type ModelSpec,
} from '../../support/key-value-model.ts'

function spec<K>(kind: Pick<ModelSpec<K>, 'keys' | 'serde'>, ranges: boolean): ModelSpec<K> {
  return {
    ...kind,
    ranges,
    ttlMs: undefined,
    makeStore: (parts) => new CachedKeyValueStore(parts, { ranges }),
  }
}

const TEXT = { keys: TEXT_KEYS, serde: Serdes.string() }
const BINARY = { keys: BINARY_KEYS, serde: Serdes.bytes() }

async function checked<K>(one: ModelSpec<K>, seed: number, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(histories, async (steps) => {
      const model = await KeyValueModel.of(one)
      await model.run(steps)
      // The changelog says neither too little nor too much.
      expect(model.rig.store.entryCount).toBe(model.size)
      expect(model.rig.store.memoryBytes).toBe(model.memoryBytesAtEnd)
      if (!model.evicted) expect(model.rig.needlessTombstones).toBe(0)
    }),
    { seed, numRuns },
  )
}

describe('CachedKeyValueStore answers as a map would', () => {
  it.each([true, false])('with text keys, ranges %s', (ranges) => checked(spec(TEXT, ranges), 201, 500))
  it.each([true, false])('with binary keys, ranges %s', (ranges) => checked(spec(BINARY, ranges), 202, 250))
})
