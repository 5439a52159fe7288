/** Dead letters as somebody works them off: seen, put back, parked, discarded, and what the audit tells of it. */
import path from 'node:path'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { openEmbeddedLog } from '../../src/log/embedded/index.ts'
import { DEAD_LETTER } from '../../src/runtime/header-names.ts'
import { failureHeaders, header, writeRecords } from '../support/letters.ts'
import { exported, linesOf, millrace, type RunOptions } from '../support/millrace.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

// Each test starts the program several times.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

interface Listed {
  readonly partition: number
  readonly offset: number
  readonly state: string
  readonly kind: string
  readonly code: string
  readonly key: string
  readonly attempt: number
  readonly source: { readonly topic: string; readonly partition: number; readonly offset: number }
}
type Json = Record<string, unknown>

async function jsonOf(args: readonly string[], here: RunOptions): Promise<Json> {
  const { code, stdout, stderr } = await millrace([...args, '--json'], here)
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Json
}

async function listed(here: RunOptions, ...args: string[]): Promise<Listed[]> {
  const { code, stdout, stderr } = await millrace(['dlq', 'list', '--json', ...args], here)
  if (code !== 0) throw new Error(stderr)
  return linesOf<Listed>(stdout)
}

const RUN = ['run', '--until-end', '--max-future-skew', 'never']

