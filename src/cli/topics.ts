/** `millrace topics`: what topics there are. */
import type { TopicPartition } from '../log/log.ts'
import type { Command } from './command.ts'
import { EXIT } from './failure.ts'
import { offsetAsJson } from './record-json.ts'
import { formatDuration } from './setting-values.ts'
import { formatCount, table } from './text.ts'

/** The command. */
export const topicsCommand: Command = {
  name: 'topics',
  summary: 'what topics there are',
  description:
    'Lists the topics with their partitions, the offsets they hold and what is cleaned up. Offsets count transaction ' +
    'markers and compacted records too, so there are at most as many records as offsets.',
  settings: [],
  examples: ['millrace topics', `millrace topics --json | jq -r '.[].name'`],
  async run(context) {
    const { terminal } = context
    const log = await context.openLog('existing')
    const names = await log.listTopics()
    const described = await log.describeTopics(names)
    const rows: string[][] = []
    const json: string[] = []
    for (const { name, partitions, settings } of described.values()) {
      const all = Array.from({ length: partitions }, (_, partition): TopicPartition => ({
        topic: name,
        partition,
      }))
      const starts = await log.offsets('start', all)
      const ends = await log.offsets('end', all)
      const offsets = ends.reduce((sum, end, index) => sum + end - (starts[index] ?? 0n), 0n)
      const { cleanup, retentionMs } = settings
      const keeps = cleanup === 'compact' ? 'newest of each key' : keepsFor(retentionMs)
      rows.push([name, String(partitions), formatCount(offsets), keeps])
      const parts = ends.map((end, partition) => {
        const start = offsetAsJson(starts[partition] ?? 0n)
        return `{"partition":${partition},"start":${start},"end":${offsetAsJson(end)}}`
      })
      const kept = `"cleanup":"${cleanup}","retentionMs":${retentionMs}`
      json.push(`{"name":${JSON.stringify(name)},"partitions":[${parts.join(',')}],${kept}}`)
    }
    if (terminal.json) await terminal.data(`[${json.join(',\n')}]\n`)
    else if (rows.length === 0) terminal.say('There are no topics yet.')
    const columns = [
      { title: 'topic' },
      { title: 'partitions', align: 'right' },
      { title: 'offsets', align: 'right' },
      { title: 'keeps' },
    ] as const
    if (rows.length > 0) for (const line of table(columns, rows)) terminal.say(line)
    return EXIT.done
  },
}

function keepsFor(retentionMs: number): string {
  return retentionMs < 0 ? 'everything' : `records of ${formatDuration(retentionMs)}, by their time`
}
