/** Comparing, promoting and rolling back as a person calls them, over topics made by hand. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { readTopic } from '../support/read-topic.ts'
import { writeResults, type Written } from '../support/result-topics.ts'
import { aggregate, openLogIn, stageBackfill, START_MS, WINDOW_MS } from '../support/staged-backfill.ts'
import { exported, linesOf, millrace, type Ended } from '../support/millrace.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const folder = temporaryFolder()
let count = 0

/** One changed, one missing, one extra, the rest the same. */
const PUBLISHED: readonly Written[] = [
  ...[0, 1, 2, 3].map((window) => aggregate('a', window, [51, 52])),
  aggregate('<b>&"', 0, [51, 52]),
  { ...aggregate('c', 0, [53]), partition: 1 },
]
const STAGED: readonly Written[] = [
  ...[0, 1, 2, 3].map((window) => aggregate('a', window, [51, 52])),
  aggregate('<b>&"', 0, [51, 52, 56.5]),
  { ...aggregate('d', 5, [54]), partition: 1 },
]

async function folderWith(published = PUBLISHED, staged = STAGED): Promise<{ cwd: string }> {
  const cwd = path.join(folder.path, String(count++))
  mkdirSync(cwd)
  await stageBackfill(cwd, 'b1', published, staged)
  return { cwd }
}

function backfill(here: { cwd: string }, ...args: readonly string[]): Promise<Ended> {
  return millrace(['backfill', ...args], here)
}

/** Everything that is published, byte for byte. */
async function publishedIn({ cwd }: { cwd: string }): Promise<unknown> {
  const log = await openLogIn(cwd)
  const topic = await readTopic(log, 'aggregates')
  await log.close()
  return topic.map((partition) => partition.map(({ offset: _offset, ...rest }) => rest))
}

