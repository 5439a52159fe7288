/** Runs a scenario on a simulated cluster, as planned, and brings back what it left in the log. */
import type { Decision } from '../../src/time/decisions.ts'
import type { StreamsEvent } from '../../src/runtime/events.ts'
import { readHistory, readNewest } from '../../src/runtime/commit-log.ts'
import type { CommitEntry } from '../../src/runtime/commit-entry.ts'
import { commitLogTopic } from '../../src/runtime/internal-topics.ts'
import type { RunningTask } from '../../src/runtime/running-task.ts'
import { parseTaskName } from '../../src/runtime/task-id.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { SimulatedCluster, type ClusterOptions, type Instance } from './cluster.ts'
import { Feeder } from './feeder.ts'
import { planOf } from './oracle.ts'
import type { PhasePlan, RunPlan } from './run-plan.ts'
import type { Scenario } from './scenario.ts'
import { topologyOf } from './topology-of.ts'
import { readOutputs, readSourceOffsets, type OutputRecord, type SourceOffsets } from './outputs.ts'

export interface RunStatistics {
  commits: number
  kills: number
  pauses: number
  rebalances: number
  recoveries: number
  replayed: number
  wiped: number
}

export interface RunResult {
  readonly outputs: readonly OutputRecord[]
  readonly sourceOffsets: SourceOffsets
  /** Newest commit of each task. */
  readonly latest: ReadonlyMap<string, CommitEntry>
  /** Recorded decisions of each task with the number of the phase they were made in. */
  readonly decisions: ReadonlyMap<string, readonly { readonly decision: Decision; readonly phase: number }[]>
  readonly statistics: RunStatistics
}

export interface RunOptions {
  /** Plants faults. */
  readonly cluster?: Pick<ClusterOptions, 'wrapLog' | 'wrapDirectory'>
  readonly topology?: (scenario: Scenario) => Topology
  /** Decisions of an earlier run to be followed. */
  readonly decisions?: ReadonlyMap<string, readonly Decision[]>
}

const APPLICATION = 'sim'
const PHASE_WITHIN_MS = 120_000

export async function runScenario(
  scenario: Scenario,
  plan: RunPlan,
  seed: number,
  options: RunOptions = {},
): Promise<RunResult> {
  const { network, markerDelayMsMax } = plan.chaos
  const cluster = new SimulatedCluster({ seed, network, markerDelayMsMax, ...options.cluster })
  const run = new ScenarioRun(scenario, plan, cluster, new SeededRandom(seed ^ 0x5eed), options)
  return run.execute()
}

class ScenarioRun {
  private readonly scenario: Scenario
  private readonly plan: RunPlan
  private readonly cluster: SimulatedCluster
  private readonly random: SeededRandom
  private readonly options: RunOptions
  private readonly feeder: Feeder
  private readonly topology: Topology
  private readonly tasks: readonly string[]
  private readonly seenDecisions = new Map<string, number>()
  private readonly decisions = new Map<string, { decision: Decision; phase: number }[]>()
  private readonly statistics: RunStatistics = {
    commits: 0,
    kills: 0,
    pauses: 0,
    rebalances: 0,
    recoveries: 0,
    replayed: 0,
    wiped: 0,
  }
  private names = 0

  constructor(
    scenario: Scenario,
    plan: RunPlan,
    cluster: SimulatedCluster,
    random: SeededRandom,
    options: RunOptions,
  ) {
    this.scenario = scenario
    this.plan = plan
    this.cluster = cluster
    this.random = random
    this.options = options
    this.feeder = new Feeder(cluster, scenario, random.fork())
    this.topology = (options.topology ?? ((given) => topologyOf(given.topology)))(scenario)
    const { order } = planOf(scenario)
    this.tasks = order.flatMap(({ id, tasks }) =>
      Array.from({ length: tasks }, (_, partition) => `${id}_${partition}`),
    )
  }

  async execute(): Promise<RunResult> {
    const { cluster } = this
    await this.feeder.createTopics(this.scenario)
    for (const [number, phase] of this.plan.phases.entries()) {
      if (phase.kind === 'live') await this.runLive(phase)
      else await this.runBounded(phase)
      await this.collectDecisions(number)
    }
    // What is decided becomes visible a little later.
    await cluster.clock.advance(200)
    for (const { events } of cluster.instances) events.forEach((event) => this.count(event))
    return {
      outputs: await readOutputs(cluster, this.scenario, this.topology),
      sourceOffsets: await readSourceOffsets(cluster, this.scenario),
      latest: await this.readLatest(),
      decisions: this.decisions,
      statistics: this.statistics,
    }
  }

