/** What is run in which order: both sides always in turn, so that what the machine does meanwhile meets both. */
import os from 'node:os'
import type { Contender, Task } from './contender.ts'
import { expectedResults, type Results } from './expected.ts'
import type { ValueFormat } from './formats.ts'
import { millrace } from './millrace.ts'
import type { Options } from './options.ts'
import { percentile, runPaced } from './paced.ts'
import { peer, type PeerEmit } from './peer.ts'
import { Readings } from './readings.ts'
import { fastestPeer, FIGURES, spread, spreadOf, type Measured, type Paced } from './summary.ts'
import { writeReadings } from './topics.ts'
import { runTrial, type Arena, type Trial } from './trial.ts'

const WARM_UP_READINGS = 50_000
const WINDOWING = { windowMs: 60_000, graceMs: 20_000, validRange: { low: 50, high: 55 } }
const INTERVALS = { commitIntervalMs: 100, sessionTimeoutMs: 10_000 }
const OUTPUT = 'aggregates'
const PACED_INPUT = 'paced'
/** Heaps that are tried, in MiB; the first one is what the others are compared with. */
const HEAPS = [1_024, 512, 384, 256, 192, 128, 96, 64] as const
const HEAP_COST = 0.05
const HEAP_RUNS = 3
/** Programs start and warm up in this share of a paced run. */
const WARM_UP_SHARE = 0.4

/** An input with what has to come of it. */
interface Prepared {
  readonly topic: string
  readonly count: number
  readonly expected: ReadonlyMap<boolean, Results>
}

/** All runs of one call of the program. */
export class Plan {
  private readonly arena: Arena
  private readonly options: Options
  private readonly format: ValueFormat
  private readonly classPath: string
  private readonly note: (text: string) => void
  private runs = 0

  constructor(
    arena: Arena,
    options: Options,
    format: ValueFormat,
    classPath: string,
    note: (text: string) => void,
  ) {
    this.arena = arena
    this.options = options
    this.format = format
    this.classPath = classPath
    this.note = note
  }

  /** The table of throughput: every contender, with and without duplicate detection, `runs` times. */
  async throughput(): Promise<{ heapMiB: number; measured: readonly Measured[] }> {
    const { options } = this
    const small = await this.prepare('warm-up', WARM_UP_READINGS)
    const whole = await this.prepare('readings', options.readings)
    this.note('warming up the broker')
    const first = this.contenders(HEAPS[0])
    for (const contender of first) await this.once(contender, options.deduplicate[0]!, small)
    const heapMiB = options.heapMiB === 'search' ? await this.searchHeap(whole) : options.heapMiB
    const cells = options.deduplicate.flatMap((deduplicate) =>
      this.contenders(heapMiB).map((contender) => ({ contender, deduplicate, trials: [] as Trial[] })),
    )
    for (let round = 1; round <= options.runs; round++) {
      for (const { contender, deduplicate, trials } of cells) {
        const trial = await this.once(contender, deduplicate, whole)
        trials.push(trial)
        this.tell(`run ${round}: ${contender.label}${deduplicate ? ', duplicate detection' : ''}`, trial)
      }
    }
    const measured = cells.map(({ contender: { side, label, parallel }, deduplicate, trials }) => {
      return { side, label, parallel, deduplicate, trials }
    })
    return { heapMiB, measured }
  }

  /** Both sides on readings that come at half of what the peer can work. */
  async paced(measured: readonly Measured[], heapMiB: number): Promise<readonly Paced[]> {
    const { pacedRate, latency, kill, runs, parallel, deduplicate } = this.options
    if (!latency && !kill) return []
    const kind = { parallel: parallel[0]!, deduplicate: deduplicate[0]! }
    const best = fastestPeer(measured, kind)
    const rate = pacedRate ?? Math.round(spreadOf(best!, 'rate').median / 2)
    const contenders = this.contenders(heapMiB).filter(({ side, label, parallel: count }) => {
      return count === kind.parallel && (side === 'millrace' || label === best?.label)
    })
    const found = contenders.map((contender) => ({
      contender,
      medians: [] as number[],
      nearWorst: [] as number[],
      recoveries: [] as number[],
    }))
    for (let round = 1; round <= runs; round++) {
      for (const { contender, medians, nearWorst, recoveries } of found) {
        if (latency) {
          const { latenciesMs } = await this.pace(contender, kind.deduplicate, rate, false)
          medians.push(percentile(latenciesMs, 0.5))
          nearWorst.push(percentile(latenciesMs, 0.99))
          this.note(`run ${round}: ${contender.label}: p50 ${medians.at(-1)} ms, p99 ${nearWorst.at(-1)} ms`)
        }
        if (!kill) continue
        const { recoverySeconds } = await this.pace(contender, kind.deduplicate, rate, true)
        recoveries.push(recoverySeconds!)
        this.note(`run ${round}: ${contender.label}: first result ${recoverySeconds} s after a kill`)
      }
    }
    return found.map(({ contender: { label }, medians, nearWorst, recoveries }) => ({
      label,
      rate,
      medianMs: latency ? spread(medians) : undefined,
      nearWorstMs: latency ? spread(nearWorst) : undefined,
      recoverySeconds: kill ? spread(recoveries) : undefined,
    }))
  }

