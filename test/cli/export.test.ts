/** export, as other programs read it. */
import { describe, expect, it } from 'vitest'
import { exported, linesOf, millrace, PROGRAM, RunningMillrace, startMillrace } from '../support/millrace.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const folder = temporaryFolder()
const here = { cwd: folder.path }
const MILLRACE = `"${process.execPath}" "${PROGRAM}"`

describe('export', () => {
  it('writes partition by partition in the order of offsets, the same each time', async () => {
    await millrace(['generate', '--count', '20000', '--partitions', '3', '--corrupt', '0'], here)
    const first = await millrace(['export', 'readings'], here)
    expect((await millrace(['export', 'readings'], here)).stdout).toBe(first.stdout)
    const records = linesOf(first.stdout)
    expect(records).toHaveLength(20_000)
    const places = records.map(({ partition, offset }) => partition * 1e9 + offset)
    expect(places).toEqual(places.toSorted((a, b) => a - b))
    expect(Object.keys(records[0] ?? {})).toEqual([
      'topic',
      'partition',
      'offset',
      'timestamp',
      'key',
      'value',
      'headers',
    ])
  })

  it('begins where it is told to', async () => {
    const records = await exported('readings', here)
    const of = async (...args: string[]): Promise<unknown[]> =>
      linesOf((await millrace(['export', 'readings', ...args], here)).stdout)
    expect(await of('--from', 'latest')).toEqual([])
    expect(await of('--partition', '1', '--from', '100')).toEqual(
      records.filter(({ partition, offset }) => partition === 1 && offset >= 100),
    )
    const noon = '2024-01-01T00:20:00Z'
    const since = (await of('--from', noon)) as typeof records
    const firsts = [0, 1, 2].map((number) => since.find(({ partition }) => partition === number))
    expect(firsts).toEqual(
      [0, 1, 2].map((number) =>
        records.find(({ partition, timestamp }) => partition === number && timestamp >= Date.parse(noon)),
      ),
    )
  })

  it('writes CSV with one column for each field', async () => {
    const { stdout } = await millrace(['export', 'readings', '--format', 'csv', '--partition', '2'], here)
    const [header, ...lines] = stdout.trimEnd().split('\r\n')
    expect(header).toBe(
      'topic,partition,offset,timestamp,key,eventId,sensorId,temperature,status,headers'.replace(
        'sensorId,',
        'sensorId,timestamp,',
      ),
    )
    const records = (await exported('readings', here)).filter(({ partition }) => partition === 2)
    expect(lines).toHaveLength(records.length)
    const [first] = records
    const { eventId, sensorId, timestamp, temperature, status } = first?.value ?? {}
    expect(lines[0]?.split(',').slice(0, 10)).toEqual(
      [
        'readings',
        2,
        first?.offset,
        first?.timestamp,
        first?.key,
        eventId,
        sensorId,
        timestamp,
        temperature,
        status,
      ].map(String),
    )
  })

  it.runIf(process.platform !== 'win32')('ends quietly when its reader has enough', async () => {
    const command = `${MILLRACE} export readings | head -n 2; echo "code \${PIPESTATUS[0]}"`
    const { stdout, stderr } = await new RunningMillrace('bash', ['-c', command], here).ended
    expect(stdout.trimEnd().split('\n')).toEqual([expect.any(String), expect.any(String), 'code 0'])
    expect(stderr).toBe('')
    const follow = `${MILLRACE} export readings --follow | head -n 1; echo "code \${PIPESTATUS[0]}"`
    expect((await new RunningMillrace('bash', ['-c', follow], here).ended).stdout).toMatch(/code 0\n$/)
  })

  it('waits, with --follow, for a topic that does not exist yet, and goes on with what comes', async () => {
    const follower = startMillrace(['export', 'other', '--follow'], here)
    await follower.until(({ stderr }) => stderr.includes('Waiting for the topic other'))
    await millrace(['generate', '--to', 'other', '--count', '10'], here)
    await follower.until(({ stdout }) => stdout.split('\n').length > 10)
    await millrace(['generate', '--to', 'other', '--count', '5'], here)
    await follower.until(({ stdout }) => stdout.split('\n').length > 15)
    const { code, stdout } = await follower.stop('SIGTERM')
    expect(code).toBe(0)
    const bySlot = (records: readonly { timestamp: number; key: string | null }[]): unknown[] =>
      records.map(({ timestamp, key }) => `${timestamp} ${key}`).sort()
    expect(bySlot(linesOf(stdout))).toEqual(bySlot(await exported('other', here)))
  })
})
