import {
  RecordError,
  type FixedKeyProcessor,
  type FixedKeyProcessorContext,
  type KeyValueStore,
} from '../index.ts'
import { contentFingerprint } from './content-fingerprint.ts'
import type { Reading } from './reading.ts'

/** The counter of readings dropped as duplicates. */
export const DUPLICATES = 'duplicates'

/**
 * Passes each event id on once. A reading that came before with the same content is counted and dropped; one with the
 * same id and other content is a dead letter, `EVENT_ID_CONFLICT`. What is remembered, and how long, is the store's
 * business.
 */
export class Deduplicate implements FixedKeyProcessor<string, Reading, Reading> {
  private readonly storeName: string
  private seen!: KeyValueStore<string, number>
  private countDuplicate!: () => void

  constructor(storeName: string) {
    this.storeName = storeName
  }

  init(context: FixedKeyProcessorContext<Reading>): void {
    this.seen = context.keyValueStore(this.storeName)
    const duplicates = context.counter(DUPLICATES)
    this.countDuplicate = () => duplicates.increment()
  }

  process({ value }: { readonly value: Reading }, context: FixedKeyProcessorContext<Reading>): void {
    const before = this.seen.get(value.eventId)
    const content = contentFingerprint(value)
    if (before === undefined) {
      this.seen.put(value.eventId, content)
      context.forward(value)
    } else if (before === content) {
      this.countDuplicate()
    } else {
      throw new RecordError('EVENT_ID_CONFLICT', `event id ${value.eventId} came before with another content`)
    }
  }
}
