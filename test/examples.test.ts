/** The examples do what they say: each is run as a user runs it, and all that it prints is compared. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = path.resolve(import.meta.dirname, '..')
const RUNNER = path.join(ROOT, 'dist/examples/index.js')

/** What each example has to print, and why. Worked out from the rules, by hand. */
const EXPECTED: Readonly<Record<string, string>> = {
  // Boiler at 0 and 20 s (the one at 40 s is not ok) and 90 s; cellar at 30 s, and at 70 and 110 s. Windows
  // in the order of their ends, within one by the bytes of the keys.
  'first-topology': `
boiler 00:00-01:00: 2
cellar 00:00-01:00: 1
boiler 01:00-02:00: 1
cellar 01:00-02:00: 2
`,

  // [00:00, 00:10) closes at a watermark of 00:12, which 00:13 brings: 00:01, 00:09, 00:05. 00:07 comes after
  // that. [00:10, 00:20) closes at 00:22, which 00:58 brings: 00:11, 00:13. [00:50, 01:00) closes at 01:02,
  // which 01:03 brings: 00:58, 00:59. Results have the last millisecond of their window. The hour closes when
  // the watermark less 2 minutes of grace reaches 01:00, so at 01:02 too: 3 + 2 + 2.
  'late-and-chained-windows': `
00:01
00:09
00:11
00:05
00:13  ten minutes up to 00:09:59.999: 3
00:07  late (00:07:00.000)
00:58  ten minutes up to 00:19:59.999: 2
01:01
00:59
01:03  ten minutes up to 00:59:59.999: 2, hour up to 00:59:59.999: 7
`,

  // 20 -> 21 -> 21.5 -> 24 has steps of 1, 0.5 and 2.5; 30 -> 30.5 -> 29 of 0.5 and -1.5. No step from 24 to
  // 30: they are of two records.
  'rxjs-bridge': `
steps: 1 2.5 -1.5
scanned: 1 1
buffered: [[20,21,21.5,24]] [[30,30.5,29]]
delayed:
dead letter: RX_NOT_SYNCHRONOUS in wait
`,

  // Above 80: 81 and 82, then 79 breaks the row; 83, 84, 85 are three, 86 is the fourth, 78 ends it.
  'processor-with-state': `
boiler 81
cellar 12
boiler 82
boiler 79
boiler 83
boiler 84
-- killed with 2 in a row --
boiler 85  alarm at 85 °C
boiler 86
boiler 78  over after 4 readings
`,

  // A record that fails in one branch leaves nothing in the other. Three retries are four attempts; the first
  // retry comes 100 ms after the first attempt, the others 200 and 400 ms after the one before.
  'error-policy': `
dead letters: a value that is no JSON, and one that a stage refuses
  boiler 71.5 °C
  dead letter of boiler {"celsius":: RECORD_UNREADABLE in read, attempt 1
  dead letter of boiler {"celsius":-300}: BELOW_ABSOLUTE_ZERO in check, attempt 1
skip: gone without a trace but the count, in the other branch as well
  nothing
  skipped: 1
retry: the correction comes before the tries are used up
  nothing
  cellar 11.75 °C
retry: it does not come; tried again after 100, 200 and 400 ms, and given up
  nothing
  dead letter of attic {"celsius":25}: CORRECTION_MISSING in correct, attempt 4
`,

  // By event time: hall 20 (door, 0 s), hall 19 (stairs, 10 s), hall 20.4 (door, 20 s), laboratory 22 (bench,
  // 30 s), hall 19.2 (stairs, 40 s). A record is taken when no other partition can have an earlier one:
  // partition 0 has reached 20 s and may still bring something at 20 s and later, so 30 s and 40 s wait for
  // the flush.
  repartition: `
Sub-topology 0 (records taken as they come)
  source: readings (topics readings; string -> json)
    --> by-room
  selectKey: by-room
    --> rooms
  repartition: rooms (to topic …-rooms-repartition)
Sub-topology 1 (records taken in canonical order)
  repartition: rooms (from topic …-rooms-repartition)
    --> latest
  reduce: latest (store latest)
    --> latest-by-room
  sink: latest-by-room (topic latest-by-room; string -> json)
  store: latest (key-value)

partition 0 is written: nothing yet, for partition 1 may hold earlier readings
  hall: no change
  laboratory: no change
partition 1 is written: everything up to second 20, the end of partition 0, is decided
  hall: 20, then 19, then 20.4
  laboratory: no change
a flush at the end of a run decides the rest
  hall: 19.2
  laboratory: 22
`,

  'topology-test-driver': `
ok - a window gives its highest value when the time of its partition has passed it
ok - what a window holds can be seen in its store before it closes
ok - a reading behind the watermark of its own partition goes to the late topic
ok - a crash loses nothing and repeats nothing
ok - a window with nothing behind it closes when it has been silent for long
`,
}

function run(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [RUNNER, ...args], { encoding: 'utf8' })
  return { status, stdout, stderr }
}

describe('the examples', () => {
  const names = readdirSync(path.join(ROOT, 'examples'))
    .map((file) => path.parse(file).name)
    .filter((name) => name !== 'index')

  it.each(names)('%s prints what the rules say', (name) => {
    const expected = EXPECTED[name]?.slice(1)
    expect(run(name)).toEqual({ status: 0, stdout: expected, stderr: '' })
  })

  it('are all in the list', () => {
    const { status, stdout } = run()
    const listed = [...stdout.matchAll(/^ {2}npm run example (\S+)$/gm)].map(([, name]) => name)
    expect(status).toBe(0)
    expect(listed.toSorted()).toEqual(names.toSorted())
  })

  it('run by the npm script', () => {
    const args = ['run', '--silent', 'example', 'first-topology']
    const { status, stdout } = spawnSync('npm', args, { cwd: ROOT, encoding: 'utf8' })
    expect({ status, stdout }).toEqual({ status: 0, stdout: EXPECTED['first-topology']!.slice(1) })
  })

  it('refuse a name that is none, and tell those there are', () => {
    const { status, stdout, stderr } = run('first')
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^There is no example first\.\n[^]*npm run example first-topology\n/)
  })

  it('see nothing but the public API', () => {
    const strange = names.flatMap((name) => {
      const text = readFileSync(path.join(ROOT, 'examples', `${name}.ts`), 'utf8')
      return [...text.matchAll(/ from '([^']+)'/g)]
        .map(([, specifier]) => specifier!)
        .filter((specifier) => !/^(millrace(\/testing)?|rxjs|node:.+)$/.test(specifier))
        .map((specifier) => `${name} imports ${specifier}`)
    })
    expect(strange).toEqual([])
  })
})
