/** Which internal topics are an application's own, by their names alone. */
import { isInternalTopic } from '../runtime/internal-topics.ts'

/**
 * The internal topics of an application, of all its incarnations. The name of one application can begin the name of
 * another (`sensors`, `sensors-2`): a topic belongs to the longest application id that fits it, of those that have a
 * commit log.
 */
export function topicsOfApplication(applicationId: string, topics: readonly string[]): readonly string[] {
  const others = topics.flatMap((topic) => /^(.+)-commits-\d+$/.exec(topic)?.[1] ?? [])
  const longer = others.filter((other) => other !== applicationId && other.startsWith(`${applicationId}-`))
  return topics.filter(
    (topic) =>
      isInternalTopic(applicationId, topic) && !longer.some((other) => topic.startsWith(`${other}-`)),
  )
}
