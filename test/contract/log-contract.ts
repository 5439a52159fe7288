/**
 * The promises of src/log/log.ts as tests, run on every adapter. An adapter brings a harness (contract/log/harness.ts)
 * and says there what it cannot do; the tests ask no adapter's name.
 */
import { afterEach, beforeEach, describe } from 'vitest'
import { describeCleaning } from './log/cleaning.ts'
import { describeGroups } from './log/groups.ts'
import type { LogHarness } from './log/harness.ts'
import { describeReading } from './log/reading.ts'
import { describeTopics } from './log/topics.ts'
import { describeTransactions } from './log/transactions.ts'

/** `makeHarness` is called before each test, and its harness closed after it. */
export function describeLogContract(name: string, makeHarness: () => Promise<LogHarness>): void {
  describe(`the log contract: ${name}`, () => {
    let harness: LogHarness

    beforeEach(async () => {
      harness = await makeHarness()
    })
    afterEach(async () => {
      await harness.close()
    })

    const current = (): LogHarness => harness
    describe('topics', () => describeTopics(current))
    describe('reading', () => describeReading(current))
    describe('transactions', () => describeTransactions(current))
    describe('groups', () => describeGroups(current))
    describe('cleaning', () => describeCleaning(current))
  })
}
