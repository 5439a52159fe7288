/** Whatever is wrong is told in one clear message; what can go on goes on, and nothing is lost. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { exported, millrace, PROGRAM, RunningMillrace } from '../support/millrace.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const folder = temporaryFolder()
let count = 0

/** A folder of its own for each test. */
function ownFolder(): string {
  const own = path.join(folder.path, String(count++))
  mkdirSync(own)
  return own
}

const GOOD = { eventId: 'e1', sensorId: 's1', timestamp: 1_704_067_200_000, temperature: 52.5 }

describe('a line of a file that is no reading', () => {
  const BAD: readonly (readonly [string, string | Buffer, string])[] = [
    ['unreadable JSON', '{"eventId":', 'LINE_NOT_JSON'],
    ['null', 'null', 'READING_NOT_AN_OBJECT'],
    ['a list', '[1, 2]', 'READING_NOT_AN_OBJECT'],
    ['a temperature of text', JSON.stringify({ ...GOOD, temperature: 'warm' }), 'TEMPERATURE_INVALID'],
    ['NaN', '{"eventId":"e","sensorId":"s","timestamp":1,"temperature":NaN}', 'LINE_NOT_JSON'],
    ['-300 degrees', JSON.stringify({ ...GOOD, temperature: -300 }), 'TEMPERATURE_IMPOSSIBLE'],
    ['a timestamp of words', JSON.stringify({ ...GOOD, timestamp: 'yesterday' }), 'TIMESTAMP_INVALID'],
    ['an empty sensor id', JSON.stringify({ ...GOOD, sensorId: '' }), 'SENSOR_ID_MISSING'],
    ['a line of 2 MB', JSON.stringify({ ...GOOD, note: 'x'.repeat(2_000_000) }), 'LINE_TOO_LONG'],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'LINE_NOT_UTF8'],
  ]

  it('is kept as a dead letter with file, line and reason, and the rest goes on', async () => {
    const cwd = ownFolder()
    const good = (eventId: string): Buffer => Buffer.from(`${JSON.stringify({ ...GOOD, eventId })}\n`)
    const lines = BAD.flatMap(([, line], index) => [good(`e${index}`), Buffer.from(line), Buffer.from('\n')])
    writeFileSync(path.join(cwd, 'bad.jsonl'), Buffer.concat([...lines, good('last')]))
    const ended = await millrace(['import', 'bad.jsonl', '--json'], { cwd })
    expect(ended.code).toBe(0)
    expect(JSON.parse(ended.stdout)).toMatchObject({ readings: BAD.length + 1, badLines: BAD.length })
    const letters = await exported('readings.dlq', { cwd })
    const told = letters.map(({ headers }) => [
      headers['__millrace.errors.line'],
      headers['__millrace.errors.code'],
    ])
    expect(told).toEqual(BAD.map(([, , code], index) => [String(2 * index + 2), code]))
    expect(letters[0]).toMatchObject({
      key: null,
      value: '{"eventId":',
      headers: {
        '__millrace.errors.stage': 'import',
        '__millrace.errors.file': 'bad.jsonl',
        '__streams.errors.topic': 'readings',
      },
    })
    const long = letters.find(({ headers }) => headers['__millrace.errors.code'] === 'LINE_TOO_LONG')
    expect(long?.headers['__streams.errors.message']).toMatch(
      /the line has 2000\d\d\d bytes, .* SHA-256 [0-9a-f]{64}$/,
    )
  })

  it('is told for the first five only, and counted', async () => {
    const cwd = ownFolder()
    writeFileSync(path.join(cwd, 'bad.csv'), `timestamp,value\n${'now,1\n'.repeat(8)}`)
    const { code, stderr, stdout } = await millrace(['import', 'bad.csv'], { cwd })
    expect(code).toBe(0)
    expect(stderr.match(/bad\.csv:\d+:/g)).toEqual([2, 3, 4, 5, 6].map((line) => `bad.csv:${line}:`))
    expect(stderr).toContain('3 more bad lines')
    expect(stdout).toContain('Imported 0 readings, 8 bad lines')
  })
})