describe('dead letters of a run', () => {
  const folder = temporaryFolder()
  const here = { cwd: folder.path }
  let letters: Listed[]

  beforeAll(async () => {
    await millrace(['generate', '--count', '6000', '--corrupt', '0.03'], here)
    await millrace(RUN, here)
    letters = await listed(here)
  })

  it('are counted and listed as the topic has them', async () => {
    const inTopic = await exported('readings.dlq', here)
    expect(letters.length).toBe(inTopic.length)
    expect(letters.length).toBeGreaterThan(100)
    expect(letters.every(({ state, kind }) => state === 'open' && kind === 'record')).toBe(true)
    const codes = new Map<string, number>()
    for (const { headers } of inTopic) {
      const code = headers[DEAD_LETTER.code]!
      codes.set(code, (codes.get(code) ?? 0) + 1)
    }
    const stats = await jsonOf(['dlq', 'stats'], here)
    expect(stats).toMatchObject({
      topic: 'readings.dlq',
      total: letters.length,
      open: letters.length,
      replayed: 0,
      byCode: Object.fromEntries(codes),
      byStage: { readings: letters.length },
      bySource: { readings: letters.length },
      byAge: { 'under 1 hour': letters.length },
    })
    const told = await millrace(['dlq', 'stats'], here)
    expect(told.stdout).toMatch(
      new RegExp(`^Dead letters in readings.dlq: ${letters.length} \\(${letters.length} open`),
    )
    const few = await millrace(['dlq', 'list', '--limit', '3'], here)
    expect(few.stdout.split('\n').filter((line) => /^\d+@\d+ /.test(line))).toHaveLength(3)
    expect(few.stdout).toContain(`and ${letters.length - 3} more dead letters`)
  })

  it('are found by error, sensor, partition and time', async () => {
    const code = 'TEMPERATURE_INVALID'
    const byCode = await listed(here, '--code', `${code},NO_SUCH`)
    expect(byCode).toEqual(letters.filter((letter) => letter.code === code))
    const { key, partition } = letters[0]!
    expect(await listed(here, '--sensor', key)).toEqual(letters.filter((letter) => letter.key === key))
    expect(
      (await listed(here, '--partition', String(partition))).every((one) => one.partition === partition),
    ).toBe(true)
    expect(await listed(here, '--failed-to', '2001-01-01T00:00:00Z')).toEqual([])
    expect(await listed(here, '--event-from', '2024-01-01T00:00:00Z')).toEqual(letters)
  })

  it('are shown with everything that is known of them', async () => {
    const [{ partition, offset, source, code }] = letters as [Listed]
    const position = `${partition}@${offset}`
    const shown = await millrace(['dlq', 'show', position], here)
    expect(shown.stdout).toContain(`Dead letter ${position} of readings.dlq: open`)
    expect(shown.stdout).toContain(`readings/${source.partition} at ${source.offset}`)
    expect(shown.stdout).toMatch(new RegExp(`error +${code}[\\s\\S]*stack\\n +\\w*Error`))
    const record = (await exported('readings', here)).find(
      (one) => one.partition === source.partition && one.offset === source.offset,
    )
    const json = await jsonOf(['dlq', 'show', position], here)
    const value = record?.value as unknown
    expect(json['value']).toBe(typeof value === 'string' ? value : JSON.stringify(value))
    expect(json['headers']).toMatchObject({ [DEAD_LETTER.code]: code })
  })

  it('would fail again while nothing is mended: the dry run says so and changes nothing', async () => {
    const topics = (await millrace(['topics'], here)).stdout
    const stats = await jsonOf(['dlq', 'stats'], here)
    const dry = await jsonOf(['dlq', 'replay', '--dry-run'], here)
    expect(dry).toMatchObject({
      dryRun: true,
      replayed: letters.length,
      failsAgain: stats['byCode'],
      windows: [],
    })
    expect((await millrace(['topics'], here)).stdout).toBe(topics)
  })

  it('are not put back without a word', async () => {
    for (const input of ['', 'yes\n', 'readings\n']) {
      const refused = await millrace(['dlq', 'replay'], { ...here, input })
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/Not confirmed.*--yes/)])
    }
    expect((await jsonOf(['dlq', 'stats'], here))['open']).toBe(letters.length)
  })

  it('go back, come again with their attempts counted, and are parked when they were tried enough', async () => {
    const ENOUGH = ['dlq', 'replay', '--max-attempts', '2', '--yes', '--as', 'ann']
    const first = await jsonOf(ENOUGH, here)
    expect(first).toMatchObject({ replayed: letters.length, parked: 0, finished: true, refused: {} })
    expect(await listed(here)).toEqual([])
    expect((await listed(here, '--all')).every(({ state }) => state === 'replayed')).toBe(true)
    const again = await millrace(ENOUGH, here)
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('nothing to replay')])
    await millrace(RUN, here)
    const second = await listed(here)
    expect(second.map(({ attempt }) => attempt)).toEqual(letters.map(() => 2))
    const confirmed = await millrace(['dlq', 'replay', '--max-attempts', '2'], {
      ...here,
      input: 'readings.dlq\n',
    })
    expect([confirmed.code, confirmed.stdout]).toEqual([
      0,
      expect.stringContaining(`parked ${letters.length}`),
    ])
    expect(await jsonOf(['dlq', 'stats'], here)).toMatchObject({
      open: 0,
      replayed: letters.length,
      parked: letters.length,
    })
    expect(await listed(here, '--topic', 'readings.dlq.parked')).toHaveLength(letters.length)
    await millrace(RUN, here)
    expect(await listed(here)).toEqual([])
  })

  it('are in the audit, with who and what', async () => {
    const { stdout } = await millrace(['audit', '--json'], here)
    const records = linesOf<Json>(stdout)
    expect(records.map(({ command, result, by }) => [command, result, by === 'ann'])).toEqual([
      ['dlq replay', 'begun', true],
      ['dlq replay', 'ok', true],
      ['dlq replay', 'begun', false],
      ['dlq replay', 'ok', false],
    ])
    expect(records.map(({ counts }) => (counts as Json)['parked'])).toEqual([0, 0, 0, letters.length])
    expect(records[0]!['planHash']).toMatch(/^[0-9a-f]{64}$/)
    expect(records[2]!['by']).toMatch(/^.+@.+$/)
    const told = await millrace(['audit', '--limit', '1'], here)
    expect(told.stdout).toMatch(new RegExp(`ok +parked ${letters.length} `))
    await millrace(['reset', '--yes', '--as', 'bob'], here)
    const after = linesOf<Json>((await millrace(['audit', '--json', '--limit', '2'], here)).stdout)
    expect(after.map(({ command, result, by }) => [command, result, by])).toEqual([
      ['reset', 'begun', 'bob'],
      ['reset', 'ok', 'bob'],
    ])
  })
})

