/** Sends record batches to the leaders of their partitions. */
import { RetriableError } from '../../../errors.ts'
import { partitionKey, type Offset } from '../../log.ts'
import { groupByLeader } from '../cluster/at-leaders.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { patiently } from '../retry.ts'
import type { Address } from '../transport/channel.ts'
import type { ChannelSet } from '../transport/channel-set.ts'
import { KafkaCode, leaderMoved } from '../wire/error-code.ts'
import { produce, type EncodedBatch, type ProducedBatch } from '../wire/record-calls.ts'
import { producerError } from './producer-error.ts'

/** Requests are filled up to this; one larger batch still goes, alone. */
const REQUEST_BYTES = 8 * 1_048_576
/** A leader that moved is found within a few of these; CONCURRENT_TRANSACTIONS passes within one. */
const LONGEST_PAUSE_MS = 20

/** Whose batches. */
export interface BatchWriterParts {
  readonly cluster: Cluster
  readonly channels: ChannelSet
  /** How long a batch is sent again and again. */
  readonly patienceMs: number
  /** Named in errors. */
  readonly transactionalId: string
}

/** Sends each batch until it is taken. Batches carry sequence numbers, so that a broker drops what it has. */
export class BatchWriter {
  private readonly parts: BatchWriterParts

  constructor(parts: BatchWriterParts) {
    this.parts = parts
  }

  /**
   * The offset of each batch's first record, in the order given. Batches of one partition go one after the other, as
   * the protocol wants it. With `version` 12 the batches' partitions become part of the transaction by themselves.
   */
  async write(batches: readonly EncodedBatch[], version: 9 | 12, transactional: boolean): Promise<Offset[]> {
    const offsets: Offset[] = []
    for (const round of rounds(batches)) {
      const open = new Map(round.map(([index, batch]) => [partitionKey(batch), { index, batch }]))
      const { cluster, patienceMs: withinMs } = this.parts
      await patiently({ clock: cluster.clock, withinMs, longestPauseMs: LONGEST_PAUSE_MS }, async () => {
        const groups = await groupByLeader(
          cluster,
          [...open.values()].map(({ batch }) => batch),
        )
        const requests = [...groups].flatMap(([leader, members]) => {
          return requestsOf(members).map((request) => this.send(leader, request, version, transactional))
        })
        const failed: ProducedBatch[] = []
        // All of them are awaited: nothing of this round may be on its way when the next attempt begins.
        const settled = await Promise.allSettled(requests)
        for (const result of settled) {
          if (result.status === 'rejected') continue
          for (const produced of result.value) {
            const entry = open.get(partitionKey(produced))
            if (produced.code !== KafkaCode.NONE || entry === undefined) failed.push(produced)
            else {
              offsets[entry.index] = produced.offset
              open.delete(partitionKey(produced))
            }
          }
        }
        this.throwWorst(failed, settled)
      })
    }
    return offsets
  }

  private async send(
    leader: Address,
    batches: readonly EncodedBatch[],
    version: 9 | 12,
    transactional: boolean,
  ): Promise<readonly ProducedBatch[]> {
    const { cluster, channels, transactionalId, patienceMs } = this.parts
    const timeoutMs = Math.min(cluster.requestTimeoutMs, patienceMs)
    try {
      const request = { transactionalId: transactional ? transactionalId : null, timeoutMs, batches }
      const { batches: produced } = await channels.to(leader).call(produce(version), request, timeoutMs)
      for (const { code, topic } of produced) if (leaderMoved(code)) cluster.forgetPlace(topic)
      return produced
    } catch (error) {
      for (const { topic } of batches) cluster.forgetPlace(topic)
      throw error
    }
  }

  /** What cannot be mended goes before what can. */
  private throwWorst(
    failed: readonly ProducedBatch[],
    settled: readonly PromiseSettledResult<unknown>[],
  ): void {
    const errors: unknown[] = failed.map(({ code, message, topic, partition }) => {
      return producerError(code, `writing to ${topic}/${partition}`, this.parts.transactionalId, message)
    })
    for (const result of settled) if (result.status === 'rejected') errors.push(result.reason)
    if (errors.length === 0) return
    throw errors.find((error) => !(error instanceof RetriableError)) ?? errors[0]
  }
}

/** At most one batch for each partition in a round, in order. */
function rounds(batches: readonly EncodedBatch[]): [index: number, batch: EncodedBatch][][] {
  const result: [number, EncodedBatch][][] = []
  const next = new Map<string, number>()
  batches.forEach((batch, index) => {
    const round = next.get(partitionKey(batch)) ?? 0
    next.set(partitionKey(batch), round + 1)
    const members = (result[round] ??= [])
    members.push([index, batch])
  })
  return result
}

function requestsOf(batches: readonly EncodedBatch[]): EncodedBatch[][] {
  const requests: EncodedBatch[][] = []
  let bytes = Infinity
  for (const batch of batches) {
    bytes += batch.bytes.length
    if (bytes > REQUEST_BYTES) {
      requests.push([])
      bytes = batch.bytes.length
    }
    requests.at(-1)!.push(batch)
  }
  return requests
}