  private async runLive(phase: PhasePlan): Promise<void> {
    const { cluster, feeder, plan, random } = this
    const pauses = plan.idleness ? this.silences() : []
    this.startInstance()
    let eventAtMs = this.nextEventMs()
    const startMs = cluster.clock.monotonic()
    while (!feeder.isAt(phase.ends)) {
      const elapsedMs = cluster.clock.monotonic() - startMs
      const silent = new Set(
        pauses.filter(({ fromMs, toMs }) => elapsedMs >= fromMs && elapsedMs < toMs).map(({ name }) => name),
      )
      await feeder.feedSome(phase.ends, 25, silent)
      await cluster.clock.advance(random.int(30))
      if (cluster.clock.monotonic() >= eventAtMs) {
        await this.disturb()
        eventAtMs = this.nextEventMs()
      }
      this.rethrow()
    }
    await this.heal()
    if (plan.idleness) await cluster.clock.advance(1_000)
    await this.settle()
    await this.stopAll()
  }

  private async runBounded(phase: PhasePlan): Promise<void> {
    const { cluster, feeder, plan } = this
    await feeder.feedAll(phase.ends)
    const bounded = { flush: phase.kind === 'flush' }
    let eventAtMs = this.nextEventMs()
    for (let count = 1 + this.random.int(plan.chaos.instancesMax); count > 0; count--)
      this.startInstance(bounded)
    const deadlineMs = cluster.clock.monotonic() + PHASE_WITHIN_MS
    const calmFromMs = cluster.clock.monotonic() + 1_000
    while (!(await this.isRunDone())) {
      if (cluster.clock.monotonic() > deadlineMs)
        throw new Error(`a bounded run does not end: ${this.describe()}`)
      await cluster.clock.advance(5)
      this.rethrow()
      const calm = cluster.clock.monotonic() > calmFromMs
      if (!calm && cluster.clock.monotonic() >= eventAtMs) {
        await this.disturb(bounded)
        eventAtMs = this.nextEventMs()
      }
      if (cluster.running.length === 0 && !(await this.isRunDone(false))) this.startInstance(bounded)
    }
    await this.stopAll()
  }

  /** All instances that were not killed have ended, and all tasks have finished the run. */
  private async isRunDone(note = true): Promise<boolean> {
    if (this.cluster.running.length > 0) return false
    const latest = await this.readLatest()
    const runs = new Set(this.tasks.map((task) => latest.get(task)?.finishedRun ?? 0))
    const [run] = runs
    if (runs.size !== 1 || run === this.finishedRuns) return false
    if (note) this.finishedRuns = run!
    return true
  }

  private finishedRuns = 0

  /** One event of chaos. */
  private async disturb(bounded?: { flush: boolean }): Promise<void> {
    const { cluster, random, plan } = this
    const { running } = cluster
    if (plan.chaos.meanMs === 0) return
    const victim = running.length === 0 ? undefined : random.pick(running)
    const choice = random.int(10)
    if (victim === undefined || (choice < 3 && running.length < plan.chaos.instancesMax)) {
      this.startInstance(bounded)
    } else if (choice < 7) {
      victim.kill()
      this.statistics.kills++
      // The same disk again, or another one.
      if (random.chance(0.8)) this.startInstance(bounded, random.chance(0.6) ? victim.name : undefined)
    } else if (choice < 9) {
      victim.stop()
      this.statistics.pauses++
      await cluster.clock.advance(300 + random.int(900))
      victim.continue()
    } else if (running.length > 1) {
      void victim.app.stop()
    }
    if (cluster.running.length === 0) this.startInstance(bounded)
  }

  private nextEventMs(): number {
    const { meanMs } = this.plan.chaos
    return meanMs === 0 ? Infinity : this.cluster.clock.monotonic() + 20 + this.random.int(2 * meanMs)
  }

  private startInstance(bounded?: { flush: boolean }, name?: string): Instance {
    const { config } = this.plan
    const own = name ?? `i${this.names++}`
    return this.cluster.start(own, this.topology, {
      config: { ...config, applicationId: APPLICATION },
      ...(bounded !== undefined && { bounded }),
      ...(this.options.decisions !== undefined && { options: { decisions: this.options.decisions } }),
    })
  }

  /** At least one instance runs. */
  private async heal(): Promise<void> {
    await this.cluster.clock.advance(10)
    if (this.cluster.running.length === 0) this.startInstance()
  }

