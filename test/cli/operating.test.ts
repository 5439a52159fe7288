/** status, topics, reset, topology and settings, as somebody uses them who operates the program. */
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { COMMANDS } from '../../src/cli/main.ts'
import { exported, millrace, startMillrace } from '../support/millrace.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

interface Status {
  readonly group: { readonly state: string; readonly members: number }
  readonly openWindows: number
  readonly tasks: readonly {
    readonly task: string
    readonly consumed: number
    readonly ownerPid: number | null
    readonly stateBytes: number
    readonly watermark: string | null
    readonly inputs: readonly { readonly lag: number; readonly position: number; readonly end: number }[]
  }[]
}

describe('an application', () => {
  const folder = temporaryFolder()
  const here = { cwd: folder.path }
  const state = path.join(folder.path, '.millrace/state/sensors')
  const status = async (): Promise<Status> => {
    const { stdout } = await millrace(['status', '--json'], here)
    return JSON.parse(stdout) as Status
  }

  it('is seen by status while it runs and afterwards', async () => {
    await millrace(['generate', '--count', '3000'], here)
    expect(await status()).toMatchObject({ group: { state: 'dead', members: 0 }, tasks: [] })
    const running = startMillrace(['run', '--log-level', 'debug'], here)
    // Commits that come without records are of no interest.
    const worked = (stderr: string): number =>
      [...stderr.matchAll(/"records":(\d+)/g)].reduce((sum, [, records]) => sum + Number(records), 0)
    await running.until(({ stderr }) => worked(stderr) >= 3_000)
    const live = await status()
    expect(live.group).toEqual({ state: 'stable', members: 1 })
    expect(live.tasks.map(({ task }) => task)).toEqual(['0_0', '0_1', '0_2', '0_3'])
    expect(live.tasks.every(({ ownerPid }) => ownerPid !== null)).toBe(true)
    expect(live.tasks.reduce((sum, { consumed }) => sum + consumed, 0)).toBe(3_000)
    expect(live.openWindows).toBeGreaterThan(0)
    expect((await running.stop('SIGINT')).code).toBe(0)
    const after = await status()
    expect(after.group).toEqual({ state: 'empty', members: 0 })
    for (const { ownerPid, stateBytes, watermark, inputs } of after.tasks) {
      expect(ownerPid).toBeNull()
      expect(stateBytes).toBeGreaterThan(0)
      expect(watermark).toMatch(/^2024-01-01T00:0\d:\d\dZ$/)
      expect(inputs).toMatchObject([{ lag: 0 }])
      expect(inputs[0]?.position).toBe(inputs[0]?.end)
    }
    const table = await millrace(['status'], here)
    expect(table.stdout).toMatch(/Application sensors: not running\. Open windows: [1-9]/)
    expect(table.stdout).toMatch(/^0_0 +readings\/0 +[\d,]+ +[\d,]+ +0 +2024-01-01T/m)
    const topics = await millrace(['topics', '--json'], here)
    const names = (JSON.parse(topics.stdout) as { name: string }[]).map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['aggregates', 'readings', 'sensors-commits-0']))
  })

  it('is not reset while it runs, nor without the right word, nor where its state holds foreign files', async () => {
    const running = startMillrace(['run'], here)
    await running.until(({ stderr }) => stderr.includes('tasks assigned'))
    const refused = await millrace(['reset', '--yes'], here)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('APPLICATION_RUNNING')])
    await running.stop()
    const dry = await millrace(['reset', '--dry-run'], here)
    expect(dry.stdout).toMatch(/sensors-seen-changelog[\s\S]*state\/sensors\/0[\s\S]*nothing was removed/)
    const wrong = await millrace(['reset'], { ...here, input: 'yes\n' })
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('nothing was removed')])
    writeFileSync(path.join(state, '0/notes.txt'), 'mine')
    const foreign = await millrace(['reset', '--yes'], here)
    expect([foreign.code, foreign.stderr]).toEqual([
      1,
      expect.stringMatching(/notes\.txt is not of millrace's making/),
    ])
    expect(existsSync(path.join(state, '0/0_0/CURRENT'))).toBe(true)
    renameSync(path.join(state, '0/notes.txt'), path.join(folder.path, 'notes.txt'))
  })

  it('is not reset through a link that leads out of the data directory', async () => {
    const elsewhere = path.join(folder.path, 'elsewhere')
    renameSync(path.join(state, '0'), elsewhere)
    symlinkSync(elsewhere, path.join(state, '0'))
    const refused = await millrace(['reset', '--yes'], here)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('symbolic link')])
    expect(existsSync(path.join(elsewhere, '0_0/CURRENT'))).toBe(true)
    renameSync(path.join(state, '0'), path.join(folder.path, 'link'))
    renameSync(elsewhere, path.join(state, '0'))
  })

  it('begins anew after a reset, which another application with a similar name survives', async () => {
    await millrace(['run', '--until-end', '--flush', '--application-id', 'sensors-2'], here)
    await millrace(['run', '--until-end', '--flush'], here)
    const before = await exported('aggregates', here)
    const done = await millrace(['reset'], { ...here, input: 'sensors\n' })
    expect([done.code, done.stdout]).toEqual([0, expect.stringContaining('Application sensors is reset')])
    expect(existsSync(state)).toBe(false)
    const topics = (await millrace(['topics'], here)).stdout
    expect(topics).toContain('sensors-2-seen-changelog')
    expect(topics).not.toMatch(/^sensors-(commits|seen|statistics)/m)
    const other = await millrace(
      ['run', '--until-end', '--flush', '--application-id', 'sensors-2', '--json'],
      here,
    )
    expect([other.code, JSON.parse(other.stdout)]).toMatchObject([0, { readings: 0 }])
    const anew = await millrace(['run', '--until-end', '--flush', '--json'], here)
    expect(JSON.parse(anew.stdout)).toMatchObject({ readings: 3_000 })
    // The first run of each of the two, and the one after the reset, gave the same results.
    expect((await exported('aggregates', here)).length).toBe((before.length / 2) * 3)
    expect((await millrace(['reset', '--application-id', 'nobody', '--yes'], here)).stdout).toContain(
      'nothing to reset',
    )
  })
})

