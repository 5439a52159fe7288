/**
 * A day of event time in ten minutes (`SOAK_MINUTES=30` takes longer over it), with two instances of which one comes
 * and goes: memory stays flat, the results are those of plain loops, and an instance without input costs next to
 * nothing.
 */
import { spawn } from 'node:child_process'
import { afterAll, describe, expect, it } from 'vitest'
import { sleep, systemClock } from '../../src/clock.ts'
import type { Log } from '../../src/log/log.ts'
import type { KafkaBroker } from '../support/kafka/broker.ts'
import {
  eventually,
  expectedBy,
  instanceIn,
  onKafka,
  progressOf,
  publishedOn,
  SETTINGS,
  watchingLog,
  type Instance,
} from '../support/kafka/fleet.ts'
import { ownBrokerForTests } from '../support/kafka/kafka-for-tests.ts'
import { millrace, PROGRAM, startMillrace } from '../support/millrace.ts'
import { cpuMs, floorSlopePerHour, heapMiB, residentMiB, type Sample } from '../support/process-figures.ts'
import { compare } from '../support/sensor-oracle.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const MINUTES = Number(process.env['SOAK_MINUTES'] ?? 10)
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const RATE = 500
const SENSORS = 50
const READINGS = RATE * 60 * MINUTES
/** A period of all sensors takes `SENSORS / RATE` seconds; there are so many that a day passes. */
const PERIOD_MS = Math.ceil((DAY_MS * SENSORS) / READINGS)
const SOAK_SETTINGS = { ...SETTINGS, windowMs: 60_000, graceMs: 5_000 }
const WINDOWS = ['--window', '60s', '--grace', '5s']
/** Caches and compiled code have found their size by then. */
const WARM_UP_SHARE = 0.3
const SAMPLE_MS = 2_000
/** A collection of the whole heap falls into each. */
const STRETCH_MS = MINUTE_MS / 2
/** 50 bytes kept of each reading would be 86 MiB an hour. */
const HEAP_SLOPE_MAX = 60
const RESIDENT_SLOPE_MAX = 120
/** The old generation of an instance, so that a leak ends it and garbage does not hide one. */
const HEAP_MIB = 128
const IDLE_MS = 60_000
const IDLE_SHARE_MAX = 0.03

const own = ownBrokerForTests()
const folder = temporaryFolder()
let log: Log | undefined

afterAll(() => log?.close())

interface Figures {
  readonly heap: readonly Sample[]
  readonly resident: readonly Sample[]
}

/** Samples `instance` until `done`. */
async function watch(instance: Instance, done: () => boolean): Promise<Figures> {
  const heap: Sample[] = []
  const resident: Sample[] = []
  const origin = await originOf(instance)
  while (!done()) {
    const atMs = systemClock.monotonic()
    resident.push({ atMs, value: residentMiB(instance.pid) })
    heap.push({ atMs, value: await heapMiB(origin) })
    await sleep(systemClock, SAMPLE_MS)
  }
  return { heap, resident }
}

async function originOf(instance: Instance): Promise<string> {
  const told = (): unknown =>
    instance.lines.find(({ msg }) => msg.startsWith('serving /metrics'))?.['address']
  await eventually('the metrics are served', () => told() !== undefined)
  return String(told())
}

