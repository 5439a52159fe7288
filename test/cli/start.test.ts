/** What a new user sees first: `npm start`, twice, and the commands that it names. */
import { describe, expect, it } from 'vitest'
import { exported, linesOf, millrace, startMillrace } from '../support/millrace.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const folder = temporaryFolder()
const here = { cwd: folder.path }

interface StartResult {
  readonly sensors: readonly { sensor: string; readings: number; windows: number; late: number }[]
  readonly readings: number
  readonly windows: number
}

describe('start', () => {
  it('works the real readings, tells what came of them, and finds nothing new the second time', async () => {
    const first = await millrace(['start'], here)
    expect([first.code, first.stderr]).toEqual([0, ''])
    expect(first.stdout).toContain('29,962 readings became 18,609 results')
    expect(first.stdout).toMatch(/ambient_temperature_system_failure +7,267 +7,267 +0 +0 +0 +0\n/)
    expect(first.stdout).toMatch(/machine_temperature_system_failure +11,342 +22,685 +1,114 +10 +0 +0\n/)
    expect(first.stdout).toMatch(/all +18,609 +29,952 +1,114 +10 +0 +0\n/)
    expect(await exported('aggregates', here)).toHaveLength(18_609)

    const second = await millrace(['start', '--json'], here)
    expect(second.code).toBe(0)
    const [result] = linesOf<StartResult>(second.stdout)
    expect(result).toMatchObject({ readings: 0, windows: 0, sensors: [] })
    const third = await millrace(['start'], here)
    expect(third.stdout).toContain('Nothing new')
    expect(await exported('aggregates', here)).toHaveLength(18_609)
  })

  it('names commands that work as they stand', async () => {
    const { stdout } = await millrace(['start'], here)
    const commands = [...stdout.matchAll(/^ {2}npx millrace (.*?)(?: {2}|$)/gm)].map(
      ([, line]) => line?.split(' ') ?? [],
    )
    expect(commands.map(([name]) => name)).toEqual(['export', 'status', 'generate', 'run', 'export'])
    const [results = [], status = [], ...live] = commands
    expect((await millrace(results, here)).stdout).toMatch(
      /^topic,partition,offset,timestamp,key,sensorId,windowStart,/,
    )
    expect((await millrace(status, here)).stdout).toContain('Application sensors: not running')
    const [generate, run, follow] = live.map((args) => startMillrace(args, here))
    // Windows of ten minutes over readings that come at a hundred times their pace: some seconds each.
    await follow?.until(({ stdout: told }) => told.includes('sensor-0001@'))
    for (const one of [generate, run, follow]) expect((await one?.stop('SIGINT'))?.code).toBe(0)
  }, 60_000)
})
