/** Savepoints as a person takes them and goes back to them, with real processes. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import {
  exported,
  linesOf,
  millrace,
  startMillrace,
  type ExportedRecord,
  type RunOptions,
} from '../support/millrace.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const RUN = ['run', '--window', '5s', '--grace', '0s', '--session-timeout', '1500ms']

const folder = temporaryFolder()
let folders = 0

function newPlace(): RunOptions & { readonly cwd: string } {
  const cwd = path.join(folder.path, String(folders++))
  mkdirSync(cwd)
  return { cwd }
}

/** All there is, in another place. Nothing may run. */
function copyOf({ cwd }: RunOptions): RunOptions & { readonly cwd: string } {
  const copy = newPlace()
  cpSync(path.join(cwd, '.millrace'), path.join(copy.cwd, '.millrace'), { recursive: true })
  return copy
}

interface ShownManifest {
  readonly tasks: readonly {
    readonly task: string
    readonly entry: { readonly counts: Record<string, number> }
  }[]
  readonly files: readonly { readonly file: string }[]
}

async function manifestOf(name: string, here: RunOptions): Promise<ShownManifest> {
  const { stdout } = await millrace(['savepoint', 'show', name, '--json'], here)
  return JSON.parse(stdout) as ShownManifest
}

/** The results by partition; each is written by the task of its number. */
async function resultsOf(here: RunOptions): Promise<readonly (readonly unknown[])[]> {
  const results: ExportedRecord[][] = [[], [], [], []]
  for (const result of await exported('aggregates', here)) results[result.partition]!.push(result)
  return results.map((records) =>
    records.map(({ timestamp, key, value, headers }) => ({ timestamp, key, value, headers })),
  )
}

async function ok(args: readonly string[], here: RunOptions): Promise<string> {
  const { code, stdout, stderr } = await millrace(args, here)
  expect([code, stderr.includes('error')], stderr).toEqual([0, false])
  return stdout
}

describe('a savepoint of an application that runs while readings come in', () => {
  it('is gone back to by three instances, which publish byte for byte what was published after it', async () => {
    const here = newPlace()
    const generator = startMillrace(['generate', '--rate', '3000/s', '--sensors', '30'], here)
    const instances = [startMillrace(RUN, here), startMillrace(RUN, here)]
    const follower = startMillrace(['export', 'aggregates', '--follow'], here)
    const seen = (count: number) => follower.until(({ stdout }) => stdout.split('\n').length > count)
    await seen(150)
    await ok(['savepoint', 'create', '--name', 'live', '--session-timeout', '1500ms'], here)
    await seen(follower.stdout.split('\n').length + 200)
    for (const process of [generator, follower, ...instances]) expect((await process.stop()).code).toBe(0)
    await ok([...RUN, '--until-end'], here)
    const first = await resultsOf(here)
    const { tasks } = await manifestOf('live', here)
    const cut = tasks.map(({ entry }) => entry.counts['results'] ?? 0)
    expect(cut.reduce((sum, count) => sum + count)).toBeGreaterThan(100)

    const refused = await millrace([...RUN, '--from-savepoint', 'live', '--until-end'], here)
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(
        /worked since savepoint live[\s\S]*task 0_0: [\d,]+ records worked[\s\S]*--republish/,
      ),
    ])
    const again = copyOf(here)
    const command = [...RUN, '--from-savepoint', 'live', '--republish', '--until-end', '--json']
    const runs = await Promise.all([1, 2, 3].map(() => millrace(command, again)))
    expect(runs.map(({ code, stderr }) => [code, stderr.includes('error')])).toEqual(
      [1, 2, 3].map(() => [0, false]),
    )
    expect(runs.filter(({ stderr }) => stderr.includes('begins anew')).length).toBe(1)
    const both = await resultsOf(again)
    both.forEach((results, partition) => {
      const before = first[partition]!
      expect(results.slice(0, before.length)).toEqual(before)
      expect(results.slice(before.length)).toEqual(before.slice(cut[partition]))
    })
    // The same command once more goes on where it is.
    expect((await millrace(command, again)).stderr).toMatch(/goes on from where it is/)
    expect(await resultsOf(again)).toEqual(both)
  }, 240_000)
})

/** 12,000 readings worked, and more that are not. */
async function worked(): Promise<RunOptions & { readonly cwd: string }> {
  const here = newPlace()
  await ok(['generate', '--count', '12000', '--sensors', '30'], here)
  await ok([...RUN, '--until-end'], here)
  return here
}

