import { once } from 'node:events'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { SimulatedClock } from '../../../src/testing/index.ts'
import { HttpServer, json, type Answer } from '../../../src/web/http-server.ts'

const open: HttpServer[] = []
const failures: unknown[] = []

afterEach(async () => {
  failures.length = 0
  await Promise.all(open.splice(0).map((server) => server.close()))
})

/** Without `clock` no time passes for the server: what ends does so by itself. */
async function serve(
  routes: Readonly<Record<string, () => Answer | Promise<Answer>>>,
  { port = 0, clock = new SimulatedClock() } = {},
) {
  const server = await HttpServer.open({
    host: '127.0.0.1',
    port,
    clock,
    routes: new Map(Object.entries(routes)),
    onFailure: (error) => failures.push(error),
  })
  open.push(server)
  return server
}

const hello = { '/hello': () => json(200, { hello: true }) }

/** What comes back for a text sent as it is, until the server ends the connection. */
async function exchange(server: HttpServer, sent: string): Promise<string> {
  const socket = await connected(server)
  let received = ''
  socket.setEncoding('latin1').on('data', (text: string) => (received += text))
  socket.write(sent)
  await once(socket, 'close')
  return received
}

async function connected(server: HttpServer): Promise<Socket> {
  const { hostname, port } = new URL(server.origin)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

describe('the server', () => {
  it('says where it listens, also when it chose the port', async () => {
    const server = await serve(hello)
    expect(server.origin).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/)
    const response = await fetch(`${server.origin}/hello`)
    expect([response.status, await response.json()]).toEqual([200, { hello: true }])
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  it('refuses an address that is taken, or none of this machine', async () => {
    const { origin } = await serve(hello)
    await expect(serve(hello, { port: Number(new URL(origin).port) })).rejects.toMatchObject({
      code: 'HTTP_ADDRESS_UNUSABLE',
      message: expect.stringContaining('EADDRINUSE') as string,
    })
    const elsewhere = { clock: systemClock, routes: new Map(), onFailure: () => undefined, port: 0 }
    await expect(HttpServer.open({ ...elsewhere, host: '192.0.2.1' })).rejects.toMatchObject({
      code: 'HTTP_ADDRESS_UNUSABLE',
    })
  })

  it('knows its paths, with or without a query, and no others', async () => {
    const { origin } = await serve(hello)
    const statusOf = async (path: string): Promise<number> => (await fetch(`${origin}${path}`)).status
    expect(await statusOf('/hello?a=b?c')).toBe(200)
    for (const path of ['/', '/hello/', '/hell', '/Hello', '/%68ello', '//hello', '/constructor']) {
      expect(await statusOf(path), path).toBe(404)
    }
  })

  it.each(['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH'])('does not answer %s', async (method) => {
    const { origin } = await serve(hello)
    const response = await fetch(`${origin}/hello`, { method })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET'])
    expect(response.headers.get('connection')).toBe('close')
  })

  it('answers before a body has come, and reads none', async () => {
    const server = await serve(hello)
    const head = 'POST /hello HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n'
    expect(await exchange(server, head)).toMatch(/^HTTP\/1\.1 405 /)
    const get = 'GET /hello HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhe'
    expect(await exchange(server, get)).toMatch(
      /^HTTP\/1\.1 200 [^]*connection: close[^]*\{"hello":true\}\n$/i,
    )
  })

  it('survives what is no HTTP and heads that are too long', async () => {
    const server = await serve(hello)
    expect(await exchange(server, 'let me in\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
    const long = `GET /hello HTTP/1.1\r\nhost: x\r\nx-long: ${'y'.repeat(10_000)}\r\n\r\n`
    expect(await exchange(server, long)).toMatch(/^HTTP\/1\.1 431 /)
    expect((await fetch(`${server.origin}/hello`)).status).toBe(200)
  })

  it('takes no more than 64 connections at a time', async () => {
    const server = await serve(hello)
    const held = await Promise.all(Array.from({ length: 64 }, () => connected(server)))
    const refused = await connected(server)
    const [hadError] = (await once(refused.resume(), 'close')) as [boolean]
    expect(hadError || refused.bytesRead === 0).toBe(true)
    held[0]!.end()
    await once(held[0]!.resume(), 'close')
    expect((await fetch(`${server.origin}/hello`)).status).toBe(200)
    for (const socket of held) socket.destroy()
  })

  it('answers 500 when an answer fails, tells of it, and says nothing of it to the client', async () => {
    const secret = new Error('the secret')
    const { origin } = await serve({
      '/late': () => Promise.reject(secret),
      '/now': () => {
        throw secret
      },
    })
    for (const path of ['/late', '/now']) {
      const response = await fetch(`${origin}${path}`)
      expect(response.status).toBe(500)
      expect(await response.text()).not.toContain('secret')
    }
    expect(failures).toEqual([secret, secret])
  })

  it('closes at once with nothing to do, connections that are kept alive included', async () => {
    const server = await serve(hello)
    await (await fetch(`${server.origin}/hello`)).text()
    const idle = await connected(server)
    idle.write('GET /hello HTTP/1.1\r\nhost: x\r\n\r\n')
    await once(idle, 'data')
    await Promise.all([server.close(), once(idle.resume(), 'close')])
    await expect(connected(server)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await server.close()
  })

  it('lets an answer under way end when it closes', async () => {
    let answer: ((answer: Answer) => void) | undefined
    const server = await serve({ '/slow': () => new Promise((resolve) => (answer = resolve)) })
    const asked = request(`${server.origin}/slow`).end()
    const responded = once(asked, 'response') as Promise<[{ statusCode: number; headers: object }]>
    while (answer === undefined) await systemClock.yieldNow()
    const closed = server.close()
    answer(json(200, {}))
    const [{ statusCode, headers }] = await responded
    expect([statusCode, headers]).toEqual([200, expect.objectContaining({ connection: 'close' })])
    await closed
  })

  it('gives up answers that never end half a second after it was to close', async () => {
    const clock = new SimulatedClock()
    let asked = false
    const never = (): Promise<Answer> => {
      asked = true
      return new Promise(() => undefined)
    }
    const server = await serve({ '/never': never }, { clock })
    const failed = expect(fetch(`${server.origin}/never`)).rejects.toThrow()
    while (!asked) await systemClock.yieldNow()
    let isClosed = false
    const closed = server.close().then(() => (isClosed = true))
    await clock.advance(499)
    expect(isClosed).toBe(false)
    await clock.advance(1)
    await Promise.all([closed, failed])
    expect(clock.pendingTimers).toBe(0)
  }, 5_000)
})
