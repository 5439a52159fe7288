/** A process whose log is closed ends by itself, whatever was open and whether the broker answers. */
import { fork } from 'node:child_process'
import path from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { KafkaBroker } from '../support/kafka/broker.ts'
import type { OpenWork } from '../support/kafka/closing-child.ts'
import { ownBrokerForTests } from '../support/kafka/kafka-for-tests.ts'

const PROGRAM = path.resolve(import.meta.dirname, '../../dist/test/support/kafka/closing-child.js')
/** From the word to close the log to the end of the process. */
const END_MS = 2_000
const WORK: readonly OpenWork[] = [
  'nothing',
  'a transaction',
  'a commit',
  'a producer that is being made',
  'a reader and a membership',
  'a request',
]

const own = ownBrokerForTests()
const children: ReturnType<typeof fork>[] = []
let broker: KafkaBroker
afterEach(() => broker.thaw())
afterAll(() => children.forEach((child) => child.kill('SIGKILL')))

/** How long a process with this work needs to end once the log is closed, `before` having happened. */
async function endsAfterMs(work: OpenWork, before: () => void | Promise<void>): Promise<number> {
  const child = fork(PROGRAM, [broker.brokers, work], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  children.push(child)
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  await new Promise((resolve) => child.once('message', resolve))
  await before()
  const startedMs = systemClock.monotonic()
  child.send('close')
  expect(await exited).toBe(0)
  return systemClock.monotonic() - startedMs
}

describe.skipIf(own === null)('a process that has closed its log', () => {
  for (const work of WORK) {
    it(`ends by itself, with ${work} open`, async () => {
      broker = await own!.broker()
      expect(await endsAfterMs(work, () => undefined)).toBeLessThan(END_MS)
    }, 60_000)

    it(`ends by itself although the broker does not answer, with ${work} open`, async () => {
      broker = await own!.broker()
      expect(await endsAfterMs(work, () => broker.freeze())).toBeLessThan(END_MS)
    }, 60_000)
  }

  it('ends by itself when the broker is gone, with a commit open', async () => {
    broker = await own!.broker()
    expect(await endsAfterMs('a commit', () => broker.kill())).toBeLessThan(END_MS)
    await broker.start()
  }, 60_000)
})
