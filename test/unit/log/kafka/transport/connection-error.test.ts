import { describe, expect, it } from 'vitest'
import { FatalError } from '../../../../../src/errors.ts'
import { connectionError } from '../../../../../src/log/kafka/transport/connection-error.ts'
import { failure } from '../../../../contract/log/harness.ts'

const named = (name: string, message: string, fields: object = {}): Error => {
  return Object.assign(new Error(message), { name }, fields)
}

describe('a failed connection', () => {
  it('is a matter of settings where credentials or certificates are refused', () => {
    const sasl = named(
      'KafkaJSSASLAuthenticationError',
      'SASL PLAIN authentication failed: Invalid username or password',
    )
    expect(connectionError(sasl, 'b:1')).toEqual(failure('FatalError', 'AUTHENTICATION_FAILED'))
    for (const code of [
      'SELF_SIGNED_CERT_IN_CHAIN',
      'ERR_TLS_CERT_ALTNAME_INVALID',
      'EPROTO',
      'CERT_HAS_EXPIRED',
    ]) {
      const tls = named('KafkaJSConnectionError', 'Connection error', { code })
      expect(connectionError(tls, 'b:1')).toEqual(failure('FatalError', 'TLS_FAILED'))
    }
  })

  it('is worth another attempt where it broke, also in the middle of the credentials', () => {
    for (const error of [
      named('KafkaJSConnectionError', 'Connection error: connect ECONNREFUSED', { code: 'ECONNREFUSED' }),
      named('KafkaJSConnectionClosedError', 'Closed connection'),
      named('KafkaJSSASLAuthenticationError', 'SASL SCRAM SHA256 authentication failed: Closed connection'),
      'not even an error',
    ]) {
      expect(connectionError(error, 'b:1')).toEqual(failure('RetriableError', 'LOG_UNREACHABLE'))
    }
    const token = named('KafkaJSSASLAuthenticationError', 'SASL failed: no bearer token: 503')
    expect(connectionError(token, 'b:1')).toEqual(failure('RetriableError', 'TOKEN_UNAVAILABLE'))
  })

  it('stays what it is when it is one of ours', () => {
    const ours = new FatalError('LOG_CLOSED', 'closed')
    expect(connectionError(ours, 'b:1')).toBe(ours)
  })
})
