/** What the command line says about a Kafka cluster, as the adapter takes it. */
import { readFile } from 'node:fs/promises'
import { ConfigError, messageOf } from '../errors.ts'
import type { KafkaLogOptions, KafkaSasl } from '../log/kafka/index.ts'
import type { ResolvedSettings } from './resolve-settings.ts'
import { flagOf, type SettingKey, type Settings } from './settings.ts'

const ONLY_KAFKA: readonly SettingKey[] = [
  'brokers',
  'tls',
  'tlsCa',
  'saslMechanism',
  'saslUsername',
  'saslPassword',
  'compression',
  'replicationFactor',
]

/** Settings of the log that contradict each other, or are missing. */
export function logProblems({ values, isGiven }: ResolvedSettings): readonly string[] {
  if (values.log !== 'kafka') {
    return ONLY_KAFKA.filter(isGiven).map((key) => `${flagOf(key)} has no meaning without --log kafka`)
  }
  const problems: string[] = []
  if (values.brokers === undefined) problems.push('--log kafka needs --brokers')
  if (values.tlsCa !== undefined && !values.tls) problems.push('--tls-ca has no meaning without --tls')
  const { saslMechanism, saslUsername, saslPassword } = values
  if (saslMechanism === undefined) {
    if (saslUsername !== undefined || saslPassword !== undefined)
      problems.push('--sasl-username and --sasl-password need --sasl-mechanism')
  } else {
    if (saslPassword === undefined) problems.push(`--sasl-mechanism ${saslMechanism} needs --sasl-password`)
    if (saslMechanism !== 'oauthbearer' && saslUsername === undefined)
      problems.push(`--sasl-mechanism ${saslMechanism} needs --sasl-username`)
  }
  return problems
}

/** The options of the adapter. `ConfigError` for a file of certificates that cannot be read. */
export async function kafkaOptions(settings: Settings): Promise<KafkaLogOptions> {
  const { brokers = [], tls, tlsCa, compression, replicationFactor } = settings
  const sasl = saslOf(settings)
  return {
    brokers,
    compression,
    ...(tls && { ssl: tlsCa === undefined ? true : { ca: await readCertificates(tlsCa) } }),
    ...(sasl !== undefined && { sasl }),
    ...(replicationFactor !== undefined && { replicationFactor }),
  }
}

async function readCertificates(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new ConfigError([`--tls-ca: ${file} cannot be read: ${messageOf(error)}`])
  }
}

function saslOf({ saslMechanism, saslUsername = '', saslPassword = '' }: Settings): KafkaSasl | undefined {
  switch (saslMechanism) {
    case undefined:
      return undefined
    case 'oauthbearer':
      return { mechanism: saslMechanism, token: () => Promise.resolve(saslPassword) }
    case 'plain':
    case 'scram-sha-256':
    case 'scram-sha-512':
      return { mechanism: saslMechanism, username: saslUsername, password: saslPassword }
  }
}
