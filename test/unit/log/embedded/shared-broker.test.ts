import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock, systemRandom } from '../../../../src/clock.ts'
import {
  SHARED_BROKER_TRANSITIONS,
  SharedBroker,
  transitionSharedBroker,
} from '../../../../src/log/embedded/shared-broker.ts'
import { itTransitionsOnly } from '../../../support/transition-table.ts'

describe('the states of a shared broker', () => {
  const states = ['electing', 'owning', 'connected', 'failed', 'closed'] as const
  it('are all in the table', () => expect(Object.keys(SHARED_BROKER_TRANSITIONS)).toEqual(states))
  itTransitionsOnly(transitionSharedBroker, states, {
    electing: 'owning connected failed closed',
    owning: 'closed',
    connected: 'electing closed',
    failed: 'closed',
    closed: '',
  })
})

describe('a shared broker', () => {
  let directory: string
  const options = (): ConstructorParameters<typeof SharedBroker>[0] => ({
    directory,
    clock: systemClock,
    random: systemRandom,
  })

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'millrace-log-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  it('owns a directory that nobody has, and leaves nothing of itself behind', async () => {
    const broker = new SharedBroker(options())
    await broker.ready()
    expect(broker.state).toBe('owning')
    const { address } = JSON.parse(await readFile(path.join(directory, 'log.address'), 'utf8')) as {
      address: string
    }
    await broker.close()
    await broker.close()
    expect(broker.state).toBe('closed')
    await expect(readFile(address)).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(readFile(path.join(directory, 'log.address'))).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(broker.connection.listTopics()).rejects.toMatchObject({ code: 'LOG_CLOSED' })
  })

  it('connects to the owner, and becomes the owner when that one closes', async () => {
    const first = new SharedBroker(options())
    await first.ready()
    const second = new SharedBroker(options())
    await second.ready()
    expect([first.state, second.state]).toEqual(['owning', 'connected'])
    await second.connection.createTopics([{ name: 't', partitions: 1 }])
    expect(await first.connection.listTopics()).toEqual(['t'])
    const waiting = second.connection.fetch({
      partitions: [{ topic: 't', partition: 0, topicId: null, offset: 0n, maxBytes: 1, seen: PROGRESS }],
      maxWaitMs: 60_000,
    })
    const failed = expect(waiting).rejects.toMatchObject({ name: 'RetriableError', code: 'LOG_UNREACHABLE' })
    await second.connection.listTopics()
    await first.close()
    await failed
    expect(await second.connection.listTopics()).toEqual(['t'])
    expect(second.state).toBe('owning')
    await second.close()
  })

  it('takes no notice of an address that a dead owner left', async () => {
    await writeFile(
      path.join(directory, 'log.address'),
      JSON.stringify({ address: path.join(directory, 'gone') }),
    )
    await writeFile(path.join(directory, 'log.sock'), 'not a socket')
    const broker = new SharedBroker(options())
    await broker.ready()
    expect(broker.state).toBe('owning')
    await broker.close()
  })

  it('can be closed while it is still electing', async () => {
    const broker = new SharedBroker(options())
    await broker.close()
    expect(broker.state).toBe('closed')
    const next = new SharedBroker(options())
    await next.ready()
    expect(next.state).toBe('owning')
    await next.close()
  })
})

const PROGRESS = { end: 0n, stable: 0n, start: 0n }
