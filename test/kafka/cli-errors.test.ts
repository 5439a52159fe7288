/**
 * The program against a broker with TLS, SCRAM and ACLs: it works with no more rights than the README lists, and each
 * thing that cannot work ends it soon, with one message that names it and says what to do.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { KafkaBroker } from '../support/kafka/broker.ts'
import { ownBrokerForTests } from '../support/kafka/kafka-for-tests.ts'
import { exported, millrace, startMillrace } from '../support/millrace.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** Who may do all but one thing, and that thing as `kafka-acls.sh` takes it. */
const DENIED = {
  'no-read': ['--operation', 'Read', '--topic', 'readings'],
  'no-write': ['--operation', 'Write', '--topic', 'readings.late'],
  'no-create': ['--operation', 'Create', '--cluster', '--topic', '*'],
  'no-group': ['--operation', 'Read', '--group', '*'],
  'no-transactions': ['--operation', 'Write', '--transactional-id', '*'],
} as const
const ALL = ['admin', ...Object.keys(DENIED)]
const USERS = [...ALL, 'nobody', 'aggregator'].map((name) => ({ name, password: `${name}-secret` }))
const READINGS = 3_000
const DAY_MS = 86_400_000
/** From the start of the process to its end, where no time-out of ours has to pass; usually a second. */
const SOON_MS = 25_000
/** How long opening tries to reach a broker. */
const CONNECT_MS = 10_000

const own = ownBrokerForTests({ users: USERS, acls: true })
const folder = temporaryFolder()
const here = { cwd: folder.path }

interface Failed {
  readonly code: number | null
  /** What it told, log lines left out. */
  readonly told: readonly string[]
  readonly elapsedMs: number
}

/** Runs the program, which must fail. */
async function fails(args: readonly string[]): Promise<Failed> {
  const startedMs = systemClock.monotonic()
  const { code, stderr } = await millrace(args, here)
  const told = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'))
  return { code, told, elapsedMs: systemClock.monotonic() - startedMs }
}

/** One error that begins so and has this code, then at most a line of advice; exit code 1; soon. */
function expectOneError({ code, told, elapsedMs }: Failed, text: RegExp, errorCode: string, advice?: RegExp) {
  expect(told[0]).toMatch(text)
  expect(told[0]).toMatch(/^error: /)
  expect(told[0]).toContain(`[${errorCode}]`)
  if (advice === undefined) expect(told).toHaveLength(1)
  else expect(told.slice(1).join('\n')).toMatch(advice)
  expect(code).toBe(1)
  expect(elapsedMs).toBeLessThan(SOON_MS)
}

