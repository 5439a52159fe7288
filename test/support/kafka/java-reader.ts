/** Topics as Java's own consumer sees them: committed records only. */
import type { KafkaBroker } from './broker.ts'

/**
 * How long Java's consumer waits for a further record before it takes the topic as read: the start of a JVM included.
 */
const SILENCE_MS = 10_000

/** A record, its bytes as UTF-8. */
export interface JavaRecord {
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly key: string
  readonly value: string
}

/** All committed records of a topic, by partition, in the order of their offsets. Texts must have no line breaks. */
export async function readWithJava(
  broker: KafkaBroker,
  topic: string,
  partitions: number,
): Promise<readonly (readonly JavaRecord[])[]> {
  const shown = ['timestamp', 'partition', 'offset', 'key'].map((part) => `print.${part}=true`)
  const said = await broker.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
    ...['--bootstrap-server', broker.brokers, '--topic', topic, '--from-beginning'],
    ...['--isolation-level', 'read_committed', '--timeout-ms', String(SILENCE_MS)],
    ...[...shown, 'key.separator=\t'].flatMap((property) => ['--property', property]),
  ])
  const found: JavaRecord[][] = Array.from({ length: partitions }, () => [])
  for (const line of said.split('\n')) {
    const match = /^CreateTime:(\d+)\tPartition:(\d+)\tOffset:(\d+)\t([^\t]*)\t(.*)$/.exec(line)
    if (match === null) continue
    const [timestampMs, partition, offset] = match.slice(1, 4).map(Number) as [number, number, number]
    found[partition]!.push({ partition, offset, timestampMs, key: match[4]!, value: match[5]! })
  }
  for (const records of found) records.sort((a, b) => a.offset - b.offset)
  return found
}
