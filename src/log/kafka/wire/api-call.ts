/** One request of Kafka's protocol in one version: how it is written, and how its answer is read. */
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

/** Every answer tells how long the broker wants to be left alone (KIP-219). */
export interface Answer {
  readonly throttleMs: number
}

/**
 * All versions used here are flexible (KIP-482): a section of tagged fields ends the header of request and answer.
 * Versions are fixed, each within what Kafka 3.5 and all later ones speak, but for those of Transactions V2.
 */
export interface ApiCall<Request, Response extends Answer> {
  readonly key: number
  readonly name: string
  readonly version: number
  /** Whether the answer's header has no tagged fields: ApiVersions only, whatever its version. */
  readonly plainAnswerHeader?: boolean
  encode(writer: ByteWriter, request: Request): void
  decode(reader: ByteReader): Response
}

/** Partitions as the protocol lists them: by topic. */
export interface ByTopic<T> {
  readonly topic: string
  readonly partitions: readonly T[]
}

/** Gathers partitions by topic, in the order in which they come. */
export function byTopic<T extends { readonly topic: string }>(partitions: readonly T[]): ByTopic<T>[] {
  const groups = new Map<string, T[]>()
  for (const partition of partitions) {
    const group = groups.get(partition.topic)
    if (group === undefined) groups.set(partition.topic, [partition])
    else group.push(partition)
  }
  return [...groups].map(([topic, members]) => ({ topic, partitions: members }))
}

/** Writes partitions by topic: a compact array of name and partitions, both structures ended by their tags. */
export function writeByTopic<T extends { readonly topic: string }>(
  writer: ByteWriter,
  partitions: readonly T[],
  write: (writer: ByteWriter, partition: T) => void,
): void {
  writer.array(byTopic(partitions), (w, { topic, partitions: members }) => {
    w.string(topic).array(members, write).tags()
  })
}

/** Reads what `writeByTopic` writes, as one list. */
export function readByTopic<T>(reader: ByteReader, read: (reader: ByteReader, topic: string) => T): T[] {
  return reader
    .array(() => {
      const topic = reader.string()
      const partitions = reader.array(() => read(reader, topic))
      reader.tags()
      return partitions
    })
    .flat()
}
