/** generate, run and export in three processes on one directory. */
import { describe, expect, it } from 'vitest'
import {
  exported,
  linesOf,
  millrace,
  startMillrace,
  type ExportedRecord,
  type RunningMillrace,
} from '../support/millrace.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

type Part = 'generate' | 'run' | 'export'

const ARGS: Readonly<Record<Part, readonly string[]>> = {
  generate: ['generate', '--rate', '2000/s', '--sensors', '20'],
  run: ['run', '--window', '5s', '--grace', '0s'],
  export: ['export', 'aggregates', '--follow'],
}

/** Results that are waited for at each step. */
const STEP = 40

describe.each<{ starts: readonly Part[]; stops: readonly Part[]; how: 'SIGINT' | 'SIGTERM' | 'SIGKILL' }>([
  { starts: ['generate', 'run', 'export'], stops: ['generate', 'run', 'export'], how: 'SIGINT' },
  { starts: ['export', 'run', 'generate'], stops: ['export', 'run', 'generate'], how: 'SIGTERM' },
  { starts: ['run', 'export', 'generate'], stops: ['run', 'generate', 'export'], how: 'SIGKILL' },
])('started as $starts and stopped as $stops with $how', ({ starts, stops, how }) => {
  const folder = temporaryFolder()
  const here = { cwd: folder.path }

  it('work beside each other, whoever owns the log, and every result comes once', async () => {
    const parts = new Map<Part, RunningMillrace>()
    // The first to come owns the log; its end hands it over.
    for (const part of starts) parts.set(part, startMillrace(ARGS[part], here))
    const follower = parts.get('export')!
    await follower.until(({ stdout }) => linesOf(wholeLines(stdout)).length >= STEP)
    const seen: ExportedRecord[] = []
    for (const part of stops) {
      const ended = await parts.get(part)!.stop(how)
      expect([part, ended.code]).toEqual([part, how === 'SIGKILL' ? null : 0])
      if (part === 'export') {
        seen.push(...linesOf(wholeLines(ended.stdout)))
        continue
      }
      // Who is left goes on; where readings still come and results are still seen, run comes back and they with it.
      if (part !== 'run' || stops[0] !== 'run') continue
      const before = linesOf(wholeLines(follower.stdout)).length
      parts.set(part, startMillrace(ARGS[part], here))
      await follower.until(({ stdout }) => linesOf(wholeLines(stdout)).length >= before + STEP)
      await parts.get(part)!.stop('SIGTERM')
    }
    const worked = await millrace(['run', '--until-end', ...ARGS.run.slice(1), '--json'], here)
    expect([worked.code, worked.stderr]).toEqual([0, ''])
    const results = await exported('aggregates', here)
    const keys = results.map(({ key }) => key)
    expect(new Set(keys).size).toBe(keys.length)
    const byPlace = new Map(results.map((result) => [`${result.partition}/${result.offset}`, result]))
    expect(seen.length).toBeGreaterThanOrEqual(STEP)
    for (const result of seen) expect(byPlace.get(`${result.partition}/${result.offset}`)).toEqual(result)
    expect(new Set(seen.map(({ partition, offset }) => `${partition}/${offset}`)).size).toBe(seen.length)
  }, 60_000)
})

describe('generate --rate', () => {
  const folder = temporaryFolder()

  it('keeps the rate within five percent', async () => {
    const args = ['generate', '--rate', '1000/s', '--count', '4000', '--json']
    const { code, stdout } = await millrace(args, { cwd: folder.path })
    expect(code).toBe(0)
    const { records, recordsPerSecond } = JSON.parse(stdout) as Record<string, number>
    expect(records).toBe(4_000)
    expect(recordsPerSecond).toBeGreaterThan(950)
    expect(recordsPerSecond).toBeLessThan(1_050)
  })
})

describe('two instances of run', () => {
  const folder = temporaryFolder()
  const here = { cwd: folder.path }

  it('share the tasks, and one takes over when the other stops', async () => {
    await millrace(['generate', '--count', '5000'], here)
    const isAssigned = ({ stderr }: { stderr: string }): boolean => stderr.includes('tasks assigned')
    const first = startMillrace(['run'], here)
    await first.until(isAssigned)
    const second = startMillrace(['run'], here)
    await second.until(isAssigned)
    const { stdout } = await millrace(['status', '--json'], here)
    const status = JSON.parse(stdout) as { group: object; tasks: { ownerPid: number }[] }
    expect(status.group).toEqual({ state: 'stable', members: 2 })
    expect(new Set(status.tasks.map(({ ownerPid }) => ownerPid)).size).toBe(2)
    expect((await first.stop('SIGTERM')).code).toBe(0)
    await second.until(({ stderr }) => lastAssignment(stderr) === '0_0 0_1 0_2 0_3')
    expect((await second.stop('SIGTERM')).code).toBe(0)
    const done = await millrace(['run', '--until-end', '--flush', '--json'], here)
    expect(JSON.parse(done.stdout)).toMatchObject({ readings: 0, windows: expect.any(Number) as number })
  })
})

/** The tasks that the log last said were assigned, sorted. */
function lastAssignment(stderr: string): string | undefined {
  const assigned = linesOf<{ msg: string; tasks: string }>(wholeLines(stderr)).filter(
    ({ msg }) => msg === 'tasks assigned',
  )
  return assigned.at(-1)?.tasks.split(' ').sort().join(' ')
}

/** What was written up to the last line that is complete. */
function wholeLines(text: string): string {
  return text.slice(0, text.lastIndexOf('\n') + 1)
}