/** Lets an instance come and go, killed every second time, until `done`; how often it came. */
async function comeAndGo(instance: Instance, done: () => boolean): Promise<number> {
  let lives = 0
  while (!done()) {
    instance.start()
    lives += 1
    await eventually('it has work', () => instance.tasks.length > 0 || done())
    const untilMs = systemClock.monotonic() + MINUTE_MS / 2
    while (!done() && systemClock.monotonic() < untilMs) await sleep(systemClock, SAMPLE_MS)
    await instance.end(lives % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
    await sleep(systemClock, MINUTE_MS / 6)
  }
  return lives
}

function generate(broker: KafkaBroker) {
  const size = ['--sensors', String(SENSORS), '--count', String(READINGS), '--rate', `${RATE}/s`]
  const args = [...size, '--period', `${PERIOD_MS}ms`, '--late', '2%', '--duplicate', '1%']
  return startMillrace(['generate', ...onKafka(broker), ...args], { cwd: folder.path })
}

/** Share of a core that a process uses over `ms`. */
async function cpuShare(pid: number, ms: number): Promise<number> {
  const [startedMs, before] = [systemClock.monotonic(), cpuMs(pid)]
  await sleep(systemClock, ms)
  return (cpuMs(pid) - before) / (systemClock.monotonic() - startedMs)
}

function afterWarmUp(samples: readonly Sample[]): readonly Sample[] {
  return samples.slice(Math.floor(samples.length * WARM_UP_SHARE))
}

describe('the figures', () => {
  it('show a leak of 50 bytes a reading below the saw-tooth of garbage', () => {
    const samples = (leakMiBPerHour: number): Sample[] => {
      return Array.from({ length: 210 }, (_, index) => {
        const garbage = (index % 11) * 3
        return {
          atMs: index * SAMPLE_MS,
          value: 60 + garbage + (leakMiBPerHour * index * SAMPLE_MS) / 3_600_000,
        }
      })
    }
    const leak = (50 * RATE * 3600) / 1024 / 1024
    expect(floorSlopePerHour(samples(leak), STRETCH_MS)).toBeGreaterThan(HEAP_SLOPE_MAX)
    expect(floorSlopePerHour(samples(0), STRETCH_MS)).toBeLessThan(5)
  })

  it('show a process that is busy', async () => {
    const busy = spawn(process.execPath, ['-e', 'for (;;);'])
    try {
      expect(await cpuShare(busy.pid!, 2_000)).toBeGreaterThan(IDLE_SHARE_MAX * 2)
    } finally {
      busy.kill('SIGKILL')
    }
  })
})

describe.skipIf(own === null)('a day of event time', () => {
  it(
    'is aggregated in constant memory while an instance comes and goes, and costs nothing when it is over',
    async () => {
      const broker = await own!.broker()
      log = await watchingLog(broker)
      const commandWith = (...more: readonly string[]): readonly string[] => {
        return [PROGRAM, 'run', ...onKafka(broker), ...WINDOWS, ...more, '--http', '127.0.0.1:0']
      }
      const command = commandWith('--idle-timeout', 'never', '--session-timeout', '6s')
      const env = { NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}` }
      const [steady, guest] = [
        instanceIn(folder.path, 'a', command, env),
        instanceIn(folder.path, 'b', command),
      ]

      const generator = generate(broker)
      let fed = false
      const feeding = generator.ended.then(({ code }) => {
        fed = true
        return code
      })
      steady.start()
      const [figures, lives, fedCode] = await Promise.all([
        watch(steady, () => fed),
        comeAndGo(guest, () => fed),
        feeding,
      ])
      expect([fedCode, steady.endedByItself, guest.endedByItself]).toEqual([0, undefined, undefined])
      await eventually('all is worked', async () => (await progressOf(log!)) >= READINGS)

      const heap = floorSlopePerHour(afterWarmUp(figures.heap), STRETCH_MS)
      const resident = floorSlopePerHour(afterWarmUp(figures.resident), STRETCH_MS)
      const last = (samples: readonly Sample[]): string => samples.at(-1)!.value.toFixed(0)
      console.log(
        `${MINUTES} minutes, ${READINGS} readings, ${lives} lives of the other instance; ` +
          `heap ${last(figures.heap)} MiB, ${heap.toFixed(1)} MiB an hour; ` +
          `resident ${last(figures.resident)} MiB, ${resident.toFixed(1)} MiB an hour`,
      )
      expect(lives).toBeGreaterThanOrEqual(Math.floor(MINUTES))
      await steady.end('SIGTERM')

      const end = [...onKafka(broker), ...WINDOWS, '--idle-timeout', 'never', '--until-end', '--flush']
      const flushed = await millrace(['run', ...end], { cwd: steady.folder })
      expect([flushed.code, flushed.stderr]).toEqual([0, ''])
      const { expected, readings } = await expectedBy(broker, SOAK_SETTINGS)
      expect(readings).toBe(READINGS)
      expect(new Set(expected.aggregates.flat().map(startOfWindow)).size).toBeGreaterThanOrEqual(1_400)
      expect(expected.late.flat().length).toBeGreaterThan(100)
      expect(compare(expected, await publishedOn(broker))).toEqual({
        twice: [],
        missing: [],
        unexpected: [],
        disordered: [],
      })
      expect(heap).toBeLessThan(HEAP_SLOPE_MAX)
      expect(resident).toBeLessThan(RESIDENT_SLOPE_MAX)

      const idle = instanceIn(folder.path, 'a', commandWith())
      idle.start()
      await eventually('the idle one has all tasks', () => idle.tasks.length === 4)
      await sleep(systemClock, IDLE_MS / 6)
      const share = await cpuShare(idle.pid, IDLE_MS)
      console.log(`without input: ${(share * 100).toFixed(2)} % of a core`)
      await idle.end('SIGTERM')
      expect(share).toBeLessThan(IDLE_SHARE_MAX)
    },
    (MINUTES + 10) * MINUTE_MS,
  )
})

/** Of a row of `aggregateRow`, whose key ends with it. */
function startOfWindow(row: string): string {
  const [key] = JSON.parse(row) as [string]
  return key.slice(key.lastIndexOf('@'))
}