describe('the commands about savepoints', () => {
  it('take, list, show, verify and compare them, and end the application where that is asked for', async () => {
    const here = await worked()
    const running = startMillrace(RUN, here)
    await running.until(({ stderr }) => stderr.includes('tasks assigned'))
    const told = JSON.parse(
      await ok(['savepoint', 'create', '--name', 'one', '--stop', '--json'], here),
    ) as object
    expect(told).toMatchObject({ application: 'sensors', name: 'one', incarnation: 0 })
    expect((await running.ended).code).toBe(0)
    expect(await ok(['savepoint', 'create', '--name', 'same'], here)).toContain(
      'Savepoint same of application',
    )
    expect(await ok(['savepoint', 'diff', 'one', 'same'], here)).toBe(
      'The stores of one and same are the same.\n',
    )
    await ok(['generate', '--count', '12100', '--sensors', '30'], here)
    await ok([...RUN, '--until-end'], here)
    await ok(['savepoint', 'create'], here)
    const listed = JSON.parse(await ok(['savepoint', 'list', '--json'], here)) as { name: string }[]
    expect(listed.map(({ name }) => name)).toEqual([
      'one',
      'same',
      expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d.-]+Z$/),
    ])
    expect(await ok(['savepoint', 'show', 'one'], here)).toMatch(
      /window of statistics, size \(ms\): 5000[\s\S]*readings\/3/,
    )
    expect(await ok(['savepoint', 'verify', 'one'], here)).toContain('Savepoint one is whole: 8 files.')
    const differ = await millrace(['savepoint', 'diff', 'one', listed[2]!.name, '--json'], here)
    const differences = linesOf<{
      store: string
      kind: string
      key: string
      first: unknown
      second: unknown
    }>(differ.stdout)
    expect(differ.code).toBe(1)
    expect(new Set(differences.map(({ store }) => store))).toEqual(new Set(['seen', 'statistics']))
    expect(
      differences.find(({ store, kind }) => store === 'statistics' && kind === 'only-in-second'),
    ).toMatchObject({
      key: expect.stringMatching(/^sensor-\d{4}$/) as string,
      windowStart: expect.stringMatching(/^2024-01-01T/) as string,
      first: null,
      second: { value: { count: expect.any(Number) as number } },
    })
  }, 180_000)

  it('go back where nothing was published since, without being told to, and drop what was left behind', async () => {
    const here = await worked()
    await ok(['savepoint', 'create', '--name', 'one'], here)
    await ok([...RUN, '--until-end', '--from-savepoint', 'one'], here)
    const topics = async (): Promise<readonly string[]> => {
      const listed = JSON.parse(await ok(['topics', '--json'], here)) as { readonly name: string }[]
      return listed.map(({ name }) => name)
    }
    expect(await topics()).toEqual(
      expect.arrayContaining(['sensors-commits-0', 'sensors.i1-commits-0', 'sensors-incarnations']),
    )
    const current = await millrace(['savepoint', 'drop-incarnation', '1'], here)
    expect([current.code, current.stderr]).toEqual([1, expect.stringContaining('INCARNATION_CURRENT')])
    await ok(['savepoint', 'drop-incarnation', '0'], here)
    expect(await topics()).not.toContain('sensors-commits-0')
    await ok(['generate', '--count', '13000', '--sensors', '30'], here)
    const run = JSON.parse(await ok([...RUN, '--until-end', '--json'], here)) as object
    expect(run).toMatchObject({ readings: expect.any(Number) as number })
    await ok(['reset', '--yes'], here)
    // The audit stays.
    expect((await topics()).filter((topic) => topic.startsWith('sensors'))).toEqual(['sensors.audit'])
  }, 180_000)

  it('are killed without harm: what was being taken is no savepoint, and may be taken again', async () => {
    const here = await worked()
    const place = path.join(here.cwd, '.millrace/savepoints/sensors/one')
    const filesIn = (): readonly string[] => {
      try {
        return readdirSync(place)
      } catch {
        return []
      }
    }
    const creating = startMillrace(['savepoint', 'create', '--name', 'one'], here)
    while (!filesIn().some((name) => name.endsWith('.avro'))) await setTimeout(1)
    expect((await creating.stop('SIGKILL')).code).toBe(null)
    expect(filesIn()).not.toContain('manifest.json')
    expect(await ok(['savepoint', 'list'], here)).toMatch(/one\s+unfinished/)
    for (const args of [
      ['savepoint', 'show', 'one'],
      [...RUN, '--until-end', '--from-savepoint', 'one'],
    ]) {
      const refused = await millrace(args, here)
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('SAVEPOINT_UNFINISHED')])
    }
    await ok(['savepoint', 'create', '--name', 'one'], here)
    await ok(['savepoint', 'verify', 'one'], here)
  }, 180_000)

  it('find what is damaged, and nobody goes back to that', async () => {
    const here = await worked()
    await ok(['savepoint', 'create', '--name', 'one'], here)
    const file = path.join(here.cwd, '.millrace/savepoints/sensors/one/store-0_1-statistics.avro')
    const bytes = readFileSync(file)
    bytes[bytes.length - 30]! ^= 1
    writeFileSync(file, bytes)
    const found = await millrace(['savepoint', 'verify', 'one'], here)
    expect([found.code, found.stdout]).toEqual([
      1,
      expect.stringMatching(/store-0_1-statistics\.avro: DAMAGED, its SHA-256 is/),
    ])
    const run = await millrace([...RUN, '--until-end', '--from-savepoint', 'one'], here)
    expect([run.code, run.stderr]).toEqual([1, expect.stringContaining('SAVEPOINT_DAMAGED')])
    const manifest = path.join(here.cwd, '.millrace/savepoints/sensors/one/manifest.json')
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace(/"commitId": \d+/, '"commitId": 1'))
    const show = await millrace(['savepoint', 'show', 'one'], here)
    expect([show.code, show.stderr]).toEqual([1, expect.stringContaining('does not fit its SHA-256')])
  }, 180_000)
})

