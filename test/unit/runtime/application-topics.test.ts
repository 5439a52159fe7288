import { afterEach, describe, expect, it } from 'vitest'
import { createInMemoryLog } from '../../../src/log/embedded/index.ts'
import type { Log } from '../../../src/log/log.ts'
import { StreamsApp } from '../../../src/runtime/streams-app.ts'
import { Serdes } from '../../../src/serde/serdes.ts'
import { MemoryStateDirectory } from '../../../src/state/memory-directory.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'

const DAY_MS = 86_400_000
const logs: Log[] = []
afterEach(() => Promise.all(logs.splice(0).map((log) => log.close())))

function newLog(): Log {
  const log = createInMemoryLog()
  logs.push(log)
  return log
}

/** Runs to the end of the topic `in`; the warnings it gave. */
async function warningsOf(log: Log): Promise<readonly string[]> {
  const builder = new StreamsBuilder()
  const strings = { key: Serdes.string(), value: Serdes.string() }
  builder
    .stream('in', strings)
    .groupBy((_key, value) => value, { name: 'by-value', ...strings })
    .count()
    .toStream()
    .to('out', { key: Serdes.string(), value: Serdes.json<number>() })
  const app = new StreamsApp({
    topology: builder.build(),
    config: { applicationId: 'app' },
    log,
    directory: new MemoryStateDirectory('app'),
    bounded: { flush: false },
  })
  const warnings: string[] = []
  app.events.subscribe((event) => event.type === 'warning' && warnings.push(event.message))
  await app.run()
  return warnings
}

describe('the topics of an application', () => {
  it('give no warning when it has made them itself, each time it starts', async () => {
    const log = newLog()
    await log.createTopics([{ name: 'in', partitions: 2 }])
    expect(await warningsOf(log)).toEqual([])
    expect(await warningsOf(log)).toEqual([])
    expect(await log.listTopics()).toEqual([
      'app-by-value-repartition',
      'app-commits-0',
      'app-commits-1',
      'app-count-04-changelog',
      'app-dlq',
      'app-late',
      'in',
      'out',
    ])
  })

  it('are all looked over when somebody else has made them, by what they are to the application', async () => {
    const log = newLog()
    const aged = { retentionMs: 7 * DAY_MS }
    await log.createTopics([
      { name: 'in', partitions: 2, settings: { timestampType: 'append' } },
      { name: 'out', partitions: 1, settings: aged },
      { name: 'app-late', partitions: 1, settings: { cleanup: 'compact' } },
      { name: 'app-by-value-repartition', partitions: 2, settings: aged },
      { name: 'app-count-04-changelog', partitions: 2, settings: aged },
      { name: 'app-commits-0', partitions: 2, settings: { cleanup: 'delete' } },
    ])
    const warnings = await warningsOf(log)
    expect(warnings.map((text) => text.replace(/:.*/, '')).sort()).toEqual([
      'Topic app-by-value-repartition (repartition topic) has retention.ms=604800000 (7 days)',
      'Topic app-commits-0 (changelog) has cleanup.policy=delete',
      'Topic app-count-04-changelog (changelog) has retention.ms=604800000 (7 days)',
      'Topic app-late (late records or dead letters) has cleanup.policy=compact',
      'Topic in (input) has message.timestamp.type=LogAppendTime',
      'Topic out (output) has retention.ms=604800000 (7 days)',
    ])
  })

  it('end the application at once when they may not be read or written, all of them in one error', async () => {
    const log = newLog()
    await log.createTopics([{ name: 'in', partitions: 1 }])
    const forbidden = { in: { mayRead: false, mayWrite: false }, 'app-late': { mayWrite: false } }
    const guarded = Object.create(log) as Log
    guarded.describeTopics = async (names) => {
      const described = await log.describeTopics(names)
      return new Map(
        [...described].map(([name, topic]) => {
          const limits = { ...topic.limits, ...forbidden[name as keyof typeof forbidden] }
          return [name, { ...topic, limits }]
        }),
      )
    }
    await expect(warningsOf(guarded)).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: 'No permission to read topic in, to write topic app-late.',
    })
  })
})