describe('settings', () => {
  const folder = temporaryFolder()
  folder.write('c.yaml', 'window: 5m\ngrace: 2s\nvalidRange: 10..20\n')
  folder.write('c.json', '{"window": "5m", "partitions": 3}')
  const windowOf = async (args: readonly string[], env: Record<string, string> = {}): Promise<string> => {
    const { stdout, stderr } = await millrace(['topology', ...args], { cwd: folder.path, env })
    return /windows of (\d+ ms every \d+ ms, grace \d+ ms)/.exec(stdout)?.[1] ?? stderr
  }

  it('go from the command line before the environment before the file before the default', async () => {
    const config = ['--config', 'c.yaml']
    const environment = { MILLRACE_WINDOW: '6m', MILLRACE_CONFIG: 'c.json' }
    expect(await windowOf([])).toBe('600000 ms every 600000 ms, grace 60000 ms')
    expect(await windowOf(config)).toBe('300000 ms every 300000 ms, grace 2000 ms')
    expect(await windowOf([], environment)).toBe('360000 ms every 360000 ms, grace 60000 ms')
    expect(await windowOf([...config, '--window', '7m'], environment)).toBe(
      '420000 ms every 420000 ms, grace 2000 ms',
    )
  })

  it('may stand before the command as well as behind it', async () => {
    const before = await millrace(['--json', '--data-dir', 'x', 'status'], { cwd: folder.path })
    const behind = await millrace(['status', '--json', '--data-dir', 'x'], { cwd: folder.path })
    expect(before).toEqual(behind)
    expect(before.stderr).toContain(`There is no log in ${path.join(folder.path, 'x')}`)
  })
})

/** The commands that a help lists. */
function listed(help: string): string[] {
  const list = help.slice(help.indexOf('Commands:'))
  return [...list.matchAll(/^ {2}([a-z-]+) /gm)]
    .map(([, name]) => name ?? '')
    .filter((name) => name !== 'help')
}

describe('help', () => {
  const folder = temporaryFolder()
  mkdirSync(path.join(folder.path, 'x'))

  it('of every command says what it does, with units, defaults and two examples', async () => {
    const { stdout, code } = await millrace(['--help'], { cwd: folder.path })
    expect(code).toBe(0)
    const commands = listed(stdout)
    expect(commands).toEqual([
      'start',
      'import',
      'generate',
      'run',
      'export',
      'topics',
      'status',
      'topology',
      'backfill',
      'dlq',
      'audit',
      'savepoint',
      'reset',
    ])
    const savepoints = await millrace(['savepoint', '--help'], { cwd: folder.path })
    expect(listed(savepoints.stdout)).toEqual([
      'create',
      'list',
      'show',
      'verify',
      'diff',
      'drop-incarnation',
    ])
    const names = COMMANDS.map(({ name }) => name)
    const helps = await Promise.all(
      names.map((name) => millrace([...name.split(' '), '--help'], { cwd: folder.path })),
    )
    for (const [index, help] of helps.entries()) {
      const name = names[index] ?? ''
      expect(help.code).toBe(0)
      expect(help.stdout).toMatch(new RegExp(`^Usage: millrace ${name}`))
      expect(help.stdout).toMatch(/Examples:\n {2}\S.*\n {2}\S/)
      expect(help.stdout).toContain('Global Options:')
    }
    const group = await millrace(['dlq', '--help'], { cwd: folder.path })
    expect([group.code, group.stdout]).toEqual([
      0,
      expect.stringMatching(/^Usage: millrace dlq[\s\S]* replay /),
    ])
    const version = await millrace(['--version'], { cwd: folder.path })
    const manifest = path.resolve(import.meta.dirname, '../../package.json')
    const { version: expected } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
    expect(version).toEqual({ code: 0, stdout: `${expected}\n`, stderr: '' })
  })

  it('is shown, as a mistake, to who names no command', async () => {
    const { code, stdout, stderr } = await millrace([], { cwd: folder.path })
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('Usage: millrace')
  })
})