describe('dead letters of all kinds', () => {
  const folder = temporaryFolder()
  const here = { cwd: folder.path }

  beforeAll(async () => {
    const log = await openEmbeddedLog({ directory: path.join(folder.path, '.millrace/log') })
    await log.createTopics([
      { name: 'plant', partitions: 2 },
      { name: 'plant.dlq', partitions: 1 },
      { name: 'circle', partitions: 1 },
    ])
    const from = (topic: string, more: Record<string, string> = {}) =>
      failureHeaders({ [DEAD_LETTER.topic]: topic, ...more })
    await writeRecords(log, 'plant.dlq', [
      [
        { value: 'good', headers: [header('unit', 'K'), ...from('plant')] },
        { value: Buffer.from([0, 255, 7]), headers: [] },
        { value: 'gone', headers: from('gone') },
        {
          value: 'line',
          headers: from('plant', { [DEAD_LETTER.file]: '\u001b[2Ja.csv', [DEAD_LETTER.line]: '2' }),
        },
        { value: 'evil', headers: from('plant', { [DEAD_LETTER.message]: '\u001b]0;you\u0007 \u202e' }) },
      ],
    ])
    await writeRecords(log, 'circle', [[{ headers: from('circle', { [DEAD_LETTER.partition]: '0' }) }]])
    await log.close()
  })

  it('are listed, also those of nowhere, and no control character reaches the terminal', async () => {
    const told = await millrace(['dlq', 'list', '--topic', 'plant.dlq'], here)
    expect(told.stdout).toMatch(/0@1 +unknown +FOREIGN/)
    const foreign = await millrace(['dlq', 'show', '0@1', '--topic', 'plant.dlq'], here)
    expect(foreign.stdout).toMatch(/00000000 {2}00 ff 07 +\.\.\./)
    const evil = await millrace(['dlq', 'show', '0@4', '--topic', 'plant.dlq'], here)
    for (const { stdout } of [told, foreign, evil])
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/)
    const [line] = await listed(here, '--topic', 'plant.dlq', '--header', 'unit=K')
    expect(line).toMatchObject({ offset: 0, source: { topic: 'plant', partition: 1, offset: 17 } })
  })

  it('are put back where that can be; the others are told, stay open, and can be discarded', async () => {
    const args = ['dlq', 'replay', '--topic', 'plant.dlq', '--yes']
    const done = await millrace(args, here)
    expect([done.code, done.stdout]).toEqual([0, expect.stringContaining('Replayed 2 dead letters')])
    expect(done.stderr).toMatch(
      /1 no dead letters[\s\S]*1 lines of files[\s\S]*1 from a topic that does not exist/,
    )
    expect(
      (await exported('plant', here)).map(({ partition, value, headers }) => [
        partition,
        value,
        headers['unit'],
      ]),
    ).toEqual([
      [1, 'good', 'K'],
      [1, 'evil', undefined],
    ])
    const none = await millrace(args, here)
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('DEAD_LETTERS_NOT_REPLAYABLE')])
    const one = await millrace(['dlq', 'discard', '0@1', '--topic', 'plant.dlq', '--yes'], here)
    expect(one.stdout).toContain('Discarded 1 dead letter ')
    expect((await listed(here, '--topic', 'plant.dlq')).map(({ offset }) => offset)).toEqual([2, 3])
    const discarded = await millrace(
      ['dlq', 'discard', '--topic', 'plant.dlq', '--code', 'BROKEN', '--yes'],
      here,
    )
    expect(discarded.stdout).toContain('Discarded 2 dead letters ')
    expect(await exported('plant', here)).toHaveLength(2)
  })

  it('that come from their own topic are refused: they would go round in circles', async () => {
    const refused = await millrace(['dlq', 'replay', '--topic', 'circle', '--yes'], here)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('round in circles')])
    expect(await exported('circle', here)).toHaveLength(1)
  })

  it.each<[string, readonly string[], number, string]>([
    ['a position that is none', ['show', '../0@1'], 2, 'is no position'],
    ['a position without an offset', ['replay', '7', '--yes'], 2, 'is no position'],
    ['an offset that is not there', ['show', '0@99', '--topic', 'plant.dlq'], 1, 'DEAD_LETTER_UNKNOWN'],
    ['a partition that is not there', ['show', '5@0', '--topic', 'plant.dlq'], 1, 'partitions 0 to 0'],
    ['a topic that is not there', ['list', '--topic', 'nowhere'], 1, 'TOPIC_UNKNOWN'],
    ['a name that leads out', ['stats', '--topic', '../plant'], 2, 'must be a name'],
    ['a name with a slash', ['replay', '--topic', 'a/b', '--yes'], 2, 'must be a name'],
    ['a header without a value', ['list', '--header', 'unit'], 2, 'must be a name and a value'],
    [
      'times the wrong way round',
      ['list', '--failed-from', '2024-01-02', '--failed-to', '2024-01-01'],
      2,
      '--failed-from must be',
    ],
    ['a rate of nothing', ['replay', '--rate', '0/s'], 2, 'must be a rate'],
    ['no attempts', ['replay', '--max-attempts', '0'], 2, 'whole number'],
    ['a command that is not there', ['purge'], 2, 'unknown command'],
  ])('%s is refused in clear words', async (_what, args, code, told) => {
    const refused = await millrace(['dlq', ...args], here)
    expect([refused.code, refused.stdout, refused.stderr]).toEqual([code, '', expect.stringContaining(told)])
  })

  it('cannot be where nothing is', async () => {
    for (const args of [['dlq', 'stats'], ['dlq', 'replay', '--yes'], ['audit']]) {
      const refused = await millrace([...args, '--data-dir', 'nothing'], here)
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('There is no log in')])
    }
  })
})
