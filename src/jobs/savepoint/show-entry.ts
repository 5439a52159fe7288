/** Entries of a savepoint's stores as a person or a program can read them. */
import { isUtf8 } from 'node:buffer'
import type { Serde } from '../../serde/serde.ts'
import type { StoreSpec } from '../../topology/stores.ts'
import type { Topology } from '../../topology/topology.ts'
import type { StoredEntry } from './container-file.ts'
import type { Manifest } from './manifest.ts'

const START_BYTES = 8

/** What an entry says. */
export interface ShownKey {
  /** As the store's serde reads it, else its bytes as text, or in hexadecimal. */
  readonly key: unknown
  /** Of window stores: the start of the window, epoch milliseconds. */
  readonly windowStartMs: number | undefined
}

/**
 * Reads the entries of one store. `topology`: one that has the store, where there is one; its serdes are used as far as
 * they are those that the savepoint names.
 */
export class EntryReader {
  private readonly isWindow: boolean
  private readonly spec: StoreSpec | undefined

  constructor({ fingerprint }: Manifest, store: string, topology: Topology | undefined) {
    this.isWindow = fingerprint[`store ${store}, kind`] === 'window'
    const spec = topology?.stores.get(store)
    const serdes = spec === undefined ? undefined : `${spec.key.name} -> ${spec.value.name}`
    this.spec = serdes === fingerprint[`store ${store}, serdes`] ? spec : undefined
  }

  /** The key of a difference or an entry. */
  key(bytes: Buffer): ShownKey {
    if (!this.isWindow) return { key: show(bytes, this.spec?.key), windowStartMs: undefined }
    return {
      key: show(bytes.subarray(START_BYTES), this.spec?.key),
      windowStartMs: Number(bytes.readBigUInt64BE(0)),
    }
  }

  value({ value }: StoredEntry): unknown {
    return show(value, this.spec?.value)
  }
}

function show(bytes: Buffer, serde: Serde<unknown> | undefined): unknown {
  if (serde !== undefined) {
    try {
      return serde.deserialize(bytes, 0, bytes.length)
    } catch {
      // Shown as the bytes they are.
    }
  }
  return isUtf8(bytes) ? bytes.toString('utf8') : bytes.toString('hex')
}
