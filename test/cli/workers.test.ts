/** `run --workers`: several threads give what one gives, also when the process is killed and when one of them fails. */
import { cpSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { exported, millrace, startMillrace, type RunningMillrace } from '../support/millrace.ts'
import { samplesOf, sumOf } from '../support/prometheus-text.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const RECORDS = 60_000
const PARTITIONS = 6
const WINDOWS = ['--window', '10s', '--grace', '2s']
const BOUNDED = ['run', '--until-end', '--flush', ...WINDOWS]
const TOPICS = ['aggregates', 'readings.late', 'readings.dlq']
const folder = temporaryFolder()
const here = { cwd: folder.path }
let expected: unknown

beforeAll(async () => {
  const size = ['--count', String(RECORDS), '--sensors', '40', '--partitions', String(PARTITIONS)]
  await millrace(['generate', ...size, '--late', '5%', '--data-dir', 'fresh'], here)
  const at = dataDirectory('one')
  const { code, stderr } = await millrace([...BOUNDED, ...at], here)
  expect([code, stderr]).toEqual([0, ''])
  expected = await published(at)
})

/** A data directory with readings that nobody has worked. */
function dataDirectory(name: string): readonly string[] {
  cpSync(path.join(folder.path, 'fresh'), path.join(folder.path, name), { recursive: true })
  return ['--data-dir', name]
}

/** What was published, by topic and partition: everything but the times at which dead letters were found. */
async function published([, dataDir = '']: readonly string[]): Promise<unknown> {
  const content: Record<string, unknown[]> = {}
  for (const topic of TOPICS) {
    const records = await exported(topic, { ...here, env: { MILLRACE_DATA_DIR: dataDir } })
    for (const { partition, timestamp, key, value } of records) {
      const time = topic.endsWith('.dlq') ? undefined : timestamp
      ;(content[`${topic}/${partition}`] ??= []).push([time, key, value])
    }
  }
  return content
}

/** What the tasks of a process have committed, in all its lives. */
function committedIn(running: RunningMillrace): number {
  return [...running.stderr.matchAll(/"records":(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0)
}

describe('three workers in one process', () => {
  it('publish what one publishes, partition by partition', async () => {
    const at = dataDirectory('three')
    const ended = await millrace([...BOUNDED, ...at, '--workers', '3', '--json'], here)
    // A task that moves while it is worked fences its former owner, which says so and goes on.
    const told = ended.stderr.split('\n').filter((line) => line !== '' && !line.includes('PRODUCER_FENCED'))
    expect([ended.code, told]).toEqual([0, []])
    expect(JSON.parse(ended.stdout)).toMatchObject({ readings: RECORDS })
    expect(await published(at)).toEqual(expected)
    const again = await millrace([...BOUNDED, ...at, '--workers', '3', '--json'], here)
    expect(JSON.parse(again.stdout)).toMatchObject({ readings: 0, windows: 0 })
  }, 60_000)

  it('publish the same when the process is killed three times, and keep their state', async () => {
    const at = dataDirectory('killed')
    const live = [
      'run',
      ...WINDOWS,
      ...at,
      '--workers',
      '3',
      '--log-level',
      'debug',
      '--commit-interval',
      '5ms',
    ]
    let told = ''
    let worked = 0
    for (let kill = 1; kill <= 3; kill++) {
      const running = startMillrace(live, here)
      await running.until(() => committedIn(running) > 500)
      worked += committedIn(running)
      told += (await running.stop('SIGKILL')).stderr
    }
    expect(worked).toBeLessThan(RECORDS)
    const last = await millrace([...BOUNDED, ...at, '--workers', '3', '--log-level', 'debug'], here)
    expect(last.code).toBe(0)
    told += last.stderr
    expect(told).toContain('task started')
    expect(told).not.toContain('local state was removed')
    expect(await published(at)).toEqual(expected)
  }, 120_000)

  it('are stopped together, and are one application for whoever watches', async () => {
    const at = dataDirectory('watched')
    const ops = ['--http', '127.0.0.1:0', '--log-level', 'debug']
    const running = startMillrace(['run', ...WINDOWS, ...at, '--workers', '3', ...ops], here)
    const address = (): string | undefined => /"address":"(http:[^"]+)"/.exec(running.stderr)?.[1]
    await running.until(() => address() !== undefined)
    const ask = async (at: string): Promise<string> => (await fetch(`${address()}${at}`)).text()
    await running.until(() => committedIn(running) >= RECORDS)
    let ready = ''
    // What a thread tells arrives a moment later.
    while (!ready.includes('"ready":true')) ready = await ask('/health/ready')
    const tasks = Array.from({ length: PARTITIONS }, (_, partition) => `0_${partition}`)
    expect(JSON.parse(ready)).toEqual({ ready: true, tasks })
    let text = ''
    while (sumOf(text, 'millrace_records_consumed_total') < RECORDS) text = await ask('/metrics')
    expect(sumOf(text, 'millrace_records_consumed_total')).toBe(RECORDS)
    expect(Object.keys(samplesOf(text, 'millrace_state_bytes'))).toEqual(
      tasks.map((task) => `{task="${task}"}`),
    )
    expect(samplesOf(text, 'millrace_tasks')).toMatchObject({ '{state="running"}': PARTITIONS })
    const status = await millrace(['status', ...at, '--json'], here)
    const { group, tasks: shown } = JSON.parse(status.stdout) as {
      group: { members: number }
      tasks: readonly { instance: string; ownerPid: number | null }[]
    }
    expect(group.members).toBe(3)
    expect(new Set(shown.map(({ instance }) => instance)).size).toBe(3)
    expect(shown.every(({ ownerPid }) => ownerPid !== null)).toBe(true)
    const ended = await running.stop('SIGTERM')
    expect(ended.code).toBe(0)
    expect(ended.stdout).toContain('60,000 readings worked')
    const after = await millrace([...BOUNDED, ...at], here)
    expect(after.code).toBe(0)
    expect(await published(at)).toEqual(expected)
  }, 90_000)
})

describe('workers that fail', () => {
  it('end the process as one alone would, and say why once', async () => {
    const at = dataDirectory('failing')
    expect((await millrace([...BOUNDED, ...at, '--workers', '2'], here)).code).toBe(0)
    const alone = await millrace(['run', '--window', '20s', ...at], here)
    const three = await millrace(['run', '--window', '20s', ...at, '--workers', '3'], here)
    expect([three.code, three.stdout]).toEqual([1, alone.stdout])
    const reasons = (stderr: string): readonly string[] =>
      stderr.split('\n').filter((line) => !line.startsWith('{'))
    expect(reasons(three.stderr).filter((line) => line.includes('STATE_MISMATCH'))).toHaveLength(1)
    expect(three.stderr).toContain('was 10000, is 20000')
  }, 60_000)

  it('are not begun with a number that makes no sense', async () => {
    const { code, stderr } = await millrace(['run', '--workers', '0'], here)
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('--workers must be a whole number from 1 to 64'),
    ])
  })
})
