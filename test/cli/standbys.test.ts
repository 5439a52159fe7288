/** `run --standbys`: another process takes over with the copies it has kept, and the results are the same. */
import { beforeAll, describe, expect, it } from 'vitest'
import { exported, millrace, startMillrace, type RunningMillrace } from '../support/millrace.ts'
import { samplesOf } from '../support/prometheus-text.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const RECORDS = 20_000
/** Two processes of two workers: as many for each. */
const PARTITIONS = 8
const WINDOWS = ['--window', '1h', '--grace', '10m']
const COMMON = [...WINDOWS, '--idle-timeout', 'never', '--session-timeout', '2s', '--log-level', 'debug']
const SENSORS = ['--sensors', '400']
const folder = temporaryFolder()
const here = { cwd: folder.path }
let expected: unknown

beforeAll(async () => {
  await generate('alone', RECORDS)
  await millrace(['run', '--until-end', '--flush', ...WINDOWS, '--data-dir', 'alone'], here)
  expected = await published('alone')
})

/** The first of always the same readings, and then on from where it stopped. */
async function generate(dataDir: string, count: number): Promise<void> {
  const size = [...SENSORS, '--partitions', String(PARTITIONS), '--count', String(count)]
  const { code, stderr } = await millrace(['generate', ...size, '--data-dir', dataDir], here)
  expect([code, stderr]).toEqual([0, ''])
}

async function published(dataDir: string): Promise<unknown> {
  const records = await exported('aggregates', { ...here, env: { MILLRACE_DATA_DIR: dataDir } })
  return records.map(({ partition, timestamp, key, value }) => [partition, timestamp, key, value])
}

interface Line {
  readonly msg: string
  readonly task?: string
  readonly tasks?: string
  readonly replayed?: number
  readonly records?: number
}

function linesOf(stderr: string): readonly Line[] {
  return stderr.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as Line]
    } catch {
      return []
    }
  })
}

/** The tasks of the assignment in force. */
function tasksOf({ stderr }: RunningMillrace): readonly string[] {
  const last = linesOf(stderr).findLast(({ msg }) => msg.startsWith('tasks '))
  return last?.msg === 'tasks assigned' ? last.tasks!.split(' ').filter(Boolean) : []
}

function committedIn({ stderr }: RunningMillrace): number {
  return linesOf(stderr).reduce((sum, { msg, records = 0 }) => sum + (msg === 'committed' ? records : 0), 0)
}

/** Changelog records applied by the survivor of two processes, two workers each, for each task of the other. */
async function replayedAfterKill(dataDir: string, standbys: number): Promise<readonly number[]> {
  await generate(dataDir, 1)
  const command = ['run', ...COMMON, '--data-dir', dataDir, '--workers', '2', '--standbys', String(standbys)]
  // It owns the log, so that the survivor's reach to it does not depend on who dies.
  const owner = startMillrace(['export', 'aggregates', '--follow', '--data-dir', dataDir], here)
  await owner.until(({ stderr }) => stderr.includes('Waiting for the topic'))
  const survivor = startMillrace([...command, '--http', '127.0.0.1:0'], here)
  await survivor.until(() => tasksOf(survivor).length === PARTITIONS)
  const victim = startMillrace(command, here)
  const each = PARTITIONS / 2
  // Whichever of the two says the last word.
  const eitherTells = (isThere: () => boolean): Promise<void> =>
    Promise.race([survivor.until(isThere), victim.until(isThere)])
  await eitherTells(() => tasksOf(survivor).length === each && tasksOf(victim).length === each)
  // Only now, so that the survivor has never worked what the other has.
  await generate(dataDir, RECORDS - 1)
  await eitherTells(() => committedIn(survivor) + committedIn(victim) >= RECORDS)
  if (standbys > 0) await copiesOf(survivor)
  const lost = tasksOf(victim)
  const told = survivor.stderr.length
  await victim.stop('SIGKILL')
  await survivor.until(() => tasksOf(survivor).length === PARTITIONS)
  const started = linesOf(survivor.stderr.slice(told)).filter(({ msg }) => msg === 'task started')
  const replayed = lost.map((task) => started.find((line) => line.task === task)!.replayed!)
  expect(survivor.stderr).not.toContain('was removed')
  expect((await survivor.stop('SIGTERM')).code).toBe(0)
  await owner.stop('SIGTERM')
  return replayed
}

/** Waits until the process has caught-up copies of half of the tasks: as many as the other one has. */
async function copiesOf(running: RunningMillrace): Promise<void> {
  const address = /"address":"(http:[^"]+)"/.exec(running.stderr)![1]
  for (;;) {
    const text = await (await fetch(`${address}/metrics`)).text()
    const lags = Object.values(samplesOf(text, 'millrace_standby_lag_offsets'))
    // Two stores for each task.
    if (lags.length === PARTITIONS && lags.every((lag) => lag === 0)) return
  }
}

describe('a process whose tasks another one takes over', () => {
  it('is replaced with at least five times fewer changelog records where copies are kept', async () => {
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
    const without = sum(await replayedAfterKill('without', 0))
    const beside = sum(await replayedAfterKill('beside', 1))
    console.log(`changelog records replayed: ${without} without, ${beside} with a standby copy`)
    expect(without).toBeGreaterThan(150)
    expect(beside * 5).toBeLessThanOrEqual(without)
    for (const dataDir of ['without', 'beside']) {
      const last = await millrace(['run', '--until-end', '--flush', ...WINDOWS, '--data-dir', dataDir], here)
      expect(last.code).toBe(0)
      expect(await published(dataDir)).toEqual(expected)
    }
  }, 120_000)
})
