/** The store against a plain model, whatever happens around it. */
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { ExpiringKeyValueStore } from '../../../src/state/expiring-key-value-store.ts'
import {
  BINARY_KEYS,
  histories,
  KeyValueModel,
  TEXT_KEYS,
  type ModelSpec,
} from '../../support/key-value-model.ts'

/** Lives of one bucket per millisecond, and of several milliseconds per bucket. */
const LIVES_MS = [1, 9, 40]

function spec<K>(kind: Pick<ModelSpec<K>, 'keys' | 'serde'>, ttlMs: number): ModelSpec<K> {
  const options = { ttlMs, ranges: true }
  return { ...kind, ...options, makeStore: (parts) => new ExpiringKeyValueStore(parts, options) }
}

const TEXT = { keys: TEXT_KEYS, serde: Serdes.string() }
const BINARY = { keys: BINARY_KEYS, serde: Serdes.bytes() }

async function checked<K>(one: ModelSpec<K>, seed: number, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(histories, async (steps) => (await KeyValueModel.of(one)).run(steps)),
    { seed, numRuns },
  )
}

describe('ExpiringKeyValueStore answers as a map with times would', () => {
  it.each(LIVES_MS)('with text keys and a life of %d ms', (ttlMs) => checked(spec(TEXT, ttlMs), 211, 400))
  it.each(LIVES_MS)('with binary keys and a life of %d ms', (ttlMs) => checked(spec(BINARY, ttlMs), 212, 200))
})
