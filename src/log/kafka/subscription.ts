/**
 * Kafka's own envelope around what members of a group tell each other (its "consumer" protocol), so that Kafka's
 * tools can read the group: version, topics, and what is ours as user data. Written in version 0.
 */
import { ByteReader } from './wire/byte-reader.ts'
import { ByteWriter } from './wire/byte-writer.ts'

const VERSION = 0

/** What a member brings to a JoinGroup. */
export function encodeSubscription(topics: readonly string[], metadata: Uint8Array): Buffer {
  const writer = new ByteWriter().int16(VERSION).int32(topics.length)
  for (const topic of topics) writer.shortString(topic)
  return writer.longBytes(metadata).written()
}

/** The metadata in a subscription of any version. */
export function decodeSubscription(bytes: Buffer): Buffer {
  const reader = new ByteReader(bytes)
  reader.int16()
  for (let left = reader.int32(); left > 0; left -= 1) reader.shortString()
  return reader.longBytes()
}

/** What the leader hands a member. The partitions are the application's affair, and not named. */
export function encodeAssignment(assignment: Uint8Array): Buffer {
  return new ByteWriter().int16(VERSION).int32(0).longBytes(assignment).written()
}

/** What is ours in an assignment of any version; nothing for a member that was left out. */
export function decodeAssignment(bytes: Buffer): Buffer {
  if (bytes.length === 0) return bytes
  const reader = new ByteReader(bytes)
  reader.int16()
  for (let left = reader.int32(); left > 0; left -= 1) {
    reader.shortString()
    for (let partitions = reader.int32(); partitions > 0; partitions -= 1) reader.int32()
  }
  return reader.longBytes()
}
