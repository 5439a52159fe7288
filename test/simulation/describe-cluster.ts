/** A cluster for people to read, where a run does not get on. */
import type { SimulatedCluster } from './cluster.ts'

/** The instances with their tasks and their last events, a line each. */
export function describeInstances(cluster: SimulatedCluster): string {
  const instances = cluster.instances.map(({ name, isRunning, outcome, app, events }) => {
    const tasks = [...app.tasks.values()].map(
      ({ task }) => `${task.name}:${task.state}${task.hasChanges ? '*' : ''}`,
    )
    const last = JSON.stringify(events.slice(-3), (_key, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    )
    return `${name} ${isRunning ? 'running' : JSON.stringify(outcome)} [${tasks.join(' ')}] ${last}`
  })
  return instances.join('\n')
}

/** The inputs that are not read to their end, a line each. */
export async function describePositions(cluster: SimulatedCluster): Promise<string> {
  const lines: string[] = []
  for (const { app } of cluster.running) {
    for (const [name, running] of app.tasks) {
      for (const { offset, ...partition } of running.fetchOffsets()) {
        const [end] = await cluster.drive(cluster.log.offsets('end', [partition]))
        const [stable] = await cluster.drive(cluster.log.offsets('stable', [partition]))
        if (end === offset && stable === end) continue
        const place = `${partition.topic}/${partition.partition}`
        lines.push(`${name}: ${place} at ${offset}, stable ${stable}, end ${end}`)
      }
    }
  }
  return lines.join('\n')
}
