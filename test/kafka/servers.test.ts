/** The broker that the other tests of this folder need, on its own: it starts, survives a kill, refuses. */
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka,
  logLevel,
  ResourcePatternTypes,
  type KafkaConfig,
} from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { kafkaForTests, ownBrokerForTests } from '../support/kafka/kafka-for-tests.ts'

const shared = await kafkaForTests()
const users = [{ name: 'alice', password: 'wonderland' }]
const own = ownBrokerForTests({ users, acls: true })

function client(brokers: string, config: Partial<KafkaConfig> = {}): Kafka {
  return new Kafka({
    clientId: 'test',
    brokers: [brokers],
    logLevel: logLevel.NOTHING,
    retry: { retries: 2 },
    ...config,
  })
}

describe.skipIf(shared === null)('the shared broker', () => {
  it('is the same for all who ask', async () => {
    expect(await kafkaForTests()).toEqual(shared)
    const admin = client(shared!.brokers).admin()
    await admin.connect()
    expect((await admin.describeCluster()).brokers).toHaveLength(1)
    await admin.disconnect()
  })
})

describe.skipIf(own === null)('a broker of its own', () => {
  it('keeps its data over a kill', async () => {
    const broker = await own!.broker()
    await withAdmin(client(broker.brokers), (admin) => admin.createTopics({ topics: [{ topic: 'kept' }] }))
    await broker.kill()
    expect(broker.pid).toBeNull()
    await broker.start()
    await withAdmin(client(broker.brokers), async (admin) =>
      expect(await admin.listTopics()).toContain('kept'),
    )
  })

  it.each(['scram-sha-256', 'scram-sha-512', 'plain'] as const)(
    'takes %s over TLS, and refuses a wrong password',
    async (mechanism) => {
      const broker = await own!.broker()
      const secure = (password: string): Kafka =>
        client(broker.secureBrokers!, {
          ssl: { ca: [broker.certificate!] },
          sasl: { mechanism, username: 'alice', password } as NonNullable<KafkaConfig['sasl']>,
        })
      await withAdmin(secure('wonderland'), async (admin) => expect(await admin.listTopics()).toEqual([]))
      await expect(withAdmin(secure('wrong'), (admin) => admin.listTopics())).rejects.toThrow(/uthentication/)
    },
  )

  it('takes an unsecured OAUTHBEARER token over TLS', async () => {
    const broker = await own!.broker()
    const kafka = client(broker.secureBrokers!, {
      ssl: { ca: [broker.certificate!] },
      sasl: { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: tokenFor('alice') }) },
    })
    await withAdmin(kafka, async (admin) => expect(await admin.listTopics()).toEqual([]))
  })

  it('lets a user do only what an ACL allows', async () => {
    const broker = await own!.broker()
    const secure = client(broker.secureBrokers!, {
      ssl: { ca: [broker.certificate!] },
      sasl: { mechanism: 'scram-sha-512', username: 'alice', password: 'wonderland' },
    })
    await withAdmin(client(broker.brokers), (admin) => admin.createTopics({ topics: [{ topic: 'guarded' }] }))
    await expect(withAdmin(secure, (admin) => admin.fetchTopicOffsets('guarded'))).rejects.toThrow()
    await withAdmin(client(broker.brokers), (admin) => admin.createAcls({ acl: [describeGuarded] }))
    const offsets = await withAdmin(secure, (admin) => admin.fetchTopicOffsets('guarded'))
    expect(offsets).toMatchObject([{ partition: 0, offset: '0' }])
  })
})

const describeGuarded = {
  resourceType: AclResourceTypes.TOPIC,
  resourceName: 'guarded',
  resourcePatternType: ResourcePatternTypes.LITERAL,
  principal: 'User:alice',
  host: '*',
  operation: AclOperationTypes.DESCRIBE,
  permissionType: AclPermissionTypes.ALLOW,
}

/** A JSON Web Token without signature, as Kafka's unsecured validator takes it. */
function tokenFor(user: string): string {
  const nowS = Math.floor(Date.now() / 1000)
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ sub: user, iat: nowS - 10, exp: nowS + 3600 })}.`
}

type Admin = ReturnType<Kafka['admin']>

async function withAdmin<T>(kafka: Kafka, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin()
  try {
    await admin.connect()
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}
