/** Lets other processes use a broker, through a local socket. */
import { chmod, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { FatalError, messageOf } from '../../errors.ts'
import { BROKER_METHODS, callMethod, type BrokerConnection } from './broker-connection.ts'
import {
  encodeError,
  encodeFrame,
  FrameReader,
  PROTOCOL_VERSION,
  type AnswerFrame,
  type CallFrame,
} from './frames.ts'

/** The broker's end of all sockets. */
export interface SocketServer {
  /** Takes no more connections and cuts those there are. */
  close(): Promise<void>
}

/**
 * Serves `broker` at `address` (a path, or the name of a pipe on Windows), which only this user may connect to. What
 * a dead server left there is replaced. Does not keep the process alive.
 */
export async function serveBroker(broker: BrokerConnection, address: string): Promise<SocketServer> {
  const isPipe = address.startsWith('\\\\')
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    serveClient(broker, socket)
  })
  if (!isPipe) await rm(address, { force: true })
  await listen(server, address)
  server.unref()
  if (!isPipe) await chmod(address, 0o600)
  return {
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

async function listen(server: Server, address: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(address, resolve)
    })
  } catch (error) {
    throw new FatalError(
      'LOG_DIRECTORY_UNUSABLE',
      `No socket can be opened at ${address}: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  }
}

function serveClient(broker: BrokerConnection, socket: Socket): void {
  const frames = new FrameReader()
  socket.unref()
  // The client learns of a broken connection by itself; its calls are safe to repeat.
  socket.on('error', () => socket.destroy())
  socket.on('data', (piece: Buffer) => {
    try {
      for (const message of frames.push(piece)) void answer(broker, socket, message as CallFrame)
    } catch {
      socket.destroy()
    }
  })
  socket.write(encodeFrame({ protocol: PROTOCOL_VERSION, pid: process.pid }))
}

async function answer(
  broker: BrokerConnection,
  socket: Socket,
  { id, method, args }: CallFrame,
): Promise<void> {
  let frame: AnswerFrame
  try {
    if (!BROKER_METHODS.includes(method)) throw new FatalError('LOG_PROTOCOL', `There is no call ${method}.`)
    frame = { id, value: await callMethod(broker, method, args) }
  } catch (error) {
    frame = { id, error: encodeError(error) }
  }
  if (!socket.destroyed) socket.write(encodeFrame(frame))
}
