import { describe } from 'vitest'
import { describeLogContract } from '../contract/log-contract.ts'
import { kafkaHarness } from '../support/kafka-harness.ts'
import { kafkaForTests } from '../support/kafka/kafka-for-tests.ts'

const kafka = await kafkaForTests()
const brokers = kafka?.brokers.split(',') ?? []

describe.skipIf(kafka === null)('on a real broker', () => {
  describeLogContract('Kafka', () => Promise.resolve(kafkaHarness({ brokers })))

  describeLogContract('Kafka, the older transactions', () => {
    return Promise.resolve(kafkaHarness({ brokers, transactionVersion: 1 }))
  })
})
