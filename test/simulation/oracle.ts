/**
 * What a scenario must give, computed offline on plain arrays and maps.
 *
 * The oracle knows the whole log, so nothing here waits, commits, restarts or rebalances: it takes the
 * records of each task in the one order that is promised, sub-topology by sub-topology. It was written from
 * the rules of event time alone and shares with the code it checks only the functions that a user would
 * write.
 */
import { Network } from './oracle/network.ts'
import { Plan, taskName } from './oracle/plan.ts'
import type { Expected, ExpectedChannel, ExpectedRecord, ExpectedTotals, Run } from './oracle/run.ts'
import { Task } from './oracle/task.ts'
import type { Scenario } from './scenario.ts'

export type {
  Expected,
  ExpectedChannel,
  ExpectedRecord,
  ExpectedTotals,
  LateReason,
  Phase,
  RecordedDecision,
  Run,
} from './oracle/run.ts'

/** The plan of a scenario's topology: sub-topologies, tasks, channels. Throws where there is none. */
export function planOf(scenario: Pick<Scenario, 'sources' | 'topology'>): Plan {
  const partitions = scenario.sources.map(({ topic, partitions }) => [topic, partitions.length] as const)
  return new Plan(scenario.topology, new Map(partitions))
}

/**
 * All that must be found after a run. Throws where the run cannot have happened: a recorded decision that the
 * canonical order never comes by, an end that goes back, a flush that leaves records of an idle channel
 * behind.
 */
export function expectedOutputs(scenario: Scenario, run: Run): Expected {
  const plan = planOf(scenario)
  const network = new Network()
  const records: ExpectedRecord[] = []
  const tasks: Task[] = []
  for (const subTopology of plan.order) {
    for (let partition = 0; partition < subTopology.tasks; partition += 1) {
      const decisions = run.decisions[taskName(subTopology, partition)] ?? []
      tasks.push(new Task(scenario, plan, { subTopology, partition }, network, { out: records, decisions }))
    }
  }
  for (const [number, phase] of run.phases.entries()) {
    // Senders come before receivers, so a receiver finds all that is sent to it in this phase.
    for (const task of tasks) task.runPhase(number, phase.ends, phase.flush)
  }
  const totals: Record<string, ExpectedTotals> = {}
  const channels: Record<string, readonly ExpectedChannel[]> = {}
  for (const task of tasks) {
    totals[task.pipeline.name] = task.pipeline.totals
    channels[task.pipeline.name] = task.progress()
  }
  return { records, tasks: totals, channels }
}
