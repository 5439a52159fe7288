/**
 * Exactly once while instances and the broker die: what Java's own consumer reads, read committed, is what plain loops
 * over the readings say. `CHAOS_SEED=7` chooses other moments.
 */
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import { chaos, type ChaosPlan, type ChaosPlace } from '../support/kafka/chaos.ts'
import {
  expectedBy,
  FLAGS,
  onKafka,
  publishedOn,
  runCommand,
  watchingLog,
  type Instance,
} from '../support/kafka/fleet.ts'
import { ownBrokerForTests } from '../support/kafka/kafka-for-tests.ts'
import { millrace, startProgram } from '../support/millrace.ts'
import { compare } from '../support/sensor-oracle.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const SEED = Number(process.env['CHAOS_SEED'] ?? 1)
const SESSION_MS = 3_000
const UNSAFE = path.resolve(import.meta.dirname, '../../dist/test/support/unsafe-run.js')
const PLAN: ChaosPlan = {
  seed: SEED,
  readings: 100_000,
  rate: 700,
  kills: 10,
  zombies: 2,
  brokerKills: 3,
  sessionTimeoutMs: SESSION_MS,
  transactions: true,
}
const SMALL_PLAN: ChaosPlan = { ...PLAN, readings: 20_000, kills: 3, brokerKills: 0, transactions: false }

const own = ownBrokerForTests()
const ownOfControl = ownBrokerForTests()
const folder = temporaryFolder()
const logs: Log[] = []

afterAll(() => Promise.all(logs.map((log) => log.close())))

async function placeOn(of: typeof own, name: string): Promise<Omit<ChaosPlace, 'command'>> {
  const broker = await of!.broker()
  const log = await watchingLog(broker)
  logs.push(log)
  return { broker, log, folder: path.join(folder.path, name) }
}

/** Lines of all lives of all instances with one of these messages. */
function told(instances: readonly Instance[], ...messages: readonly string[]): readonly object[] {
  return instances.flatMap(({ lines }) => lines.filter(({ msg }) => messages.includes(msg)))
}

describe.skipIf(own === null)('three instances that are killed and frozen, on a broker that dies', () => {
  it('publish every result once, none twice, none missing, and keep their state', async () => {
    const place = await placeOn(own, 'chaos')
    const { broker } = place
    const settings = ['--commit-interval', '1s', '--session-timeout', `${SESSION_MS}ms`]
    const { blows, instances, codes } = await chaos(PLAN, {
      ...place,
      command: runCommand(broker, ...settings),
    })

    // Each blow fell on an application that had worked since the one before, and had work left.
    const marks = [0, ...blows.map(({ progress }) => progress)]
    for (const [index, progress] of blows.map((blow) => blow.progress).entries())
      expect(progress - marks[index]!).toBeGreaterThanOrEqual(PLAN.readings / 20)
    expect(marks.at(-1)).toBeLessThan(PLAN.readings)
    const ofKind = (kind: string) => blows.filter((blow) => blow.kind === kind)
    expect([ofKind('kill').length, ofKind('zombie').length, ofKind('broker').length]).toEqual([10, 2, 3])
    const inTransactions = ofKind('kill').filter(({ openTransaction }) => openTransaction).length
    console.log(
      `${inTransactions} of 10 kills met an open transaction; blows at ${marks.slice(1).join(', ')} readings`,
    )
    expect(inTransactions).toBeGreaterThanOrEqual(3)

    // Instances that were asked to end did so in order.
    expect(codes).toEqual([0, 0, 0])
    expect(told(instances, 'local state was removed and restored from the changelog')).toEqual([])

    const flags = [...onKafka(broker), ...FLAGS, '--until-end', '--flush']
    const last = await millrace(['run', ...flags], { cwd: instances[0]!.folder })
    expect([last.code, last.stderr]).toEqual([0, ''])
    const { expected, readings } = await expectedBy(broker)
    expect(readings).toBe(PLAN.readings)
    expect(expected.aggregates.flat().length).toBeGreaterThan(5_000)
    expect(expected.late.flat().length).toBeGreaterThan(500)
    expect(expected.deadLetters.length).toBeGreaterThan(200)
    expect(compare(expected, await publishedOn(broker))).toEqual({
      twice: [],
      missing: [],
      unexpected: [],
      disordered: [],
    })
    await broker.stop()
  }, 400_000)
})

describe.skipIf(ownOfControl === null)('the same without transactions', () => {
  it('is caught by the same comparison', async () => {
    const place = await placeOn(ownOfControl, 'control')
    const { broker } = place
    const args = [broker.brokers, String(SESSION_MS)]
    const { blows, instances } = await chaos(SMALL_PLAN, { ...place, command: [UNSAFE, ...args] })
    expect(blows).toHaveLength(5)
    const last = await startProgram(UNSAFE, [...args, 'until-end'], { cwd: instances[0]!.folder }).ended
    expect(last.code).toBe(0)
    const { expected } = await expectedBy(broker)
    const { twice, unexpected, missing } = compare(expected, await publishedOn(broker))
    console.log(
      `without transactions: ${twice.length} twice, ${unexpected.length} wrong, ${missing.length} missing`,
    )
    expect(twice.length + unexpected.length).toBeGreaterThan(0)
    await broker.stop()
  }, 200_000)
})