describe('what cannot be done is refused, and nothing is written', () => {
  it('whatever is asked', async () => {
    const here = await worked()
    await ok(['savepoint', 'create', '--name', 'one'], here)
    const savepoints = path.join(here.cwd, '.millrace/savepoints')
    const all = (): unknown[] => [readdirSync(savepoints, { recursive: true }), readdirSync(here.cwd)]
    const topics = await ok(['topics', '--json'], here)
    const before = all()
    const create = ['savepoint', 'create']
    const run = [...RUN, '--until-end']
    const requests: readonly (readonly [readonly string[], number, RegExp])[] = [
      [[...create, '--name', '../x'], 2, /cannot name a savepoint/],
      [[...create, '--name', '.hidden'], 2, /cannot name a savepoint/],
      [[...create, '--name', 'a/b'], 2, /cannot name a savepoint/],
      [[...create, '--name', 'one'], 1, /SAVEPOINT_EXISTS/],
      [[...create, '--application-id', 'nobody'], 1, /APPLICATION_UNKNOWN/],
      [['savepoint', 'show', '../one'], 2, /cannot name a savepoint/],
      [['savepoint', 'verify', 'two'], 1, /has no savepoint two; it has one/],
      [['savepoint', 'diff', 'one'], 2, /name two savepoints/],
      [['savepoint', 'diff', 'one', 'two'], 1, /SAVEPOINT_UNKNOWN/],
      [['savepoint', 'drop-incarnation', '7'], 2, /no topics of an incarnation 7/],
      [['savepoint', 'drop-incarnation', 'x'], 2, /no number of an incarnation/],
      [[...run, '--from-savepoint', 'two'], 1, /SAVEPOINT_UNKNOWN/],
      [[...run, '--from-savepoint', '../one'], 2, /cannot name a savepoint/],
      [[...run, '--republish'], 2, /--republish is about --from-savepoint/],
      [[...run, '--from-savepoint', 'one', '--window', '6s'], 1, /size \(ms\): was 5000, is 6000/],
      [[...run, '--from-savepoint', 'one', '--grace', '1s'], 1, /grace \(ms\): was 0, is 1000/],
      [
        [...run, '--from-savepoint', 'one', '--no-deduplicate'],
        1,
        /store seen, kind: was key-value, is absent/,
      ],
      [[...run, '--from-savepoint', 'one', '--application-id', 'other'], 1, /SAVEPOINT_UNKNOWN/],
      [[...run, '--application-id', 'sensors.i2'], 2, /kept for incarnations/],
    ]
    for (const [args, code, told] of requests) {
      const refused = await millrace(args, here)
      expect([args.join(' '), refused.code, refused.stderr]).toEqual([
        args.join(' '),
        code,
        expect.stringMatching(told),
      ])
    }
    expect(all()).toEqual(before)
    expect(await ok(['topics', '--json'], here)).toBe(topics)
    const running = startMillrace(RUN, here)
    await running.until(({ stderr }) => stderr.includes('tasks assigned'))
    const refused = await millrace([...run, '--from-savepoint', 'one'], here)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('APPLICATION_RUNNING')])
    await running.stop()
    expect(all()).toEqual(before)
  }, 240_000)
})
