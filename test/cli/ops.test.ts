/** `run --http`: health and metrics of a process that works. */
import { describe, expect, it } from 'vitest'
import { millrace, startMillrace, type RunningMillrace } from '../support/millrace.ts'
import { samplesOf, sumOf } from '../support/prometheus-text.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const RECORDS = 3_000

interface Status {
  readonly openWindows: number
  readonly tasks: readonly ({ readonly task: string } & Readonly<Record<string, number>>)[]
}

/** Where the process says that it serves. */
async function addressOf(running: RunningMillrace): Promise<string> {
  const address = (stderr: string): string | undefined => /"address":"(http:[^"]+)"/.exec(stderr)?.[1]
  await running.until(({ stderr }) => address(stderr) !== undefined)
  return address(running.stderr)!
}

async function ask(address: string, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${address}${path}`)
  return { status: response.status, text: await response.text() }
}

/** Resolves when the process has committed so many records since it was started. */
function committed(running: RunningMillrace, records: number): Promise<void> {
  return running.until(({ stderr }) => {
    const commits = [...stderr.matchAll(/"records":(\d+)/g)]
    return commits.reduce((sum, [, count]) => sum + Number(count), 0) >= records
  })
}

describe('run --http', () => {
  const folder = temporaryFolder()
  const here = { cwd: folder.path }
  const run = ['run', '--window', '10s', '--advance', '5s', '--grace', '0s', '--http', '127.0.0.1:0']

  it('is alive from the start, ready when it works, and shows exactly what status shows', async () => {
    const running = startMillrace([...run, '--log-level', 'debug'], here)
    const address = await addressOf(running)
    expect(address).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/)
    await running.until(({ stderr }) => stderr.includes('Waiting for the topic'))
    expect(await ask(address, '/health/live')).toEqual({ status: 200, text: '{"live":true}\n' })
    const waiting = await ask(address, '/health/ready')
    expect([waiting.status, JSON.parse(waiting.text)]).toMatchObject([
      503,
      { code: 'APPLICATION_NOT_RUNNING' },
    ])

    await millrace(['generate', '--count', String(RECORDS), '--corrupt', '1%'], here)
    await committed(running, RECORDS)
    const ready = await ask(address, '/health/ready')
    expect([ready.status, JSON.parse(ready.text)]).toEqual([
      200,
      { ready: true, tasks: ['0_0', '0_1', '0_2', '0_3'] },
    ])
    const { text } = await ask(address, '/metrics')
    const status = JSON.parse((await millrace(['status', '--json'], here)).stdout) as Status
    const of = (name: string): Readonly<Record<string, number>> =>
      Object.fromEntries(status.tasks.map((task) => [`{task="${task.task}"}`, task[name]!]))
    const shown = (name: string): Readonly<Record<string, number>> => samplesOf(text, `millrace_${name}`)
    expect(shown('records_consumed_total')).toEqual(of('consumed'))
    expect(shown('records_partly_late_total')).toEqual(of('partlyLate'))
    expect(shown('records_duplicate_total')).toEqual(of('duplicates'))
    expect(shown('dead_letters_total')).toEqual(of('deadLetters'))
    expect(shown('results_total')).toEqual(of('results'))
    // Commits without records may have come in between.
    for (const [task, commits] of Object.entries(of('commitId'))) {
      expect(shown('commits_total')[task]).toBeGreaterThan(0)
      expect(shown('commits_total')[task]).toBeLessThanOrEqual(commits)
    }
    expect(sumOf(text, 'millrace_records_consumed_total')).toBe(RECORDS)
    for (const name of [
      'records_partly_late',
      'records_duplicate',
      'dead_letters',
      'results',
      'records_late',
    ]) {
      expect(sumOf(text, `millrace_${name}_total`), name).toBeGreaterThan(0)
    }
    const late = status.tasks.reduce((sum, task) => sum + task['late']!, 0)
    expect(sumOf(text, 'millrace_records_late_total')).toBe(late)
    expect(sumOf(text, 'millrace_open_windows')).toBe(status.openWindows)

    expect(Object.values(shown('input_lag_offsets'))).toEqual([0, 0, 0, 0])
    for (const seconds of Object.values(shown('input_watermark_timestamp_seconds'))) {
      expect(seconds).toBeGreaterThan(1_704_067_200)
      expect(seconds).toBeLessThan(1_704_067_200 + RECORDS)
    }
    expect(Object.values(shown('state_bytes')).every((bytes) => bytes > 0)).toBe(true)
    expect(shown('commit_duration_seconds')['_count']).toBeGreaterThan(0)
    expect(shown('ready')).toEqual({ '': 1 })

    expect((await running.stop('SIGTERM')).code).toBe(0)
    await expect(ask(address, '/health/live')).rejects.toThrow()
  })

  it('goes on counting where the run before it stopped', async () => {
    const running = startMillrace([...run, '--log-level', 'debug'], here)
    const address = await addressOf(running)
    await running.until(({ stderr }) => stderr.includes('tasks assigned'))
    expect(sumOf((await ask(address, '/metrics')).text, 'millrace_records_consumed_total')).toBe(RECORDS)
    await millrace(['generate', '--count', '500', '--seed', '2'], here)
    await committed(running, 500)
    const { text } = await ask(address, '/metrics')
    expect(sumOf(text, 'millrace_records_consumed_total')).toBe(RECORDS + 500)
    const second = await millrace(['run', '--http', address.replace('http://', '')], here)
    expect(second).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/EADDRINUSE.*\[HTTP_ADDRESS_UNUSABLE\]\nChoose another --http/) as string,
    })
    expect((await running.stop('SIGINT')).code).toBe(0)
  })

  it('needs a host and a port', async () => {
    const { code, stderr } = await millrace(['run', '--http', '9464'], here)
    expect([code, stderr]).toEqual([2, expect.stringContaining('--http must be a host and a port')])
  })
})
