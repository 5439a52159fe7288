import kafkajs from 'kafkajs'
import { describe, expect, it } from 'vitest'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../../../src/log/kafka/subscription.ts'

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

describe("Kafka's envelope around what members say", () => {
  it('is read by another client, and another client is read', () => {
    const ours = encodeSubscription(['a', 'ü'], Buffer.from('mine'))
    expect(MemberMetadata.decode(ours)).toMatchObject({
      version: 0,
      topics: ['a', 'ü'],
      userData: Buffer.from('mine'),
    })
    const theirs = MemberMetadata.encode({ version: 1, topics: ['x'], userData: Buffer.from('theirs') })
    expect(decodeSubscription(theirs)).toEqual(Buffer.from('theirs'))
  })

  it('holds assignments the same way', () => {
    expect(MemberAssignment.decode(encodeAssignment(Buffer.from('work')))).toMatchObject({
      assignment: {},
      userData: Buffer.from('work'),
    })
    const theirs = MemberAssignment.encode({
      version: 1,
      assignment: { t: [0, 1] },
      userData: Buffer.from('w'),
    })
    expect(decodeAssignment(theirs)).toEqual(Buffer.from('w'))
    expect(decodeAssignment(Buffer.alloc(0))).toHaveLength(0)
  })
})