describe('backfill reconcile', () => {
  it('tells people what differs, and programs with --json; exit code 3', async () => {
    const here = await folderWith()
    const { code, stdout, stderr } = await backfill(here, 'reconcile', 'b1')
    expect([code, stderr]).toEqual([3, ''])
    for (const line of [
      /^compared +7$/m,
      /^match +4 +the same bytes$/m,
      /^changed +1 +differ$/m,
      /^missing +1 +staged, not published$/m,
      /^extra +1 +published, not staged$/m,
      /^Invariants: all 10 hold for 6 staged results\.$/m,
      /^Not clean: 3 results differ\. To publish the differences: millrace backfill promote b1$/m,
    ]) {
      expect(stdout).toMatch(line)
    }
    const json = await backfill(here, 'reconcile', 'b1', '--json')
    expect(json.code).toBe(3)
    expect(JSON.parse(json.stdout)).toMatchObject({
      backfill: 'b1',
      clean: false,
      compared: 7,
      match: 4,
      changed: 1,
      missing: 1,
      extra: 1,
      violations: [],
      state: 'reconciled',
      published: { results: 6 },
      staged: { results: 6 },
    })
    const differences = await exported('sensors.backfill.b1.differences', here)
    expect(differences.length).toBe(6)
    const audit = linesOf<{ command: string; result: string; counts: object }>(
      (await millrace(['audit', '--json'], here)).stdout,
    )
    expect(audit.at(-1)).toMatchObject({
      command: 'backfill reconcile',
      result: 'ok',
      counts: { changed: 1 },
    })
  })

  it('is clean with exit code 0 where nothing differs beyond the tolerance', async () => {
    const off = (value: unknown): unknown => ({ ...(value as object), mean: 51.5 + 1e-10 })
    const published = STAGED.map((one) =>
      one.key === `a@${START_MS}` ? { ...one, value: off(one.value) } : one,
    )
    const here = await folderWith(published)
    expect((await backfill(here, 'reconcile', 'b1')).code).toBe(3)
    const within = await backfill(here, 'reconcile', 'b1', '--tolerance', 'mean=1e-9', '--json')
    expect(within.code).toBe(0)
    expect(JSON.parse(within.stdout)).toMatchObject({ clean: true, within: 1, changed: 0, match: 5 })
    const before = await publishedIn(here)
    const promoted = await backfill(here, 'promote', 'b1', '--yes')
    expect([promoted.code, promoted.stdout]).toEqual([
      0,
      expect.stringContaining('There is nothing to promote.'),
    ])
    expect(await publishedIn(here)).toEqual(before)
  })

  it('finds staged results that are not sound, and does not promote them', async () => {
    const wrong = { ...(STAGED[0]!.value as object), mean: 60, count: 0 }
    const here = await folderWith(PUBLISHED, [{ ...STAGED[0]!, value: wrong }, ...STAGED.slice(1)])
    const { code, stdout } = await backfill(here, 'reconcile', 'b1')
    expect(code).toBe(3)
    expect(stdout).toContain(`- min <= mean <= max: violated by 1 of 6 results (a@${START_MS})`)
    expect(stdout).toContain(`- count > 0: violated by 1 of 6 results (a@${START_MS})`)
    const before = await publishedIn(here)
    const promoted = await backfill(here, 'promote', 'b1', '--yes')
    expect([promoted.code, promoted.stderr]).toEqual([1, expect.stringContaining('[INVARIANTS_VIOLATED]')])
    expect(await publishedIn(here)).toEqual(before)
    expect((await backfill(here, 'promote', 'b1', '--yes', '--allow-violations')).code).toBe(0)
  })

  it('compares with a file of right results, CSV or JSONL', async () => {
    const here = await folderWith(STAGED)
    const rows = STAGED.map(({ value }) => value as Record<string, unknown>)
    const lines = [...rows.slice(1), { sensorId: 'z', windowStart: START_MS, mean: 1 }]
    writeFileSync(
      path.join(here.cwd, 'truth.jsonl'),
      lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
    )
    const json = await backfill(here, 'reconcile', 'b1', '--truth', 'truth.jsonl', '--json')
    expect(json.code).toBe(3)
    expect(JSON.parse(json.stdout)).toMatchObject({
      clean: false,
      changed: 0,
      truth: { match: 5, wrong: 0, absent: 1, unexpected: 1 },
    })
    const csv = rows.map(({ sensorId, windowStart, mean }) => {
      return `"${String(sensorId).replaceAll('"', '""')}",${String(windowStart)},${String(mean)}`
    })
    writeFileSync(path.join(here.cwd, 'truth.csv'), ['sensorId,windowStart,mean', ...csv, ''].join('\n'))
    expect((await backfill(here, 'reconcile', 'b1', '--truth', 'truth.csv')).code).toBe(0)
    writeFileSync(path.join(here.cwd, 'wrong.csv'), `sensorId,windowStart,mean\na,${START_MS},99\n`)
    const wrong = await backfill(here, 'reconcile', 'b1', '--truth', 'wrong.csv')
    expect(wrong.code).toBe(3)
    expect(wrong.stdout).toContain(`a@${START_MS}: wrong; mean should be 99 and is 51.5`)
    writeFileSync(path.join(here.cwd, 'none.csv'), 'time,mean\n1,2\n')
    const none = await backfill(here, 'reconcile', 'b1', '--truth', 'none.csv')
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('none.csv:2: it has neither a key')])
  })

  it('compares two backfills, and notes nothing', async () => {
    const here = await folderWith()
    await stageBackfill(here.cwd, 'b2', [], STAGED.slice(1))
    const { code, stdout } = await backfill(here, 'reconcile', 'b1', '--against', 'b2', '--json')
    expect(code).toBe(3)
    expect(JSON.parse(stdout)).toMatchObject({ against: 'b2', match: 5, missing: 1, extra: 0, state: 'ran' })
    const promoted = await backfill(here, 'promote', 'b1', '--yes')
    expect([promoted.code, promoted.stderr]).toEqual([
      1,
      expect.stringContaining('[BACKFILL_NOT_RECONCILED]'),
    ])
  })

  it('writes a page that shows everything without loading or running anything', async () => {
    const here = await folderWith()
    await backfill(here, 'reconcile', 'b1', '--html', 'report.html', '--tolerance', 'sum=0')
    const file = readFileSync(path.join(here.cwd, 'report.html'), 'utf8')
    const page = file.replaceAll(/\s+/g, ' ').replaceAll(/> | </g, (edge) => edge.trim())
    expect(page).toMatch(/^<!doctype html><html lang="en">/)
    expect(page).toContain("default-src 'none'")
    expect(page).not.toMatch(/<script|<link|<img|<iframe|\bon\w+=|url\(|@import|https?:\/\//i)
    expect(page).toContain('prefers-color-scheme: dark')
    // What comes from outside stands there as text.
    expect(page).toContain(`<code>&lt;b&gt;&amp;&quot;@${START_MS}</code>`)
    expect(page).not.toContain('<b>&')
    expect(openTags(page)).toEqual([])
    // Counts by kind, windows over time, sizes of the changes: drawn, and told to those who cannot see them.
    expect(page.match(/<svg /g)!.length).toBeGreaterThanOrEqual(4)
    expect(page.match(/<svg [^>]*role="img" aria-label="[^"]+"/g)!.length).toBe(page.match(/<svg /g)!.length)
    for (const text of [
      '7 results compared',
      'Not clean',
      'Differences over time',
      'How far numbers moved',
    ]) {
      expect(page).toContain(text)
    }
    expect(page).toMatch(/<title>larger by at least 10 and less than 100: 1 result<\/title>/)
    const drawn = [
      ...page.matchAll(/<rect class="(\w+)"[^>]*><title>[^<]*: (\d+) (?:changed|missing|extra)</g),
    ]
    expect(drawn.map(([, kind, height]) => [kind, height]).sort()).toEqual([
      ['changed', '1'],
      ['extra', '1'],
      ['missing', '1'],
    ])
  })
})

describe('backfill promote and rollback', () => {
  it('publish the differences only and restore them byte for byte', async () => {
    const here = await folderWith()
    const before = await newestIn(here)
    await backfill(here, 'reconcile', 'b1')
    const promoted = await backfill(here, 'promote', 'b1', '--yes', '--json')
    expect([promoted.code, promoted.stderr]).toEqual([0, ''])
    expect(JSON.parse(promoted.stdout)).toMatchObject({
      written: 3,
      tombstones: 1,
      transactions: 1,
      left: 0,
      round: 1,
    })
    const after = await exported('aggregates', here)
    expect(after.slice(0).filter(({ headers }) => headers['__millrace.backfill.id'] === 'b1')).toHaveLength(3)
    const clean = await backfill(here, 'reconcile', 'b1', '--json')
    expect([clean.code, JSON.parse(clean.stdout)]).toMatchObject([0, { clean: true, match: 6, noted: false }])
    const rolledBack = await backfill(here, 'rollback', 'b1', '--yes')
    expect(rolledBack.code).toBe(0)
    expect(await newestIn(here)).toEqual({ ...before, [`d@${START_MS + 5 * WINDOW_MS}`]: null })
    expect((await backfill(here, 'promote', 'b1', '--yes')).code).toBe(0)
    expect((await backfill(here, 'reconcile', 'b1')).code).toBe(0)
  })

  it('ask before they write', async () => {
    const here = await folderWith()
    await backfill(here, 'reconcile', 'b1')
    const before = await publishedIn(here)
    const no = await millrace(['backfill', 'promote', 'b1'], { ...here, input: 'no\n' })
    expect([no.code, no.stderr]).toEqual([1, expect.stringContaining('Not confirmed: nothing was written.')])
    const dry = await backfill(here, 'promote', 'b1', '--dry-run')
    expect([dry.code, dry.stdout]).toEqual([0, expect.stringContaining('3 keys of aggregates to promote')])
    expect(await publishedIn(here)).toEqual(before)
    expect((await millrace(['backfill', 'promote', 'b1'], { ...here, input: 'b1\n' })).code).toBe(0)
  })

  it('refuse what makes no sense, and write nothing', async () => {
    const here = await folderWith()
    const before = await publishedIn(here)
    const refused = async (code: string, ...args: readonly string[]): Promise<void> => {
      const ended = await backfill(here, ...args)
      expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining(`[${code}]`)])
      expect(await publishedIn(here)).toEqual(before)
    }
    await refused('BACKFILL_UNKNOWN', 'reconcile', 'other')
    await refused('BACKFILL_UNKNOWN', 'reconcile', 'b1', '--against', 'other')
    await refused('BACKFILL_NOT_RECONCILED', 'promote', 'b1', '--yes')
    await refused('BACKFILL_NOT_PROMOTED', 'rollback', 'b1', '--yes')
    for (const command of ['reconcile', 'promote', 'rollback']) {
      const trick = await backfill(here, command, '../b1')
      expect([trick.code, trick.stderr]).toEqual([2, expect.stringContaining('is no id of a backfill')])
    }
    expect(existsSync(path.join(here.cwd, 'b1'))).toBe(false)
    await backfill(here, 'reconcile', 'b1')
    await refused('TOO_MANY_CHANGES', 'promote', 'b1', '--yes', '--max-changed', '5%')
    const wrong = await backfill(here, 'reconcile', 'b1', '--tolerance', 'mean=-1')
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('--tolerance must be pairs')])
  })

  it('refuse when live has moved on, and when it is done already', async () => {
    const here = await folderWith()
    await backfill(here, 'reconcile', 'b1')
    const write = async (record: Written): Promise<unknown> => {
      const log = await openLogIn(here.cwd)
      await writeResults(log, 'aggregates', [record])
      await log.close()
      return publishedIn(here)
    }
    const moved = await write(aggregate('<b>&"', 0, [51, 51]))
    const refused = await backfill(here, 'promote', 'b1', '--yes')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('[KEYS_CHANGED]')])
    expect(refused.stderr).toContain(`<b>&"@${START_MS}`)
    expect(await publishedIn(here)).toEqual(moved)
    await backfill(here, 'reconcile', 'b1')
    await backfill(here, 'promote', 'b1', '--yes')
    const promoted = await publishedIn(here)
    const twice = await backfill(here, 'promote', 'b1', '--yes')
    expect([twice.code, twice.stderr]).toEqual([1, expect.stringContaining('[BACKFILL_PROMOTED]')])
    expect(await publishedIn(here)).toEqual(promoted)
    const since = await write(aggregate('<b>&"', 0, [51, 51.5]))
    const back = await backfill(here, 'rollback', 'b1', '--yes')
    expect([back.code, back.stderr]).toEqual([1, expect.stringContaining('[KEYS_CHANGED]')])
    expect(await publishedIn(here)).toEqual(since)
  })
})

async function newestIn({ cwd }: { cwd: string }): Promise<Record<string, unknown>> {
  const log = await openLogIn(cwd)
  const found: Record<string, unknown> = {}
  for (const { key, value, timestampMs, headers } of (await readTopic(log, 'aggregates')).flat()) {
    found[key!] = value === null ? null : [value, timestampMs, headers]
  }
  await log.close()
  return found
}

/** Tags that are opened and not closed, or closed and not opened. */
function openTags(page: string): readonly string[] {
  const open: string[] = []
  for (const [, slash, name, rest] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)([^>]*)>/g)) {
    if (['meta', 'br', 'line'].includes(name!) || rest!.endsWith('/')) continue
    if (slash === '') open.push(name!)
    else if (open.pop() !== name) return [`</${name}>`]
  }
  return open
}