describe.skipIf(own === null)('the program on a secured broker', () => {
  let broker: KafkaBroker

  const as = (name: string, password = `${name}-secret`): readonly string[] => [
    '--log',
    'kafka',
    '--brokers',
    broker.secureBrokers!,
    '--tls',
    '--tls-ca',
    `${folder.path}/authority.pem`,
    '--sasl-mechanism',
    'scram-sha-512',
    '--sasl-username',
    name,
    '--sasl-password',
    password,
  ]
  const tool = (mainClass: string, ...args: readonly string[]): Promise<string> => {
    return broker.tool(mainClass, ['--bootstrap-server', broker.brokers, ...args])
  }
  const acl = (...args: readonly string[]): Promise<string> => {
    return tool('org.apache.kafka.tools.AclCommand', '--add', ...args)
  }
  const topic = (...args: readonly string[]): Promise<string> => {
    return tool('org.apache.kafka.tools.TopicCommand', ...args)
  }
  const runAs = (name: string, ...more: readonly string[]): readonly string[] => {
    return ['run', ...as(name), '--application-id', name, ...more]
  }
  const toTheEnd = ['--until-end', '--flush'] as const

  beforeAll(async () => {
    broker = await own!.broker()
    folder.write('authority.pem', broker.certificate!)
    const everybody = ALL.flatMap((name) => ['--allow-principal', `User:${name}`])
    const everything = ['--topic', '*', '--group', '*', '--transactional-id', '*', '--cluster']
    await acl(...everybody, '--operation', 'All', ...everything)
    for (const [name, right] of Object.entries(DENIED))
      await acl('--deny-principal', `User:${name}`, ...right)
    // As an administrator makes it: another count than the input has, and the brokers' own settings. Ten years,
    // since with Kafka's default of a week the results are deleted while the test looks at them.
    await topic(
      '--create',
      '--topic',
      'aggregates',
      '--partitions',
      '3',
      '--config',
      `retention.ms=${3_650 * DAY_MS}`,
    )
    const generated = await millrace(['generate', ...as('admin'), '--count', String(READINGS)], here)
    expect([generated.code, generated.stderr]).toEqual([0, ''])
  }, 180_000)

  it('aggregates over TLS and SCRAM, and says at the start what is wrong with a topic that it was given', async () => {
    const { code, stdout, stderr } = await millrace(runAs('admin', ...toTheEnd, '--json'), here)
    expect(code, stderr).toBe(0)
    const results = await exported('aggregates', { ...here, env: environmentOf(as('admin')) })
    const counted = results.reduce((sum, { value }) => sum + Number(value['count']), 0)
    expect(counted).toBeGreaterThan(2_500)
    expect(JSON.parse(stdout)).toMatchObject({ counted })
    expect(new Set(results.map(({ partition }) => partition))).toEqual(new Set([0, 1, 2]))

    const warnings = stderr.split('\n').filter((line) => line.includes('aggregates'))
    expect(warnings).toHaveLength(2)
    expect(warnings.join('\n')).toContain('retention.ms=315360000000 (3650 days)')
    expect(warnings.join('\n')).toContain('message.timestamp.after.max.ms=3600000')
    expect(stderr.split('\n').filter((line) => line !== '')).toHaveLength(2)
  }, 60_000)

  it('needs no more rights than the README lists', async () => {
    const grant = (...args: readonly string[]) => acl('--allow-principal', 'User:aggregator', ...args)
    const operations = (...names: readonly string[]) => names.flatMap((name) => ['--operation', name])
    const outputs = ['readings.late', 'readings.dlq'].flatMap((name) => ['--topic', name])
    const prefixed = ['--resource-pattern-type', 'prefixed']
    const internal = operations('Create', 'Read', 'Write', 'Delete', 'DescribeConfigs')
    await grant(...operations('Read', 'DescribeConfigs'), '--topic', 'readings')
    await grant(...operations('Create', 'Write', 'DescribeConfigs'), ...outputs)
    await grant(...operations('Create', 'Read', 'Write', 'DescribeConfigs'), '--topic', 'aggregates')
    await grant(...internal, '--topic', 'aggregator-', ...prefixed)
    await grant(...operations('Write'), '--transactional-id', 'aggregator-', ...prefixed)
    await grant(...operations('Read'), '--group', 'aggregator')
    const ran = await millrace(runAs('aggregator', ...toTheEnd, '--rekey'), here)
    expect(ran.code, ran.stderr).toBe(0)

    const writing = ['readings', 'readings.dlq', 'millrace-imports'].flatMap((name) => ['--topic', name])
    await grant(...operations('Create', 'Read', 'Write', 'DescribeConfigs'), ...writing)
    await grant(...operations('Write'), '--transactional-id', 'millrace-writer-', ...prefixed)
    const generate = ['generate', ...as('aggregator'), '--count', '100', '--seed', '2']
    const generated = await millrace(generate, here)
    expect(generated.code, generated.stderr).toBe(0)
    folder.write('more.csv', 'timestamp,sensorId,temperature\n2024-01-02T00:00:00Z,probe,51\n')
    const imported = await millrace(['import', 'more.csv', ...as('aggregator')], here)
    expect(imported.code, imported.stderr).toBe(0)
    const rows = await exported('readings', { ...here, env: environmentOf(as('aggregator')) })
    expect(rows).toHaveLength(READINGS + 101)
  }, 90_000)

  it('tells a wrong password', async () => {
    const failed = await fails(['run', ...as('admin', 'wrong')])
    expectOneError(failed, /refused the credentials/, 'AUTHENTICATION_FAILED', /^Check .*--sasl-password/)
  }, 30_000)

  it('tells a certificate that nobody known has signed', async () => {
    const args = as('admin').filter((part) => part !== '--tls-ca' && !part.endsWith('.pem'))
    expectOneError(await fails(['run', ...args]), /No TLS connection/, 'TLS_FAILED', /^Check --tls-ca/)
  }, 30_000)

  it('tells a broker that cannot be reached, when it has tried for ten seconds', async () => {
    const failed = await fails(['run', '--log', 'kafka', '--brokers', '127.0.0.1:1'])
    expectOneError({ ...failed, elapsedMs: 0 }, /127\.0\.0\.1:1 .*ECONNREFUSED/, 'LOG_UNREACHABLE')
    expect(failed.told[0]).toContain('Check the address')
    expect(failed.elapsedMs).toBeGreaterThan(CONNECT_MS * 0.9)
    expect(failed.elapsedMs).toBeLessThan(CONNECT_MS + SOON_MS)
  }, 40_000)

  it('tells a missing topic, or waits for it where it runs on, and says so', async () => {
    const failed = await fails(runAs('admin', '--topic', 'absent', '--until-end'))
    expectOneError(failed, /There is no topic absent yet/, 'TOPIC_UNKNOWN')
    const waiting = startMillrace(runAs('admin', '--topic', 'absent'), here)
    await waiting.until(({ stderr }) => stderr.includes('Waiting for the topic absent'))
    expect(await waiting.stop()).toMatchObject({ code: 0 })
  }, 30_000)

  const REFUSED = [
    ['no-read', /No permission to read topic readings\./],
    ['no-write', /No permission to write topic readings\.late\./],
    ['no-create', /creating topic no-create-/],
    ['no-group', /joining group no-group:/],
    ['no-transactions', /initialising the producer of no-transactions-/],
    ['nobody', /topic readings/],
  ] as const
  for (const [name, text] of REFUSED) {
    it(`tells what is not allowed, at the start, in a run with an end or without: ${name}`, async () => {
      for (const more of [toTheEnd, []]) {
        const failed = await fails(runAs(name, ...more))
        expectOneError(failed, text, 'ACCESS_DENIED', /^Grant it with kafka-acls\.sh .*README.*Permissions/)
      }
    }, 40_000)
  }

  it('tells an internal topic that was made for another partition count', async () => {
    await topic('--create', '--topic', 'narrow-commits-0', '--partitions', '2')
    const failed = await fails(['run', ...as('admin'), '--application-id', 'narrow', ...toTheEnd])
    expectOneError(
      failed,
      /application narrow .*partition counts/,
      'STATE_MISMATCH',
      /another --application-id/,
    )
    expect(failed.told.join('\n')).toContain('narrow-commits-0 exists with 2 partitions instead of 4')
  }, 60_000)

  it('tells a source topic that has got more partitions since the first run', async () => {
    const growing = [...as('admin'), '--topic', 'growing'] as const
    const run = ['run', ...growing, '--application-id', 'grown', ...toTheEnd]
    expect(
      (await millrace(['generate', ...as('admin'), '--to', 'growing', '--count', '500'], here)).code,
    ).toBe(0)
    expect((await millrace(run, here)).code).toBe(0)
    await topic('--alter', '--topic', 'growing', '--partitions', '6')
    const failed = await fails(run)
    expectOneError(
      failed,
      /application grown .*added to a source topic/,
      'STATE_MISMATCH',
      /--application-id/,
    )
    expect(failed.told.join('\n')).toContain('with 4 partitions instead of 6')
  }, 60_000)
})

/** The same settings as an environment. */
function environmentOf(args: readonly string[]): Record<string, string> {
  const entries: Record<string, string> = {}
  args.forEach((arg, index) => {
    if (!arg.startsWith('--')) return
    const next = args[index + 1]
    const value = next === undefined || next.startsWith('--') ? 'true' : next
    entries[`MILLRACE_${arg.slice(2).replaceAll('-', '_').toUpperCase()}`] = value
  })
  return entries
}