  /** Everything in the log is worked and committed. */
  private async settle(): Promise<void> {
    const { cluster } = this
    const deadlineMs = cluster.clock.monotonic() + PHASE_WITHIN_MS
    for (let quiet = 0; quiet < 3;) {
      if (cluster.clock.monotonic() > deadlineMs) {
        throw new Error(`the run does not settle: ${await this.describePositions()}
${this.describe()}`)
      }
      await cluster.clock.advance(20)
      this.rethrow()
      quiet = (await this.isSettled()) ? quiet + 1 : 0
    }
  }

  private async isSettled(): Promise<boolean> {
    const { cluster } = this
    const found = new Set<string>()
    for (const { app } of cluster.running) {
      if (!app.isQuiet) return false
      for (const [name, running] of app.tasks) {
        found.add(name)
        if (running.task.hasChanges) return false
        for (const { offset, ...partition } of running.fetchOffsets()) {
          const [end] = await cluster.drive(cluster.log.offsets('end', [partition]))
          if (end !== offset && !this.isFull(running, partition.topic)) return false
        }
      }
    }
    return this.tasks.every((task) => found.has(task))
  }

  /** Whether reading of a source topic rests because enough of it waits for its turn. */
  private isFull({ task }: RunningTask, topic: string): boolean {
    const source = task.parts.built.sources.get(topic)
    return source !== undefined && source.heldBytes > (this.plan.config.inputBufferBytes ?? Infinity)
  }

  private async stopAll(): Promise<void> {
    for (const instance of this.cluster.running) {
      if (this.plan.chaos.meanMs > 0 && this.random.chance(0.5)) instance.kill()
      else await this.cluster.drive(instance.app.stop())
    }
    this.rethrow()
  }

  /** Stretches in which a partition is silent long enough to become idle. */
  private silences(): readonly { name: string; fromMs: number; toMs: number }[] {
    return this.feeder.names
      .filter(() => this.random.chance(0.6))
      .map((name) => {
        const fromMs = this.random.int(600)
        return { name, fromMs, toMs: fromMs + 400 + this.random.int(1_200) }
      })
  }

  private async collectDecisions(phase: number): Promise<void> {
    for (const name of this.tasks) {
      const { subTopology, partition } = parseTaskName(name)!
      const place = { topic: commitLogTopic(APPLICATION, subTopology), partition }
      const history = await this.cluster.drive(readHistory(this.cluster.log, place))
      const all = history.flatMap(({ decisions }) => decisions)
      const known = this.seenDecisions.get(name) ?? 0
      const list = this.decisions.get(name) ?? []
      for (const decision of all.slice(known)) list.push({ decision, phase })
      this.seenDecisions.set(name, all.length)
      this.decisions.set(name, list)
    }
  }

  private async readLatest(): Promise<ReadonlyMap<string, CommitEntry>> {
    const latest = new Map<string, CommitEntry>()
    for (const name of this.tasks) {
      const { subTopology, partition } = parseTaskName(name)!
      const place = { topic: commitLogTopic(APPLICATION, subTopology), partition }
      const [end] = await this.cluster.drive(this.cluster.log.offsets('end', [place]))
      const newest = await this.cluster.drive(readNewest(this.cluster.log, place, end!))
      if (newest.latest !== undefined) latest.set(name, newest.latest)
    }
    return latest
  }

  private count(event: StreamsEvent): void {
    const { statistics } = this
    if (event.type === 'committed') statistics.commits++
    if (event.type === 'tasks-assigned') statistics.rebalances++
    if (event.type === 'recovering') statistics.recoveries++
    if (event.type === 'task-started') {
      statistics.replayed += event.replayed
      if (event.wipedBecause !== undefined) statistics.wiped++
    }
  }

  private rethrow(): void {
    for (const { outcome } of this.cluster.instances) {
      if (outcome !== undefined && outcome !== 'ended') throw outcome.error
    }
  }

  private async describePositions(): Promise<string> {
    const lines: string[] = []
    for (const { app } of this.cluster.running) {
      for (const [name, running] of app.tasks) {
        for (const { offset, ...partition } of running.fetchOffsets()) {
          const [end] = await this.cluster.drive(this.cluster.log.offsets('end', [partition]))
          const [stable] = await this.cluster.drive(this.cluster.log.offsets('stable', [partition]))
          if (end === offset && stable === end) continue
          lines.push(
            `${name}: ${partition.topic}/${partition.partition} at ${offset}, stable ${stable}, end ${end}`,
          )
        }
      }
    }
    return lines.join('\n')
  }

  private describe(): string {
    const instances = this.cluster.instances.map(({ name, isRunning, outcome, app, events }) => {
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
}
