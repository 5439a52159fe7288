/** The topics that belong to an application; all begin with its id. */

/** One per sub-topology, a partition per task: what each commit changed together (compacted). */
export function commitLogTopic(applicationId: string, subTopology: number): string {
  return `${applicationId}-commits-${subTopology}`
}

/** One per store, a partition per task (compacted). */
export function changelogTopic(applicationId: string, store: string): string {
  return `${applicationId}-${store}-changelog`
}

/** Between two sub-topologies; consumed records are deleted. */
export function repartitionTopic(applicationId: string, node: string): string {
  return `${applicationId}-${node}-repartition`
}

/** Whether a topic is one of the application's internal ones. */
export function isInternalTopic(applicationId: string, topic: string): boolean {
  if (!topic.startsWith(`${applicationId}-`)) return false
  const rest = topic.slice(applicationId.length + 1)
  return /^commits-\d+$/.test(rest) || rest.endsWith('-changelog') || rest.endsWith('-repartition')
}