describe('a reading that is odd', () => {
  it('of the year 2300 is a dead letter of run, and one of sensor __proto__ counts as any other', async () => {
    const cwd = ownFolder()
    const readings = [
      GOOD,
      { ...GOOD, eventId: 'e2', timestamp: Date.UTC(2300, 0, 1) },
      { ...GOOD, eventId: 'e3', sensorId: '__proto__' },
      { ...GOOD, eventId: 'e4', sensorId: 'constructor' },
    ]
    writeFileSync(path.join(cwd, 'odd.jsonl'), readings.map((reading) => JSON.stringify(reading)).join('\n'))
    await millrace(['import', 'odd.jsonl'], { cwd })
    const { code, stdout } = await millrace(['run', '--until-end', '--flush', '--json'], { cwd })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ readings: 4, counted: 3, deadLetters: 1, windows: 3 })
    const [letter] = await exported('readings.dlq', { cwd })
    expect(letter?.headers['__millrace.errors.code']).toBe('TIMESTAMP_TOO_FAR_AHEAD')
    const results = await exported('aggregates', { cwd })
    expect(results.map(({ value }) => value['sensorId']).sort()).toEqual(['__proto__', 'constructor', 's1'])
  })

  it('with the event id of another one is a dead letter', async () => {
    const cwd = ownFolder()
    const readings = [GOOD, GOOD, { ...GOOD, temperature: 54 }]
    writeFileSync(
      path.join(cwd, 'twice.jsonl'),
      readings.map((reading) => JSON.stringify(reading)).join('\n'),
    )
    await millrace(['import', 'twice.jsonl'], { cwd })
    const { stdout } = await millrace(['run', '--until-end', '--flush', '--json'], { cwd })
    expect(JSON.parse(stdout)).toMatchObject({ readings: 3, counted: 1, duplicates: 1, deadLetters: 1 })
  })
})

interface Refused {
  readonly what: string
  readonly args: readonly string[]
  readonly code: number
  readonly told: RegExp
  readonly env?: Record<string, string>
  prepare?(cwd: string): void
}

const file = (name: string, content: string) => (cwd: string) => writeFileSync(path.join(cwd, name), content)

const REFUSED: readonly Refused[] = [
  { what: 'a missing file', args: ['import', 'no.csv'], code: 2, told: /no\.csv: no such file/ },
  { what: 'a folder as a file', args: ['import', '.'], code: 2, told: /\.: is a directory/ },
  {
    what: 'a missing column',
    args: ['import', 'a.csv'],
    code: 2,
    told: /no column "timestamp".*there are: "time", "celsius"[\s\S]*no column "temperature"/,
    prepare: file('a.csv', 'time,celsius\n1,2\n'),
  },
  {
    what: 'a column that --map names and the file lacks',
    args: ['import', 'a.csv', '--map', 'temperature=celsius'],
    code: 2,
    told: /no column "celsius".*there are: "timestamp", "value"/,
    prepare: file('a.csv', 'timestamp,value\n1,2\n'),
  },
  {
    what: 'another partition count',
    args: ['import', 'a.csv', '--partitions', '3'],
    code: 2,
    told: /topic readings has 4 partitions, and --partitions asks for 3/,
    prepare: file('a.csv', 'timestamp,value\n1,2\n'),
  },
  { what: 'an unknown option', args: ['run', '--windw', '5m'], code: 2, told: /'--windw'\s.*mean --window/s },
  { what: 'an unknown command', args: ['exprt'], code: 2, told: /'exprt'\s.*mean export/s },
  { what: 'a missing argument', args: ['export'], code: 2, told: /missing required argument 'topic'/ },
  { what: 'one argument too many', args: ['topics', 'x'], code: 2, told: /too many arguments/ },
  { what: 'flush without an end', args: ['run', '--flush'], code: 2, told: /--flush .* needs --until-end/ },
  {
    what: 'several wrong settings at once, each with its source',
    args: ['run', '--window', '5x', '--config', 'c.yaml'],
    env: { MILLRACE_GRACE: '7', MILLRACE_IDLE_TIMOUT: '1m' },
    code: 2,
    told: /IDLE_TIMOUT .*mean MILLRACE_IDLE_TIMEOUT[^]*c\.yaml: emt .*mean emit[^]*--window [^]*MILLRACE_GRACE /,
    prepare: file('c.yaml', 'emt: close\n'),
  },
  {
    what: 'a topic that does not exist',
    args: ['run', '--until-end'],
    code: 1,
    told: /There is no topic readings yet/,
  },
  { what: 'a log that does not exist', args: ['topics'], code: 1, told: /There is no log in .* yet/ },
  {
    what: 'a file where the data directory should be',
    args: ['topics', '--data-dir', 'plain'],
    code: 1,
    told: /plain\/log is not a directory.*\[LOG_DIRECTORY_UNUSABLE\]/,
    prepare: file('plain', ''),
  },
  {
    what: 'a file where the state should be',
    args: ['run', '--until-end'],
    code: 1,
    told: /No state can be kept in .*sensors.*\[STATE_DIRECTORY_UNUSABLE\]/,
    prepare: (cwd) => {
      file('.millrace/state', '')(cwd)
    },
  },
  {
    what: 'a file for the generator that exists',
    args: ['generate', '--to', 'a.jsonl', '--count', '1'],
    code: 2,
    told: /a\.jsonl: exists already; .*--again/,
    prepare: file('a.jsonl', 'precious'),
  },
]

