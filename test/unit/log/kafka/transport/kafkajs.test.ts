/** Pins what the transport relies upon in KafkaJS's private parts, and how it behaves on a connection. */
import { createRequire } from 'node:module'
import { createServer, Socket, type AddressInfo, type Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import {
  createTransport,
  openSystemSocket,
  type RawConnection,
} from '../../../../../src/log/kafka/transport/kafkajs.ts'

const require = createRequire(import.meta.url)
const API_VERSIONS = 18
const METADATA = 3

/** Answers ApiVersions, and everything else as told: with bytes, or not at all (null). */
class FakeBroker {
  readonly sockets: Socket[] = []
  readonly requests: { readonly apiKey: number; readonly apiVersion: number; readonly body: Buffer }[] = []
  answer: (apiKey: number) => Buffer | null = () => Buffer.from('answer')
  private readonly server: Server

  constructor() {
    this.server = createServer((socket) => {
      this.sockets.push(socket)
      socket.on('error', () => undefined)
      let received = Buffer.alloc(0)
      socket.on('data', (chunk) => {
        received = Buffer.concat([received, chunk])
        while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
          const size = received.readInt32BE(0)
          this.receive(socket, received.subarray(4, 4 + size))
          received = received.subarray(4 + size)
        }
      })
    })
  }

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.server.listen(0, '127.0.0.1', () => resolve((this.server.address() as AddressInfo).port))
    })
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
  }

  private receive(socket: Socket, request: Buffer): void {
    const [apiKey, apiVersion] = [request.readInt16BE(0), request.readInt16BE(2)]
    const body = request.subarray(10 + request.readInt16BE(8))
    this.requests.push({ apiKey, apiVersion, body })
    const answer = apiKey === API_VERSIONS ? this.versions() : this.answer(apiKey)
    if (answer === null) return
    const head = Buffer.alloc(8)
    head.writeInt32BE(4 + answer.length, 0)
    request.copy(head, 4, 4, 8)
    socket.write(Buffer.concat([head, answer]))
  }

  /** ApiVersions version 2: error, array of (key, least, most), throttle. */
  private versions(): Buffer {
    const answer = Buffer.alloc(2 + 4 + 2 * 6 + 4)
    answer.writeInt32BE(2, 2)
    answer.writeInt16BE(METADATA, 6)
    answer.writeInt16BE(12, 10)
    answer.writeInt16BE(API_VERSIONS, 12)
    answer.writeInt16BE(3, 16)
    return answer
  }
}

describe('KafkaJS', () => {
  it('is the version whose private parts are used', () => {
    expect((require('kafkajs/package.json') as { version: string }).version).toBe('2.2.4')
  })

  it('has the private parts that are used', () => {
    const connection = require('kafkajs/src/network/connection') as { prototype: object }
    const queue = require('kafkajs/src/network/requestQueue') as { prototype: object }
    const broker = require('kafkajs/src/broker') as { prototype: object }
    for (const method of ['send', 'isConnected', 'isAuthenticated'])
      expect(connection.prototype).toHaveProperty(method)
    for (const method of ['scheduleCheckPendingRequests', 'rejectAll', 'destroy']) {
      expect(queue.prototype).toHaveProperty(method)
    }
    expect(broker.prototype).toHaveProperty('connect')
  })
})

describe('the transport', () => {
  const brokers: FakeBroker[] = []
  const connections: RawConnection[] = []
  afterEach(() => {
    for (const connection of connections.splice(0)) connection.destroy(new Error('the test has ended'))
    for (const broker of brokers.splice(0)) broker.close()
  })

  const connect = async (): Promise<{ broker: FakeBroker; connection: RawConnection }> => {
    const broker = new FakeBroker()
    brokers.push(broker)
    const transport = createTransport({
      clientId: 'test',
      ssl: false,
      sasl: null,
      connectTimeoutMs: 5_000,
      openSocket: openSystemSocket,
    })
    const connection = await transport.open('127.0.0.1', await broker.listen(), new AbortController().signal)
    connections.push(connection)
    return { broker, connection }
  }
  const ask = (connection: RawConnection): Promise<{ throttleMs: number; text: string }> => {
    const request = { apiKey: METADATA, apiVersion: 12, apiName: 'Metadata', body: Buffer.from('question') }
    return connection.send(request, (answer) => ({ throttleMs: 0, text: answer.toString() }))
  }

  it('knows what the broker speaks, and carries bodies and answers as they are', async () => {
    const { broker, connection } = await connect()
    expect(connection.versions[METADATA]).toEqual({ minVersion: 0, maxVersion: 12 })
    expect((await ask(connection)).text).toBe('answer')
    expect(broker.requests.at(-1)).toEqual({
      apiKey: METADATA,
      apiVersion: 12,
      body: Buffer.from('question'),
    })
    expect(broker.sockets).toHaveLength(1)
  })

  it('passes on what the decoder throws', async () => {
    const { connection } = await connect()
    const request = { apiKey: METADATA, apiVersion: 12, apiName: 'Metadata', body: Buffer.alloc(0) }
    const failing = connection.send(request, () => {
      throw new RangeError('not an answer')
    })
    await expect(failing).rejects.toThrow('not an answer')
  })

  for (const way of ['end', 'destroy', 'resetAndDestroy'] as const) {
    it(`fails what is under way, and is not usable any more, when the broker's side is lost: ${way}`, async () => {
      const { broker, connection } = await connect()
      broker.answer = () => null
      const asked = ask(connection)
      while (broker.requests.length < 2) await new Promise((resolve) => setImmediate(resolve))
      expect(connection.usable).toBe(true)
      broker.sockets[0]![way]()
      await expect(asked).rejects.toThrow()
      expect(connection.usable).toBe(false)
      await expect(ask(connection)).rejects.toThrow()
    })
  }

  it('fails what is under way with the reason for which it is destroyed', async () => {
    const { broker, connection } = await connect()
    broker.answer = () => null
    const asked = ask(connection)
    while (broker.requests.length < 2) await new Promise((resolve) => setImmediate(resolve))
    connection.destroy(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
    expect(connection.usable).toBe(false)
  })

  it('fails what was asked in the same turn in which it is destroyed, and everything later', async () => {
    const { connection } = await connect()
    const asked = ask(connection)
    connection.destroy(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
    await expect(ask(connection)).rejects.toThrow('enough')
  })

  it('settles, so that no timer is left, when it is given up while it connects', async () => {
    const silent = new Socket()
    const transport = createTransport({
      clientId: 'test',
      ssl: false,
      sasl: null,
      connectTimeoutMs: 60_000,
      openSocket: () => silent,
    })
    const giveUp = new AbortController()
    const opening = transport.open('127.0.0.1', 1, giveUp.signal)
    await new Promise((resolve) => setImmediate(resolve))
    giveUp.abort()
    await expect(opening).rejects.toThrow('given up')
    expect(silent.destroyed).toBe(true)
  })

  it('sets no timer that looks after an empty queue', async () => {
    const { connection } = await connect()
    await ask(connection)
    const { requestQueue } = (
      connection as unknown as { connection: { requestQueue: { throttleCheckTimeoutId: unknown } } }
    ).connection
    expect(requestQueue.throttleCheckTimeoutId).toBe(null)
  })
})
