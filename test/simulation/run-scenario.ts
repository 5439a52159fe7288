/** Runs a scenario on a simulated cluster, as planned, and brings back what it left in the log. */
import type { Decision } from '../../src/time/decisions.ts'
import { readHistory, readNewest } from '../../src/runtime/commit-log.ts'
import type { CommitEntry } from '../../src/runtime/commit-entry.ts'
import { commitLogTopic } from '../../src/runtime/internal-topics.ts'
import type { RunningTask } from '../../src/runtime/running-task.ts'
import { parseTaskName } from '../../src/runtime/task-id.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { SimulatedCluster, type ClusterOptions, type Instance } from './cluster.ts'
import { describeInstances, describePositions } from './describe-cluster.ts'
import { Feeder } from './feeder.ts'
import { planOf } from './oracle.ts'
import type { PhasePlan, RunPlan } from './run-plan.ts'
import { countEvents, newStatistics, type RunStatistics } from './run-statistics.ts'
import type { Scenario } from './scenario.ts'
import { topologyOf } from './topology-of.ts'
import {
  readOutputs,
  readSourceOffsets,
  type OutputEnds,
  type OutputRecord,
  type SourceOffsets,
} from './outputs.ts'

export interface RunResult {
  readonly outputs: readonly OutputRecord[]
  readonly sourceOffsets: SourceOffsets
  /** Newest commit of each task. */
  readonly latest: ReadonlyMap<string, CommitEntry>
  /** Recorded decisions of each task with the number of the phase they were made in. */
  readonly decisions: ReadonlyMap<string, readonly { readonly decision: Decision; readonly phase: number }[]>
  readonly statistics: RunStatistics
  /** What a replay as live has left, where there was one: another application, following the recorded decisions. */
  readonly replay: Pick<RunResult, 'outputs' | 'latest'> | undefined
}

export interface RunOptions {
  /** Plants faults. */
  readonly cluster?: Partial<Pick<ClusterOptions, 'wrapLog' | 'wrapDirectory'>>
  /** Another plan than the seed's. */
  readonly adjust?: (plan: RunPlan) => RunPlan
  readonly topology?: (scenario: Scenario) => Topology
  /** Replays the run as live afterwards. */
  readonly replay?: boolean
}

const APPLICATION = 'sim'
const REPLAY = 'replay'
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
  private readonly statistics = newStatistics()
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
      if (this.plan.forgetsGroup && number < this.plan.phases.length - 1) await this.forgetGroup()
    }
    // What is decided becomes visible a little later.
    await cluster.clock.advance(200)
    countEvents(this.statistics, cluster)
    this.statistics.lostCalls = cluster.lostCalls
    const { outputs, ends } = await readOutputs(cluster, this.scenario, this.topology, new Map())
    return {
      outputs,
      sourceOffsets: await readSourceOffsets(cluster, this.scenario),
      latest: await this.readLatest(),
      decisions: this.decisions,
      statistics: this.statistics,
      replay: this.options.replay === true ? await this.replay(ends) : undefined,
    }
  }

  /** Another application over the same log, from the beginning, with the decisions of the first. */
  private async replay(outputEnds: OutputEnds): Promise<RunResult['replay']> {
    const decisions = new Map(
      [...this.decisions].map(([task, list]) => [task, list.map(({ decision }) => decision)]),
    )
    const { config } = this.plan
    const instance = this.cluster.start('replay', this.topology, {
      config: { ...config, idleTimeoutMs: null, applicationId: REPLAY },
      options: { decisions, isReplay: true },
    })
    await this.settle()
    const latest = await this.readLatest(REPLAY)
    await this.cluster.drive(instance.app.stop())
    await this.cluster.clock.advance(200)
    const { outputs } = await readOutputs(this.cluster, this.scenario, this.topology, outputEnds)
    return { outputs, latest }
  }

  private async runLive(phase: PhasePlan): Promise<void> {
    const { cluster, feeder, plan, random } = this
    const pauses = plan.idleness ? this.silences() : []
    this.startSlowly()
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
    this.startSlowly(bounded)
    for (let count = 1 + this.random.int(plan.chaos.instancesMax); count > 0; count--)
      this.startInstance(bounded)
    const deadlineMs = cluster.clock.monotonic() + PHASE_WITHIN_MS
    const calmFromMs = cluster.clock.monotonic() + 1_000
    while (!(await this.isRunDone())) {
      if (cluster.clock.monotonic() > deadlineMs)
        throw new Error(`a bounded run does not end: ${describeInstances(cluster)}`)
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
    // Every disturbed run has at least one kill.
    const choice = this.statistics.kills === 0 ? 5 : random.int(10)
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
    if (meanMs === 0) return Infinity
    const firstMs = this.statistics.kills === 0 ? 30 : 20 + 2 * meanMs
    return this.cluster.clock.monotonic() + 10 + this.random.int(firstMs)
  }

  private startInstance(bounded?: { flush: boolean }, name?: string): Instance {
    const { config } = this.plan
    const own = name ?? `i${this.names++}`
    return this.cluster.start(own, this.topology, {
      config: { ...config, applicationId: APPLICATION },
      ...(bounded !== undefined && { bounded }),
    })
  }

  /**
   * An instance that stands still while it starts, until others have long taken over what it was given. Where it began
   * with nothing, nobody knows of it: only the group can tell that it comes too late.
   */
  private startSlowly(bounded?: { flush: boolean }): void {
    const { cluster, random, plan } = this
    if (!plan.startsSlowly) return
    const instance = this.startInstance(bounded)
    // The last one: the next thing is that it names itself as the owner.
    let left = random.chance(0.5) ? this.tasks.length : 1 + random.int(this.tasks.length)
    const resumeInMs = 500 + random.int(1_500)
    instance.app.events.subscribe(({ type }) => {
      if (type !== 'task-started' || --left !== 0) return
      instance.stop()
      this.statistics.pauses++
      cluster.clock.schedule(resumeInMs, () => instance.continue())
    })
  }

  /** As a group's offsets expire that nobody was a member of for long. */
  private async forgetGroup(): Promise<void> {
    const { cluster, plan } = this
    // Those that were killed are members still.
    await cluster.clock.advance(plan.config.sessionTimeoutMs! + 100)
    await cluster.drive(cluster.log.deleteGroup(APPLICATION))
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
        const where = await describePositions(cluster)
        throw new Error(`the run does not settle: ${where}\n${describeInstances(cluster)}`)
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

  private async readLatest(application = APPLICATION): Promise<ReadonlyMap<string, CommitEntry>> {
    const latest = new Map<string, CommitEntry>()
    for (const name of this.tasks) {
      const { subTopology, partition } = parseTaskName(name)!
      const place = { topic: commitLogTopic(application, subTopology), partition }
      const [end] = await this.cluster.drive(this.cluster.log.offsets('end', [place]))
      const newest = await this.cluster.drive(readNewest(this.cluster.log, place, end!))
      if (newest.latest !== undefined) latest.set(name, newest.latest)
    }
    return latest
  }

  private rethrow(): void {
    for (const { outcome } of this.cluster.instances) {
      if (outcome !== undefined && outcome !== 'ended') throw outcome.error
    }
  }
}
