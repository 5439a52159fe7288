import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ConfluentRegistry } from '../../../src/serde/confluent-registry.ts'

interface Answer {
  readonly status?: number
  /** An object is sent as JSON, a text as it is; `hang` sends nothing. */
  readonly body: object | string
}

/** By method and path; each is a request's body and authorization as they came. */
let answers: Record<string, Answer> = {}
let requests: { readonly what: string; readonly body: string; readonly authorization: string | undefined }[] =
  []

const server = createServer((request, response) => {
  void bodyOf(request).then((body) => {
    const what = `${request.method} ${request.url}`
    requests.push({ what, body, authorization: request.headers.authorization })
    const answer = answers[what] ?? { status: 404, body: { error_code: 40401, message: 'nothing there' } }
    if (answer.body === 'hang') return
    const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body)
    response.writeHead(answer.status ?? 200).end(text)
  })
})

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

let url = ''

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/apis/v7`
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

beforeEach(() => {
  answers = {}
  requests = []
})

const whats = (): string[] => requests.map(({ what }) => what)

describe('asking for an id', () => {
  it('answers with the schema; its type is Avro unless said otherwise', async () => {
    answers['GET /apis/v7/schemas/ids/3'] = { body: { schema: '"int"' } }
    answers['GET /apis/v7/schemas/ids/4'] = { body: { schema: 'message P {}', schemaType: 'PROTOBUF' } }
    const registry = new ConfluentRegistry({ url })
    expect(await registry.schemaById(3)).toEqual({ type: 'AVRO', text: '"int"', references: [] })
    expect((await registry.schemaById(4))?.type).toBe('PROTOBUF')
  })

  it('brings along what the schema refers to, each once and before what refers to it', async () => {
    const reference = (subject: string): object => ({ name: subject, subject, version: 1 })
    const refers = (schema: string, ...subjects: string[]): Answer => ({
      body: { schema, references: subjects.map(reference) },
    })
    answers['GET /apis/v7/schemas/ids/1'] = refers('top', 'a', 'b/c')
    answers['GET /apis/v7/subjects/a/versions/1'] = refers('A', 'b/c')
    answers['GET /apis/v7/subjects/b%2Fc/versions/1'] = refers('B')
    const found = await new ConfluentRegistry({ url }).schemaById(1)
    expect(found).toEqual({ type: 'AVRO', text: 'top', references: ['B', 'A'] })
  })

  it('believes that there is none only when the registry says so itself', async () => {
    const path = 'GET /apis/v7/schemas/ids/9'
    const registry = new ConfluentRegistry({ url })
    answers[path] = { status: 404, body: { error_code: 40403, message: 'Schema 9 not found' } }
    expect(await registry.schemaById(9)).toBeNull()
    const others = [
      '<html>404 not found</html>',
      '',
      { message: 'no route' },
      { error_code: 404, message: 'HTTP 404' },
    ]
    for (const body of others) {
      answers[path] = { status: 404, body }
      await expect(registry.schemaById(9)).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
    }
  })
})

describe('failures', () => {
  it.each([
    [500, 'RetriableError', 'REGISTRY_UNREACHABLE'],
    [503, 'RetriableError', 'REGISTRY_UNREACHABLE'],
    [429, 'RetriableError', 'REGISTRY_UNREACHABLE'],
    [401, 'FatalError', 'REGISTRY_DENIED'],
    [403, 'FatalError', 'REGISTRY_DENIED'],
    [409, 'FatalError', 'SCHEMA_REFUSED'],
    [422, 'FatalError', 'SCHEMA_REFUSED'],
  ])('status %i is a %s %s with the reason', async (status, name, code) => {
    answers['GET /apis/v7/schemas/ids/1'] = { status, body: { error_code: status, message: 'because' } }
    const failing = new ConfluentRegistry({ url }).schemaById(1)
    await expect(failing).rejects.toMatchObject({ name, code, message: expect.stringContaining('because') })
  })

  it('an answer that is no JSON, and no answer at all, are retriable', async () => {
    answers['GET /apis/v7/schemas/ids/1'] = { body: 'welcome to the hotel' }
    answers['GET /apis/v7/schemas/ids/2'] = { body: 'hang' }
    const registry = new ConfluentRegistry({ url, timeoutMs: 50 })
    await expect(registry.schemaById(1)).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
    await expect(registry.schemaById(2)).rejects.toThrow(/no answer within 50 ms/)
    const nobody = new ConfluentRegistry({ url: 'http://127.0.0.1:1' })
    await expect(nobody.schemaById(1)).rejects.toThrow(/ECONNREFUSED|bad port/)
  })

  it('tell the address without the password', async () => {
    const registry = new ConfluentRegistry({ url: 'http://me:secret%21@127.0.0.1:1/x/' })
    expect(registry.url).toBe('http://127.0.0.1:1/x')
    await expect(registry.schemaById(1)).rejects.toSatisfy((error) => !String(error).includes('secret'))
  })
})

describe('registering', () => {
  const SUBJECT = '/apis/v7/subjects/readings-value'
  const CONFIG = '/apis/v7/config/readings-value'

  it('writes nothing where the schema is registered already', async () => {
    answers[`POST ${SUBJECT}`] = { body: { id: 12, version: 1 } }
    expect(await new ConfluentRegistry({ url }).register('readings-value', '"int"', 'BACKWARD')).toBe(12)
    expect(whats()).toEqual([`POST ${SUBJECT}`])
    expect(JSON.parse(requests[0]!.body)).toEqual({ schema: '"int"' })
  })

  it('gives a new subject its compatibility before its first schema', async () => {
    answers[`PUT ${CONFIG}`] = { body: { compatibility: 'BACKWARD' } }
    answers[`POST ${SUBJECT}/versions`] = { body: { id: 1 } }
    expect(await new ConfluentRegistry({ url }).register('readings-value', '"int"', 'BACKWARD')).toBe(1)
    const config = `GET ${CONFIG}?defaultToGlobal=false`
    expect(whats()).toEqual([`POST ${SUBJECT}`, config, `PUT ${CONFIG}`, `POST ${SUBJECT}/versions`])
    expect(JSON.parse(requests[2]!.body)).toEqual({ compatibility: 'BACKWARD' })
  })

  it('respects the compatibility that a subject has', async () => {
    answers[`GET ${CONFIG}?defaultToGlobal=false`] = { body: { compatibilityLevel: 'FULL' } }
    answers[`POST ${SUBJECT}/versions`] = { body: { id: 2 } }
    expect(await new ConfluentRegistry({ url }).register('readings-value', '"int"', 'BACKWARD')).toBe(2)
    expect(whats()).not.toContain(`PUT ${CONFIG}`)
  })

  it('sends the credentials of the address', async () => {
    answers[`POST ${SUBJECT}`] = { body: { id: 12 } }
    const registry = new ConfluentRegistry({ url: url.replace('//', '//me:p%40ss@') })
    await registry.register('readings-value', '"int"', 'BACKWARD')
    expect(requests[0]!.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`)
  })
})

describe('versions', () => {
  it('are all of them, oldest first, without one that is deleted meanwhile', async () => {
    const registry = new ConfluentRegistry({ url })
    expect(await registry.versions('unknown')).toEqual([])
    const path = 'GET /apis/v7/subjects/s/versions'
    answers[path] = { body: [1, 2, 4] }
    answers[`${path}/1`] = { body: { id: 7, schema: '"int"' } }
    answers[`${path}/4`] = { body: { id: 9, schema: '"long"' } }
    const found = await registry.versions('s')
    expect(found.map(({ id, schema }) => [id, schema.text])).toEqual([
      [7, '"int"'],
      [9, '"long"'],
    ])
  })
})