describe('what cannot be done', () => {
  it.each(REFUSED)('is told and begins nothing: $what', async ({ what, args, code, told, env, prepare }) => {
    const cwd = ownFolder()
    if (what === 'another partition count' || what.startsWith('a file where the state')) {
      file('first.csv', 'timestamp,value\n1,2\n')(cwd)
      await millrace(['import', 'first.csv'], { cwd })
    }
    prepare?.(cwd)
    const ended = await millrace(args, { cwd, ...(env && { env }) })
    expect(ended.stderr).toMatch(told)
    expect(ended).toMatchObject({ code, stdout: '' })
    expect(ended.stderr).not.toContain('    at ')
  })

  it('never shows what an unknown setting holds', async () => {
    const cwd = ownFolder()
    file('c.yaml', 'saslPasswort: hunter2\n')(cwd)
    file('d.json', '{"saslPassword": "hunter2" "x": 1}')(cwd)
    const env = { MILLRACE_SASL_PASSWORT: 'hunter2' }
    for (const config of ['c.yaml', 'd.json']) {
      const { code, stdout, stderr } = await millrace(['run', '--config', config, '--verbose'], { cwd, env })
      expect(code).toBe(2)
      expect(stdout + stderr).not.toContain('hunter2')
    }
  })

  it.runIf(process.platform === 'linux')('is told where the directory may not be written', async () => {
    // Where not even the superuser may write.
    const ended = await millrace(['generate', '--count', '1', '--data-dir', '/sys/millrace'], {
      cwd: ownFolder(),
    })
    expect(ended.stderr).toMatch(/sys\/millrace\/log may not be written by this user/)
    expect(ended.code).toBe(1)
  })

  it.runIf(process.platform === 'linux')('is told when the disk is full, and nothing is lost', async () => {
    const cwd = ownFolder()
    const generate = ['generate', '--count', '30000', '--json']
    // Files may not grow beyond a limit: the same as a full disk for whoever writes them.
    const limited = `ulimit -f 1500; exec "${process.execPath}" "${PROGRAM}" ${generate.join(' ')}`
    const full = await new RunningMillrace('bash', ['-c', limited], { cwd }).ended
    expect(full.code).toBe(1)
    expect(full.stderr).toMatch(/error: The log in .* cannot/)
    const before = await exported('readings', { cwd })
    expect(before.length).toBeLessThan(30_000)
    const rest = await millrace(['generate', '--count', String(30_000 - before.length), '--json'], { cwd })
    expect(rest.code).toBe(0)
    const other = ownFolder()
    await millrace(generate, { cwd: other })
    const values = async (from: string): Promise<unknown[]> =>
      (await exported('readings', { cwd: from })).map(({ partition, key, value }) => [partition, key, value])
    expect(await values(cwd)).toEqual(await values(other))
  })

  it('is told when stdout or a file cannot be written', async () => {
    if (process.platform !== 'linux') return
    const cwd = ownFolder()
    const file = await millrace(['generate', '--to', '/dev/full', '--count', '10'], { cwd })
    expect([file.code, file.stderr]).toEqual([
      1,
      expect.stringMatching(/\/dev\/full cannot be written: ENOSPC/),
    ])
    await millrace(['generate', '--count', '10'], { cwd })
    const command = `"${process.execPath}" "${PROGRAM}" export readings > /dev/full`
    const stdout = await new RunningMillrace('bash', ['-c', command], { cwd }).ended
    expect([stdout.code, stdout.stderr]).toEqual([
      1,
      expect.stringMatching(/stdout cannot be written: ENOSPC/),
    ])
  })
})

describe('an empty file', () => {
  it.each([
    ['without a byte', 'a.csv', ''],
    ['with a header only', 'a.csv', 'timestamp,value\n'],
    ['of JSON lines', 'a.jsonl', '\n\n'],
  ])('is no error: %s', async (_what, name, content) => {
    const cwd = ownFolder()
    file(name, content)(cwd)
    expect(await millrace(['import', name], { cwd })).toEqual({
      code: 0,
      stdout: `${name}: holds no readings\n`,
      stderr: '',
    })
  })
})
