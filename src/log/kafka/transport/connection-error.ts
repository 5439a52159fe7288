/** What a failed connection means: try again, or a setting to be changed. */
import { FatalError, messageOf, MillraceError, RetriableError } from '../../../errors.ts'
import { NO_TOKEN } from './kafkajs.ts'

/** KafkaJS tells of a connection that broke during the SASL exchange in the same error as of a refused password. */
const BROKE = /closed|connection error|not connected|timeout|timed out|ECONN|EPIPE|given up/i
const TLS_CODES = /CERT|^ERR_(SSL|TLS)|^EPROTO$|^UNABLE_TO_|SELF_SIGNED/

/**
 * `FatalError` `AUTHENTICATION_FAILED` or `TLS_FAILED` where the settings are wrong, else `RetriableError`
 * `LOG_UNREACHABLE`; errors of ours as they are. `address` is the broker's.
 */
export function connectionError(error: unknown, address: string): MillraceError {
  if (error instanceof MillraceError) return error
  const message = messageOf(error)
  const { name, code, type } = fieldsOf(error)
  const options = { cause: error }
  if (message.includes(NO_TOKEN)) {
    return new RetriableError(
      'TOKEN_UNAVAILABLE',
      `There is no token for broker ${address}: ${message}`,
      options,
    )
  }
  const refused = name === 'KafkaJSSASLAuthenticationError' || type.includes('SASL')
  if (refused && !BROKE.test(message)) {
    const text = `Broker ${address} refused the credentials: ${message}`
    return new FatalError('AUTHENTICATION_FAILED', text, options)
  }
  if (TLS_CODES.test(code)) {
    const text = `No TLS connection to broker ${address}: ${message} (${code}).`
    return new FatalError('TLS_FAILED', text, options)
  }
  const hint = /closed/i.test(message) ? ' Does this port expect TLS or SASL?' : ''
  return new RetriableError(
    'LOG_UNREACHABLE',
    `Broker ${address} cannot be reached: ${message}.${hint}`,
    options,
  )
}

function fieldsOf(error: unknown): { readonly name: string; readonly code: string; readonly type: string } {
  if (typeof error !== 'object' || error === null) return { name: '', code: '', type: '' }
  const text = (field: string): string => {
    const value: unknown = (error as Record<string, unknown>)[field]
    return typeof value === 'string' ? value : ''
  }
  return { name: text('name'), code: text('code'), type: text('type') }
}
