/** TLS, SASL and ACLs against a real broker: what works, and one clear error for each thing that cannot. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { openKafkaLog, type KafkaLogOptions, type KafkaSasl } from '../../src/log/kafka/index.ts'
import type { Log } from '../../src/log/log.ts'
import { batchOf, failure, pollForFailure, put, readAll } from '../contract/log/harness.ts'
import { kafkaHarness } from '../support/kafka-harness.ts'
import type { KafkaBroker } from '../support/kafka/broker.ts'
import { ownBrokerForTests } from '../support/kafka/kafka-for-tests.ts'

const USERS = [
  { name: 'alice', password: 'alice-secret' },
  { name: 'mallory', password: 'mallory-secret' },
] as const
const own = ownBrokerForTests({ users: USERS, acls: true })
const scram = (username: string, password = `${username}-secret`): KafkaSasl => {
  return { mechanism: 'scram-sha-512', username, password }
}

/** As JWT without a signature, which a broker takes only where it was told to, in tests. */
const bearer = (subject: string): string => {
  const part = (content: object): string => Buffer.from(JSON.stringify(content)).toString('base64url')
  const nowS = Math.floor(systemClock.now() / 1000)
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: nowS, exp: nowS + 3600 })}.`
}

describe.skipIf(own === null)('a secured broker', () => {
  let broker: KafkaBroker
  const logs: Log[] = []

  const open = async (options: Partial<KafkaLogOptions> = {}): Promise<Log> => {
    const log = await openKafkaLog({
      brokers: [broker.secureBrokers!],
      ssl: { ca: broker.certificate! },
      connectTimeoutMs: 5_000,
      ...options,
    })
    logs.push(log)
    return log
  }
  const grant = async (...args: string[]): Promise<void> => {
    const to = ['--bootstrap-server', broker.brokers, '--add']
    await broker.tool('org.apache.kafka.tools.AclCommand', [
      ...to,
      '--allow-principal',
      'User:alice',
      ...args,
    ])
  }

  beforeAll(async () => {
    broker = await own!.broker()
    await grant('--operation', 'All', '--topic', '*', '--group', '*', '--transactional-id', '*', '--cluster')
  }, 120_000)
  afterEach(() => Promise.all(logs.splice(0).map((log) => log.close())))

  for (const mechanism of ['scram-sha-256', 'scram-sha-512', 'plain'] as const) {
    it(`takes ${mechanism} over TLS, for writing and reading`, async () => {
      const log = await open({ sasl: { ...scram('alice'), mechanism } as KafkaSasl })
      const at = { topic: `over-${mechanism}`, partition: 0 }
      await log.createTopics([{ name: at.topic, partitions: 1 }])
      const h = kafkaHarness({ brokers: [] })
      await put(h, log, batchOf(at, 'a', 'b'))
      expect(await readAll(h, log, at)).toEqual(['0:a', '1:b'])
    })
  }

  it('takes bearer tokens', async () => {
    const log = await open({ sasl: { mechanism: 'oauthbearer', token: async () => bearer('alice') } })
    expect(await log.listTopics()).toContain('over-plain')
  })

  it('is not opened with a wrong password, nor by an unknown user, and both are told at once', async () => {
    const refused = failure('FatalError', 'AUTHENTICATION_FAILED')
    const startedMs = systemClock.monotonic()
    await expect(open({ sasl: scram('alice', 'wrong') })).rejects.toEqual(refused)
    await expect(open({ sasl: scram('nobody') })).rejects.toEqual(refused)
    await expect(open({ sasl: { mechanism: 'plain', username: 'alice', password: '' } })).rejects.toEqual(
      refused,
    )
    expect(systemClock.monotonic() - startedMs).toBeLessThan(4_000)
  })

  it('is not opened without TLS, by an unknown authority, or over TLS at a port that has none', async () => {
    const sasl = scram('alice')
    await expect(open({ sasl, ssl: true })).rejects.toEqual(failure('FatalError', 'TLS_FAILED'))
    const atPlainPort = open({ sasl, brokers: [broker.brokers], connectTimeoutMs: 1_000 })
    await expect(atPlainPort).rejects.toEqual(failure('FatalError', 'LOG_UNREACHABLE'))
    await expect(atPlainPort).rejects.toThrow('TLS')
    await expect(open({ sasl, ssl: false, connectTimeoutMs: 1_000 })).rejects.toEqual(
      failure('FatalError', 'LOG_UNREACHABLE'),
    )
    await expect(open({ connectTimeoutMs: 1_000 })).rejects.toEqual(failure('FatalError', 'LOG_UNREACHABLE'))
  })

  it('tells at once which permission is missing, for whatever is tried', async () => {
    const denied = failure('FatalError', 'ACCESS_DENIED')
    const alice = await open({ sasl: scram('alice') })
    await alice.createTopics([{ name: 'secret', partitions: 1 }])
    const mallory = await open({ sasl: scram('mallory') })
    const at = { topic: 'secret', partition: 0 }
    expect(await mallory.listTopics()).toEqual([])
    await expect(mallory.createTopics([{ name: 'new', partitions: 1 }])).rejects.toEqual(denied)
    await expect(mallory.describeTopics(['secret'])).rejects.toEqual(denied)
    await expect(mallory.offsets('end', [at])).rejects.toEqual(denied)
    await expect(mallory.committedOffsets('group', [at])).rejects.toEqual(denied)
    await expect(mallory.producer({ transactionalId: 'id' })).rejects.toEqual(denied)
    const reader = mallory.reader()
    reader.assign(at, 0n)
    const { error } = await pollForFailure(kafkaHarness({ brokers: [] }), reader)
    expect(error).toEqual(denied)
    expect(error.message).toContain('secret')
  })

  it('ends a membership that it does not allow', async () => {
    const mallory = await open({ sasl: scram('mallory') })
    const failed = await new Promise<Error>((resolve) => {
      void mallory.joinGroup({
        groupId: 'group',
        metadata: () => Buffer.alloc(0),
        assign: async () => new Map(),
        listener: {
          onAssigned: async () => {},
          onRevoked: async () => {},
          onLost: async () => {},
          onFailed: resolve,
        },
      })
    })
    expect(failed).toEqual(failure('FatalError', 'ACCESS_DENIED'))
  })

  it('tells that a producer may not write to a topic', async () => {
    await grant('--operation', 'Describe', '--topic', 'secret')
    const to = ['--bootstrap-server', broker.brokers, '--add', '--allow-principal', 'User:mallory']
    const rights = [
      '--operation',
      'Describe',
      '--topic',
      'secret',
      '--operation',
      'Write',
      '--transactional-id',
      '*',
    ]
    await broker.tool('org.apache.kafka.tools.AclCommand', [...to, ...rights.slice(0, 4)])
    await broker.tool('org.apache.kafka.tools.AclCommand', [...to, ...rights.slice(4)])
    const mallory = await open({ sasl: scram('mallory') })
    const producer = await mallory.producer({ transactionalId: 'id' })
    producer.begin()
    await expect(producer.send([batchOf({ topic: 'secret', partition: 0 }, 'x')])).rejects.toEqual(
      failure('FatalError', 'ACCESS_DENIED'),
    )
  }, 60_000)
})

describe('a broker that does not answer', () => {
  it('is told after the time given, with its address', async () => {
    const startedMs = systemClock.monotonic()
    const opening = openKafkaLog({ brokers: ['127.0.0.1:1'], connectTimeoutMs: 500 })
    await expect(opening).rejects.toEqual(failure('FatalError', 'LOG_UNREACHABLE'))
    await expect(opening).rejects.toThrow('127.0.0.1:1')
    expect(systemClock.monotonic() - startedMs).toBeLessThan(5_000)
  })

  it('may be none at all: an address that is no address', async () => {
    await expect(openKafkaLog({ brokers: ['kafka', 'a:b:c', 'h:99999'] })).rejects.toThrow(
      /kafka[\s\S]*a:b:c[\s\S]*99999/,
    )
    await expect(openKafkaLog({ brokers: [] })).rejects.toEqual(failure('ConfigError', 'CONFIG_INVALID'))
  })
})
