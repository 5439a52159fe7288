/**
 * The topics that belong to an application; all begin with its id. Those of a later incarnation (incarnations.ts) begin
 * with the id and the incarnation's number, so what is called `prefix` here is the id itself, or `<id>.i<number>`.
 */

/** What the internal topics of an incarnation begin with; that of number 0, the first, is the application id itself. */
export function topicPrefixOf(applicationId: string, incarnation: number): string {
  return incarnation === 0 ? applicationId : `${applicationId}.i${incarnation}`
}

/** Whether a name could be the prefix of a later incarnation of another application: no application may have it. */
export function looksLikeIncarnation(applicationId: string): boolean {
  return /\.i\d+$/.test(applicationId)
}

/** Which incarnations there are and which is the current one (compacted). Only there after the first restore. */
export function incarnationsTopic(applicationId: string): string {
  return `${applicationId}-incarnations`
}

/** One per sub-topology, a partition per task: what each commit changed together (compacted). */
export function commitLogTopic(prefix: string, subTopology: number): string {
  return `${prefix}-commits-${subTopology}`
}

/** One per store, a partition per task (compacted). */
export function changelogTopic(prefix: string, store: string): string {
  return `${prefix}-${store}-changelog`
}

/** Between two sub-topologies; consumed records are deleted. */
export function repartitionTopic(prefix: string, node: string): string {
  return `${prefix}-${node}-repartition`
}

/** Whether a topic is one of the application's internal ones, of whichever incarnation. */
export function isInternalTopic(applicationId: string, topic: string): boolean {
  return topic === incarnationsTopic(applicationId) || incarnationOfTopic(applicationId, topic) !== undefined
}

/** The incarnation of the application that an internal topic belongs to; `undefined` for any other topic. */
export function incarnationOfTopic(applicationId: string, topic: string): number | undefined {
  if (!topic.startsWith(applicationId)) return undefined
  const match = /^(?:\.i([1-9]\d{0,8}))?-(?:commits-\d+|.*-changelog|.*-repartition)$/.exec(
    topic.slice(applicationId.length),
  )
  return match === null ? undefined : Number(match[1] ?? 0)
}
