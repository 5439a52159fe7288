import { describe, expect, it } from 'vitest'
import { Channel } from '../../../../../src/log/kafka/transport/channel.ts'
import { heartbeat } from '../../../../../src/log/kafka/wire/group-calls.ts'
import { failure } from '../../../../contract/log/harness.ts'
import { brokenConnection, FakeKafka } from '../../../../support/fake-kafka.ts'

const MEMBER = { groupId: 'g', generation: 1, memberId: 'm', groupInstanceId: null }
const never = new Promise<object>(() => undefined)

function newChannel(): { kafka: FakeKafka; channel: Channel; call: () => Promise<object> } {
  const kafka = new FakeKafka().on('Heartbeat', () => ({ code: 0 }))
  const channel = new Channel(kafka.parts, { host: 'one', port: 1 })
  return { kafka, channel, call: () => channel.call(heartbeat, MEMBER) }
}

describe('a channel', () => {
  it('opens one connection, however many requests wait for it, and keeps it', async () => {
    const { kafka, call } = newChannel()
    await Promise.all([call(), call(), call()])
    await call()
    expect(kafka.connections).toHaveLength(1)
    expect(kafka.requests).toEqual(Array.from({ length: 4 }, () => 'one:1 Heartbeat 4'))
  })

  it('drops a connection that broke, and opens another one for the next request', async () => {
    const { kafka, call } = newChannel()
    kafka.on('Heartbeat', () => {
      throw brokenConnection()
    })
    await expect(call()).rejects.toEqual(failure('RetriableError', 'LOG_UNREACHABLE'))
    kafka.on('Heartbeat', () => ({ code: 7 }))
    expect(await call()).toMatchObject({ code: 7 })
    expect(kafka.connections.map(({ usable }) => usable)).toEqual([false, true])
  })

  it('gives up a request that is not answered in time, with all others on its connection', async () => {
    const { kafka, channel, call } = newChannel()
    kafka.on('Heartbeat', () => never)
    const slow = channel.call(heartbeat, MEMBER, 200)
    const other = call()
    slow.catch(() => undefined)
    other.catch(() => undefined)
    await kafka.clock.advance(199)
    expect(kafka.connections[0]?.usable).toBe(true)
    await kafka.clock.advance(1)
    await expect(slow).rejects.toThrow('one:1 did not answer Heartbeat within 200 ms')
    await expect(other).rejects.toEqual(failure('RetriableError', 'LOG_UNREACHABLE'))
    expect(kafka.connections[0]?.usable).toBe(false)
  })

  it('gives up connecting in time', async () => {
    const { kafka, call } = newChannel()
    kafka.opening = () => never as Promise<never>
    const calling = call()
    calling.catch(() => undefined)
    await kafka.clock.advance(500)
    await expect(calling).rejects.toEqual(failure('RetriableError', 'LOG_UNREACHABLE'))
  })

  it('uses another connection when one has to prove itself again, and lets the old one answer', async () => {
    const { kafka, call } = newChannel()
    let answer: (answer: object) => void = () => undefined
    kafka.on('Heartbeat', () => new Promise((resolve) => (answer = resolve)))
    const first = call()
    await kafka.clock.runUntilIdle()
    kafka.connections[0]!.usable = false
    const answerFirst = answer
    const second = call()
    await kafka.clock.runUntilIdle()
    expect(kafka.connections.map(({ destroyedWith }) => destroyedWith)).toEqual([null, null])
    answerFirst({ code: 1 })
    expect(await first).toMatchObject({ code: 1 })
    expect(kafka.connections[0]?.destroyedWith).not.toBe(null)
    answer({ code: 2 })
    expect(await second).toMatchObject({ code: 2 })
    expect(kafka.connections[1]?.destroyedWith).toBe(null)
  })

  it('refuses what the broker does not speak', async () => {
    const { kafka, call } = newChannel()
    kafka.versions = { 12: { minVersion: 0, maxVersion: 3 } }
    await expect(call()).rejects.toEqual(failure('FatalError', 'LOG_VERSION_UNSUPPORTED'))
  })

  it('fails everything once it is closed', async () => {
    const { kafka, channel, call } = newChannel()
    kafka.on('Heartbeat', () => never)
    const pending = call()
    pending.catch(() => undefined)
    await kafka.clock.runUntilIdle()
    channel.close()
    const closed = failure('FatalError', 'LOG_CLOSED')
    await expect(pending).rejects.toEqual(closed)
    await expect(call()).rejects.toEqual(closed)
  })
})
