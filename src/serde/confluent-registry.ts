/**
 * A schema registry with Confluent's HTTP API: Confluent's own, Apicurio (path `/apis/ccompat/v7`), Karapace.
 *
 * It tells apart who says no. "There is no such schema" makes dead letters, so it counts only in the registry's own
 * words: an `error_code` of 404xx. The 404 of a proxy in front of a registry that is down has none.
 */
import { systemClock, type Clock } from '../clock.ts'
import { FatalError, messageOf, RetriableError } from '../errors.ts'
import type { Compatibility, RegisteredSchema, SchemaRegistry, SubjectVersion } from './schema-registry.ts'

/** Where a registry is, and how long it is waited for. */
export interface ConfluentRegistryOptions {
  /** Base address, `http://HOST:PORT/PATH`; `USER:PASSWORD@` in it is sent as basic authentication. */
  readonly url: string
  /** How long an answer is waited for, milliseconds; 10,000. */
  readonly timeoutMs?: number
  readonly clock?: Clock
}

const TIMEOUT_MS = 10_000
const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'
/** Schemas refer to schemas; more than this is not meant seriously. */
const REFERENCES_MAX = 100

interface SchemaAnswer {
  readonly id?: number
  readonly schema: string
  readonly schemaType?: string
  readonly references?: readonly { readonly subject: string; readonly version: number }[]
}

/** Asks over HTTP; nothing is cached and nothing is tried again here. */
export class ConfluentRegistry implements SchemaRegistry {
  /** The address without credentials. */
  readonly url: string
  private readonly headers: Readonly<Record<string, string>>
  private readonly timeoutMs: number
  private readonly clock: Clock

  /** `TypeError` for an address that is none. */
  constructor(options: ConfluentRegistryOptions) {
    const url = new URL(options.url)
    const { username, password } = url
    url.username = ''
    url.password = ''
    this.url = url.href.replace(/\/+$/, '')
    const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    this.headers = {
      accept: `${CONTENT_TYPE}, application/json`,
      'content-type': CONTENT_TYPE,
      ...(username !== '' && { authorization: `Basic ${Buffer.from(user).toString('base64')}` }),
    }
    this.timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    this.clock = options.clock ?? systemClock
  }

  async schemaById(id: number): Promise<RegisteredSchema | null> {
    const answer = await this.ask('GET', `/schemas/ids/${id}`)
    return answer === null ? null : this.complete(answer as SchemaAnswer)
  }

  async versions(subject: string): Promise<readonly SubjectVersion[]> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions`
    const numbers = ((await this.ask('GET', path)) ?? []) as readonly number[]
    const found: SubjectVersion[] = []
    for (const number of numbers) {
      const version = (await this.ask('GET', `${path}/${number}`)) as SchemaAnswer | null
      // A version may be deleted while we ask.
      if (version?.id !== undefined) found.push({ id: version.id, schema: await this.complete(version) })
    }
    return found
  }

  async register(subject: string, schema: string, compatibility: Compatibility): Promise<number> {
    const path = `/subjects/${encodeURIComponent(subject)}`
    const known = (await this.ask('POST', path, { schema })) as { id: number } | null
    if (known !== null) return known.id
    const config = `/config/${encodeURIComponent(subject)}`
    const level = await this.ask('GET', `${config}?defaultToGlobal=false`)
    if (level === null) await this.mustAnswer('PUT', config, { compatibility })
    const made = (await this.mustAnswer('POST', `${path}/versions`, { schema })) as { id: number }
    return made.id
  }

  /** With the texts of everything it refers to, depth first. */
  private async complete({ schema, schemaType, references = [] }: SchemaAnswer): Promise<RegisteredSchema> {
    const texts = new Map<string, string>()
    const gather = async (wanted: NonNullable<SchemaAnswer['references']>): Promise<void> => {
      for (const { subject, version } of wanted) {
        const name = `${encodeURIComponent(subject)}/versions/${version}`
        if (texts.has(name) || texts.size > REFERENCES_MAX) continue
        const found = (await this.mustAnswer('GET', `/subjects/${name}`)) as SchemaAnswer
        await gather(found.references ?? [])
        texts.set(name, found.schema)
      }
    }
    await gather(references)
    return { type: schemaType ?? 'AVRO', text: schema, references: [...texts.values()] }
  }

  private async mustAnswer(method: string, path: string, body?: object): Promise<unknown> {
    const answer = await this.ask(method, path, body)
    if (answer === null) throw this.unreachable(`${method} ${path}: it knows of no such thing`)
    return answer
  }

  /** The answer as JSON; null where the registry says that what the path names does not exist. */
  private async ask(method: string, path: string, body?: object): Promise<unknown> {
    const { status, json, text } = await this.send(method, path, body)
    if (status >= 200 && status < 300 && json !== undefined) return json
    const { error_code: code, message } = (json ?? {}) as { error_code?: number; message?: string }
    if (status === 404 && code !== undefined && Math.floor(code / 100) === 404) return null
    const said = `${method} ${path}: ${status} ${message ?? text.slice(0, 200)}`
    if (status === 401 || status === 403) {
      throw new FatalError('REGISTRY_DENIED', `The schema registry at ${this.url} refuses us: ${said}`)
    }
    if (status === 409 || status === 422) {
      throw new FatalError('SCHEMA_REFUSED', `The schema registry at ${this.url} refuses the schema: ${said}`)
    }
    throw this.unreachable(said)
  }

  private async send(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ status: number; json: unknown; text: string }> {
    const patience = new AbortController()
    const timer = this.clock.schedule(this.timeoutMs, () => patience.abort())
    try {
      const response = await fetch(this.url + path, {
        method,
        headers: this.headers,
        signal: patience.signal,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, json: parse(text), text }
    } catch (error) {
      const reason = patience.signal.aborted ? `no answer within ${this.timeoutMs} ms` : causeOf(error)
      throw this.unreachable(`${method} ${path}: ${reason}`, error)
    } finally {
      timer.cancel()
    }
  }

  private unreachable(reason: string, cause?: unknown): RetriableError {
    const message = `The schema registry at ${this.url} gives no answer: ${reason}`
    return new RetriableError('REGISTRY_UNREACHABLE', message, { cause })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** `fetch` says only that it failed; why stands in the cause. */
function causeOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error)
}