  private contenders(heapMiB: number): readonly Contender[] {
    const { parallel, emits, node, nodeFlags } = this.options
    return parallel.flatMap((count) => [
      millrace({ processes: count, node, nodeFlags }),
      ...emits.map((emit) => this.peer(count, emit, heapMiB)),
    ])
  }

  private peer(threads: number, emit: PeerEmit, heapMiB: number): Contender {
    const { jvm, peerSettings: settings } = this.options
    return peer(this.classPath, { threads, emit, heapMiB, jvm, settings })
  }

  private once(contender: Contender, deduplicate: boolean, input: Prepared): Promise<Trial> {
    const task = this.task(input.topic, deduplicate)
    return runTrial(this.arena, contender, task, input.count, input.expected.get(deduplicate)!)
  }

  private pace(contender: Contender, deduplicate: boolean, rate: number, kill: boolean) {
    const { sensors, partitions, seed, pacedSeconds } = this.options
    const readings = new Readings({ readings: rate * pacedSeconds, sensors, partitions, seed })
    const task = this.task(PACED_INPUT, deduplicate)
    const warmUpSeconds = pacedSeconds * WARM_UP_SHARE
    const pace = { rate, warmUpSeconds, ...(kill && { killAfterSeconds: warmUpSeconds }) }
    return runPaced(this.arena, contender, task, readings, pace)
  }

  private task(input: string, deduplicate: boolean): Task {
    const applicationId = `bench-${(this.runs++).toString().padStart(4, '0')}`
    const { format } = this
    const { brokers } = this.arena.broker
    return { brokers, applicationId, input, output: OUTPUT, deduplicate, format, ...WINDOWING, ...INTERVALS }
  }

  /** The smallest heap with which the peer is at most 5 % slower than with the largest. */
  private async searchHeap(input: Prepared): Promise<number> {
    const { parallel, emits, deduplicate } = this.options
    let smallest: number = HEAPS[0]
    let full: number | undefined
    for (const heapMiB of HEAPS) {
      const contender = this.peer(parallel[0]!, emits[0]!, heapMiB)
      const rates: number[] = []
      try {
        while (rates.length < HEAP_RUNS) {
          rates.push(FIGURES.rate(await this.once(contender, deduplicate[0]!, input)))
        }
      } catch (error) {
        this.note(`with a heap of ${heapMiB} MiB the peer fails: ${String(error).slice(0, 500)}`)
        break
      }
      const { median } = spread(rates)
      full ??= median
      this.note(`with a heap of ${heapMiB} MiB: ${Math.round(median).toLocaleString('en-US')} readings/s`)
      if (median < full * (1 - HEAP_COST)) break
      smallest = heapMiB
    }
    return smallest
  }

  private async prepare(topic: string, count: number): Promise<Prepared> {
    const { sensors, partitions, seed, deduplicate } = this.options
    this.note(`writing ${count.toLocaleString('en-US')} readings`)
    const readings = new Readings({ readings: count, sensors, partitions, seed })
    await writeReadings(this.arena.log, topic, readings, this.format)
    const expected = deduplicate.map((detected) => {
      return [detected, expectedResults(readings, { ...WINDOWING, deduplicate: detected })] as const
    })
    return { topic, count: readings.count, expected: new Map(expected) }
  }

  private tell(what: string, trial: Trial): void {
    const rate = Math.round(FIGURES.rate(trial)).toLocaleString('en-US')
    this.note(`${what}: ${rate} readings/s (load of the machine ${os.loadavg()[0]!.toFixed(1)})`)
  }
}
