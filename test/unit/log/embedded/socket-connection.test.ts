import { stat } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../../src/clock.ts'
import { FatalError } from '../../../../src/errors.ts'
import { encodeFrame, FrameReader } from '../../../../src/log/embedded/frames.ts'
import {
  callMethod,
  connectionThrough,
  createInMemoryBroker,
  EmbeddedLog,
  type BrokerConnection,
} from '../../../../src/log/embedded/index.ts'
import { connectBroker } from '../../../../src/log/embedded/socket-connection.ts'
import { serveBroker } from '../../../../src/log/embedded/socket-server.ts'
import { RecordBatchBuilder } from '../../../../src/log/record-batch-builder.ts'
import { SeededRandom } from '../../../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../../../src/testing/simulated-clock.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

const folder = temporaryFolder()
let count = 0
const newAddress = (): string => path.join(folder.path, `${(count += 1)}.sock`)
const random = new SeededRandom(1)

/** A broker that never answers one method; `reached` resolves when it is called. */
function hangingBroker(hanging: string): { broker: BrokerConnection; reached: Promise<void> } {
  const inner = createInMemoryBroker({ random })
  let reach!: () => void
  const reached = new Promise<void>((resolve) => (reach = resolve))
  const broker = connectionThrough((method, args) => {
    if (method !== hanging) return callMethod(inner, method, args)
    reach()
    return new Promise(() => undefined)
  })
  return { broker, reached }
}

function batch(): { topic: string; partition: number; records: RecordBatchBuilder } {
  const records = new RecordBatchBuilder()
  records.append(0, 'k', 'v')
  return { topic: 't', partition: 0, records }
}

async function listening(onConnection: (server: Server) => void, hello: Buffer | null): Promise<string> {
  const address = newAddress()
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    if (hello !== null) socket.write(hello)
  })
  await new Promise<void>((resolve) => server.listen(address, resolve))
  server.unref()
  onConnection(server)
  return address
}

describe('a connection through a socket', () => {
  it('answers as the broker does, errors too', async () => {
    const address = newAddress()
    const server = await serveBroker(createInMemoryBroker({ random }), address)
    const { broker, close, ended } = await connectBroker(address, systemClock)
    await broker.createTopics([{ name: 't', partitions: 2 }])
    const described = await broker.describeTopics(['t'])
    expect(described.get('t')).toMatchObject({ name: 't', partitions: 2 })
    const unknown = broker.offsets('end', [{ topic: 'x', partition: 0 }])
    await expect(unknown).rejects.toMatchObject({ name: 'FatalError', code: 'TOPIC_UNKNOWN' })
    await expect(unknown).rejects.toBeInstanceOf(FatalError)
    close()
    await ended
    await expect(broker.listTopics()).rejects.toMatchObject({
      name: 'RetriableError',
      code: 'LOG_UNREACHABLE',
    })
    await server.close()
  })

  it('leaves the outcome of a commit unknown when the owner goes', async () => {
    const address = newAddress()
    const { broker, reached } = hangingBroker('endTransaction')
    const server = await serveBroker(broker, address)
    const connection = (await connectBroker(address, systemClock)).broker
    const log = new EmbeddedLog({ connection, clock: systemClock, random })
    await log.createTopics([{ name: 't', partitions: 1 }])
    const producer = await log.producer({ transactionalId: 'x' })
    producer.begin()
    await producer.send([batch()])
    const committed = expect(producer.commit()).rejects.toMatchObject({ name: 'UnknownOutcomeError' })
    await reached
    await server.close()
    await committed
  })

  it('fails other calls in flight as retriable', async () => {
    const address = newAddress()
    const { broker, reached } = hangingBroker('listTopics')
    const server = await serveBroker(broker, address)
    const client = await connectBroker(address, systemClock)
    const failed = expect(client.broker.listTopics()).rejects.toMatchObject({ name: 'RetriableError' })
    await reached
    await server.close()
    await failed
    await client.ended
  })

  it('is for this user only', async () => {
    const address = newAddress()
    const server = await serveBroker(createInMemoryBroker({ random }), address)
    expect((await stat(address)).mode & 0o777).toBe(0o600)
    await server.close()
  })

  it('cannot be made where nobody listens', async () => {
    const failed = connectBroker(newAddress(), systemClock)
    await expect(failed).rejects.toMatchObject({ name: 'RetriableError', code: 'LOG_UNREACHABLE' })
  })

  it('gives up on a server that says nothing', async () => {
    const clock = new SimulatedClock()
    let server!: Server
    const address = await listening((made) => (server = made), null)
    const failed = expect(connectBroker(address, clock)).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' })
    await clock.advance(5_000)
    await failed
    server.close()
  })

  it('refuses a server of another version', async () => {
    let server!: Server
    const address = await listening((made) => (server = made), encodeFrame({ protocol: 99, pid: 1 }))
    await expect(connectBroker(address, systemClock)).rejects.toMatchObject({
      name: 'FatalError',
      code: 'LOG_PROTOCOL',
      message: expect.stringContaining('99'),
    })
    server.close()
  })

  it('serves only what is a call, and cuts off what is no frame', async () => {
    const address = newAddress()
    const server = await serveBroker(createInMemoryBroker({ random }), address)
    const socket = connect(address)
    const frames = new FrameReader()
    const messages: unknown[] = []
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    const answered = new Promise<void>((resolve) => {
      socket.on('data', (piece) => {
        messages.push(...frames.push(piece))
        if (messages.length === 2) resolve()
      })
    })
    socket.write(encodeFrame({ id: 1, method: 'close' as 'fetch', args: [] }))
    await answered
    expect(messages[1]).toMatchObject({ id: 1, error: { name: 'FatalError', code: 'LOG_PROTOCOL' } })
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await closed
    await server.close()
  })
})
