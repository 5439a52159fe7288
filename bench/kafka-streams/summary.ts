/** Figures of several runs, and how the two sides compare. */
import type { Contender } from './contender.ts'
import type { Trial } from './trial.ts'

/** The runs of one contender. */
export interface Measured {
  readonly side: Contender['side']
  readonly label: string
  readonly parallel: number
  readonly deduplicate: boolean
  readonly trials: readonly Trial[]
}

/** A median with the smallest and the largest value. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** millrace against the fastest way of running the peer with as many threads. */
export interface Comparison {
  readonly parallel: number
  readonly deduplicate: boolean
  readonly peer: string
  /** Of readings a second, run against run. */
  readonly speed: Spread
  /** CPU of millrace over CPU of the peer, application alone; the same for memory. */
  readonly cpu: Spread
  readonly memory: Spread
}

/** One contender on readings that came at a steady pace. */
export interface Paced {
  readonly label: string
  /** Readings a second. */
  readonly rate: number
  /** Over the runs: medians and 99th percentiles of each. */
  readonly medianMs: Spread | undefined
  readonly nearWorstMs: Spread | undefined
  readonly recoverySeconds: Spread | undefined
}

/** What can be told of a run, higher or lower. */
export const FIGURES = {
  rate: ({ readings, seconds }: Trial) => readings / seconds,
  warmRate: ({ readings, secondHalfSeconds }: Trial) => readings / 2 / secondHalfSeconds,
  cpuPerMillion: ({ applicationCpu, readings }: Trial) => (applicationCpu / readings) * 1e6,
  brokerCpuPerMillion: ({ brokerCpu, readings }: Trial) => (brokerCpu / readings) * 1e6,
  peak: ({ peakMegabytes }: Trial) => peakMegabytes,
  start: ({ startSeconds }: Trial) => startSeconds,
  startCpu: ({ startCpu }: Trial) => startCpu,
} as const

/** Median and ends of some numbers, at least one. */
export function spread(numbers: readonly number[]): Spread {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2
  return { median, least: sorted[0]!, most: sorted.at(-1)! }
}

/** The spread of a figure over the runs of a contender. */
export function spreadOf({ trials }: Measured, figure: keyof typeof FIGURES): Spread {
  return spread(trials.map(FIGURES[figure]))
}

/** The peer with the highest median of its kind. */
export function fastestPeer(
  measured: readonly Measured[],
  { parallel, deduplicate }: Pick<Measured, 'parallel' | 'deduplicate'>,
): Measured | undefined {
  return measured
    .filter((one) => one.side !== 'millrace' && one.parallel === parallel && one.deduplicate === deduplicate)
    .sort((a, b) => spreadOf(b, 'rate').median - spreadOf(a, 'rate').median)[0]
}

/** Each millrace against the fastest peer of the same kind, by medians; runs of the same round are paired. */
export function comparisons(measured: readonly Measured[]): readonly Comparison[] {
  return measured
    .filter(({ side }) => side === 'millrace')
    .flatMap((own) => {
      const best = fastestPeer(measured, own)
      return best === undefined ? [] : [compare(own, best)]
    })
}

function compare(own: Measured, peer: Measured): Comparison {
  const ratio = (figure: keyof typeof FIGURES): Spread => {
    return spread(own.trials.map((trial, run) => FIGURES[figure](trial) / FIGURES[figure](peer.trials[run]!)))
  }
  return {
    parallel: own.parallel,
    deduplicate: own.deduplicate,
    peer: peer.label,
    speed: ratio('rate'),
    cpu: ratio('cpuPerMillion'),
    memory: ratio('peak'),
  }
}
