/** What an application has done since a savepoint, and would do a second time when it goes back to it. */
import type { Log } from '../../log/log.ts'
import { readNewest } from '../../runtime/commit-log.ts'
import type { Counts } from '../../runtime/counters.ts'
import { readIncarnations, type CutTask, type IncarnationRecord } from '../../runtime/incarnations.ts'
import { commitLogTopic, topicPrefixOf } from '../../runtime/internal-topics.ts'
import { parseTaskName } from '../../runtime/task-id.ts'
import type { Manifest } from './manifest.ts'

/** What one task did, within one incarnation. */
export interface DoneSince {
  readonly incarnation: number
  readonly task: string
  /** What its counts have grown by; undefined where the incarnation was dropped, so that nobody knows. */
  readonly counts: Counts | undefined
}

/** Nothing, when the application stands where the savepoint was taken: then nothing was published behind it. */
export async function publishedSince(
  log: Log,
  applicationId: string,
  manifest: Manifest,
): Promise<readonly DoneSince[]> {
  const topics = new Set(await log.listTopics())
  const lives: { readonly incarnation: number; readonly cut: IncarnationRecord['cut'] }[] = [
    { incarnation: manifest.incarnation, cut: cutOf(manifest) },
    ...(await readIncarnations(log, applicationId)).filter(
      ({ incarnation }) => incarnation > manifest.incarnation,
    ),
  ]
  const done: DoneSince[] = []
  for (const { incarnation, cut } of lives) {
    for (const [task, began] of Object.entries(cut)) {
      const { subTopology, partition } = parseTaskName(task)!
      const topic = commitLogTopic(topicPrefixOf(applicationId, incarnation), subTopology)
      const counts = topics.has(topic)
        ? await grownBy(log, { topic, partition }, began)
        : lives.length > 1
          ? undefined
          : {}
      if (counts === undefined || Object.keys(counts).length > 0) done.push({ incarnation, task, counts })
    }
  }
  return done
}

/** Where the tasks of a savepoint stood, as the record of an incarnation says it. */
export function cutOf({ tasks }: Manifest): IncarnationRecord['cut'] {
  return Object.fromEntries(
    tasks.map(({ task, entry: { commitId, counts } }) => [task, { commitId, counts }]),
  )
}

async function grownBy(
  log: Log,
  commits: { readonly topic: string; readonly partition: number },
  began: CutTask,
): Promise<Counts> {
  const [end] = await log.offsets('end', [commits])
  const { latest } = await readNewest(log, commits, end!)
  const grown = Object.entries(latest?.counts ?? {}).map(
    ([name, count]) => [name, count - (began.counts[name] ?? 0)] as const,
  )
  return Object.fromEntries(grown.filter(([, by]) => by !== 0))
}
