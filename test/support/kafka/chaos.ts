/**
 * Readings come in at a steady pace while instances of the aggregator are killed and frozen and the broker dies, all at
 * seeded moments; after the pattern of Kafka's own system tests.
 */
import { sleep, systemClock } from '../../../src/clock.ts'
import type { Log } from '../../../src/log/log.ts'
import { SeededRandom } from '../../../src/testing/seeded-random.ts'
import { startMillrace } from '../millrace.ts'
import type { KafkaBroker } from './broker.ts'
import {
  changelogEnds,
  eventually,
  instanceIn,
  isTransactionOpen,
  onKafka,
  progressOf,
  type Instance,
} from './fleet.ts'

/** What is done to the application. */
export interface ChaosPlan {
  readonly seed: number
  readonly readings: number
  /** Readings a second. */
  readonly rate: number
  readonly kills: number
  /** Instances frozen for longer than their session. */
  readonly zombies: number
  readonly brokerKills: number
  readonly sessionTimeoutMs: number
  /** Whether the instances use transactions. */
  readonly transactions: boolean
}

/** Something that was done, and when. */
export interface Blow {
  readonly kind: 'kill' | 'zombie' | 'broker'
  /** Readings worked by then, over all tasks. */
  readonly progress: number
  /** Whether the instance died, or froze, with a transaction open. */
  readonly openTransaction: boolean
}

/** Where it is done. */
export interface ChaosPlace {
  readonly broker: KafkaBroker
  readonly log: Log
  readonly folder: string
  /** The program file of an instance and its arguments. */
  readonly command: readonly string[]
}

/** Between two blows the application works at least this share of the readings. */
const STEP = 0.05
/** How long is waited for an open transaction to kill an instance in. */
const AIM_MS = 4_000
/** After a kill, what the dead instance had decided before is visible. */
const SETTLE_MS = 150
/** What an instance tells when its tasks have become others'. */
const NOTICED = ['tasks lost to others', 'starting again from what is committed']
/** Part of the aimed kills: the others meet an instance between two commits. */
const AIMED = 0.7

/** Three instances under a plan; resolves when everything is worked and they have ended. */
export async function chaos(plan: ChaosPlan, place: ChaosPlace) {
  const { broker, log, folder, command } = place
  const random = new SeededRandom(plan.seed)
  const instances = ['a', 'b', 'c'].map((name) => instanceIn(folder, name, command))
  const failed = (): string | undefined =>
    instances.map(({ endedByItself }) => endedByItself).find((text) => text !== undefined)
  const generator = generate(plan, broker, folder)
  const begun = async (): Promise<boolean> => (await log.describeTopics(['readings'])).has('readings')
  await eventually('there are readings', begun)
  for (const instance of instances) instance.start()
  const blows: Blow[] = []
  let before = 0
  for (const kind of shuffled(plan, random)) {
    const due = before + plan.readings * STEP
    await eventually(`${due} readings are worked`, async () => (await progressOf(log)) >= due, failed)
    await sleep(systemClock, random.fraction() * 1_000)
    before = await progressOf(log)
    const openTransaction =
      kind === 'broker'
        ? await killBroker(broker, random)
        : await strike(kind, { plan, log, instances, random, failed })
    blows.push({ kind, progress: before, openTransaction })
  }
  const { code, stderr } = await generator.ended
  if (code !== 0) throw new Error(`generate ended with ${code}: ${stderr}`)
  const all = async (): Promise<boolean> => (await progressOf(log)) >= plan.readings
  await eventually('all readings are worked', all, failed)
  const codes = await Promise.all(instances.map((instance) => instance.end('SIGTERM')))
  return { blows, instances, codes }
}

/** Late, repeated and corrupt readings among the others, at a steady pace. */
function generate({ readings, rate, seed }: ChaosPlan, broker: KafkaBroker, folder: string) {
  const rates = ['--late', '5%', '--duplicate', '2%', '--corrupt', '0.5%']
  const size = ['--sensors', '50', '--seed', String(seed), '--count', String(readings), '--rate', `${rate}/s`]
  return startMillrace(['generate', ...onKafka(broker), ...size, ...rates], { cwd: folder })
}

function shuffled({ kills, zombies, brokerKills }: ChaosPlan, random: SeededRandom): Blow['kind'][] {
  const kinds = [
    ...Array.from({ length: kills }, () => 'kill' as const),
    ...Array.from({ length: zombies }, () => 'zombie' as const),
    ...Array.from({ length: brokerKills }, () => 'broker' as const),
  ]
  return kinds
    .map((kind) => ({ kind, place: random.fraction() }))
    .sort((a, b) => a.place - b.place)
    .map(({ kind }) => kind)
}

async function killBroker(broker: KafkaBroker, random: SeededRandom): Promise<boolean> {
  await broker.kill()
  await sleep(systemClock, random.fraction() * 1_000)
  await broker.start()
  return false
}

interface Scene {
  readonly plan: ChaosPlan
  readonly log: Log
  readonly instances: readonly Instance[]
  readonly random: SeededRandom
  readonly failed: () => string | undefined
}

/** Kills an instance and starts it again, or freezes it until its session has ended; true in an open transaction. */
async function strike(kind: 'kill' | 'zombie', scene: Scene): Promise<boolean> {
  const { plan, log, instances, random, failed } = scene
  const aims = random.fraction() < AIMED
  let victim: Instance | undefined
  await eventually(
    'an instance has tasks',
    () => (victim = withTasks(instances, random)) !== undefined,
    failed,
  )
  const { tasks } = victim!
  const linesBefore = victim!.lines.length
  if (aims) await untilItCommits(scene, tasks)
  if (kind === 'kill') await victim!.end('SIGKILL')
  else victim!.signal('SIGSTOP')
  await sleep(systemClock, SETTLE_MS)
  const open = await isTransactionOpen(log, tasks)
  if (kind === 'kill') {
    await sleep(systemClock, random.fraction() * 1_500)
    victim!.start()
    return open
  }
  await sleep(systemClock, plan.sessionTimeoutMs + 2_000)
  victim!.signal('SIGCONT')
  const hasNoticed = (): boolean => victim!.lines.slice(linesBefore).some(({ msg }) => NOTICED.includes(msg))
  await eventually('the frozen instance has noticed what it lost', hasNoticed, failed)
  return open
}

/** Resolves in the middle of a commit of these tasks; at the latest after some seconds. */
async function untilItCommits({ plan, log }: Scene, tasks: readonly string[]): Promise<void> {
  const untilMs = systemClock.monotonic() + AIM_MS
  const before = await changelogEnds(log, tasks)
  for (;;) {
    // Without a pause: a transaction is open for some milliseconds of each second only.
    const commits = plan.transactions
      ? await isTransactionOpen(log, tasks)
      : (await changelogEnds(log, tasks)).some((end, index) => end > before[index]!)
    if (commits || systemClock.monotonic() > untilMs) return
  }
}

function withTasks(instances: readonly Instance[], random: SeededRandom): Instance | undefined {
  const working = instances.filter(({ tasks }) => tasks.length > 0)
  return working[Math.floor(random.fraction() * working.length)]
}
