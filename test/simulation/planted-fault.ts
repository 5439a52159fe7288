/**
 * Positive controls: a fault is planted into the runtime, and the simulation has to notice.
 *
 * Faults live in tests only. They are put in the place of methods, or between the runtime and its log or its disk,
 * for the time of one run. A method that is gone or renamed makes the test fail: it must not plant nothing.
 */
import { expect } from 'vitest'
import type { Log, LogProducer } from '../../src/log/log.ts'
import type { StateBackend, StateDirectory } from '../../src/state/backend.ts'
import type { ClusterOptions } from './cluster.ts'
import type { RunPlan } from './run-plan.ts'
import type { RunOptions } from './run-scenario.ts'
import { describeFailure, simulate, type Variant } from './simulate.ts'

export interface PlantedFault {
  /** Each is known to notice the fault; one after the other is tried. */
  readonly seeds: readonly number[]
  /** Default `disturbed`. */
  readonly variant?: Variant
  /** Puts the fault in place. */
  readonly plant?: (faults: Faults) => void
  readonly cluster?: ClusterFaults
  /** Another plan than the seed's, with the fault and without. */
  readonly adjust?: (plan: RunPlan) => RunPlan
  /** What the run without the fault has too: another line of defence taken away, which must not do harm. */
  readonly alsoWithout?: ClusterFaults
}

export type ClusterFaults = Partial<Pick<ClusterOptions, 'wrapLog' | 'wrapDirectory'>>

/** How the fault was noticed. */
export interface Caught {
  readonly seed: number
  /** The first difference, or what the run ended with. */
  readonly told: string
}

/** Runs the seeds until one notices the fault; the same seed without it must be as the oracle says. */
export async function expectCaught(fault: PlantedFault): Promise<Caught> {
  const variant = fault.variant ?? 'disturbed'
  for (const seed of fault.seeds) {
    const told = await whatIsTold(seed, variant, fault)
    if (told === undefined) continue
    const clean = await simulate(seed, variant, optionsOf(fault, fault.alsoWithout))
    expect(clean.problems, describeFailure(seed, variant, clean)).toEqual([])
    expect(clean.result.statistics.wiped).toBe(0)
    return { seed, told }
  }
  throw new Error(`no seed of ${fault.seeds.join(', ')} noticed the planted fault`)
}

async function whatIsTold(seed: number, variant: Variant, fault: PlantedFault): Promise<string | undefined> {
  const faults = new Faults()
  try {
    fault.plant?.(faults)
    const { problems } = await simulate(
      seed,
      variant,
      optionsOf(fault, { ...fault.alsoWithout, ...fault.cluster }),
    )
    return problems[0]
  } catch (error) {
    return `did not end: ${String(error)}`
  } finally {
    faults.remove()
  }
}

function optionsOf({ adjust }: PlantedFault, cluster: ClusterFaults = {}): RunOptions {
  return { cluster, ...(adjust !== undefined && { adjust }) }
}

type Method = (this: object, ...args: unknown[]) => unknown

/** Methods that are replaced for a while. */
export class Faults {
  private readonly undo: (() => void)[] = []

  /**
   * Puts another method in the place of one of a class, private ones included. `makeFaulty` is given the method as it
   * was, with the object as its first argument.
   */
  replace<Self extends object, Args extends unknown[], Result>(
    owner: { readonly prototype: object },
    name: string,
    makeFaulty: (original: (self: Self, ...args: Args) => Result) => (self: Self, ...args: Args) => Result,
  ): void {
    const descriptor = Object.getOwnPropertyDescriptor(owner.prototype, name)
    const original = descriptor?.value as Method | undefined
    if (typeof original !== 'function') throw new Error(`there is no method ${name} to put a fault into`)
    const faulty = makeFaulty((self, ...args) => original.apply(self, args) as Result)
    const method: Method = function (...args) {
      return faulty(this as Self, ...(args as Args))
    }
    Object.defineProperty(owner.prototype, name, { ...descriptor, value: method })
    this.undo.push(() => Object.defineProperty(owner.prototype, name, descriptor!))
  }

  /** For what is planted in another way. */
  onRemove(undo: () => void): void {
    this.undo.push(undo)
  }

  remove(): void {
    for (const undo of this.undo.splice(0)) undo()
  }
}

/** The log with some methods of its own. */
export function faultyLog(faultsOf: (log: Log) => Partial<Log>): NonNullable<ClusterFaults['wrapLog']> {
  return (log) => withMethods(log, faultsOf(log))
}

/** The log whose producers have some methods of their own. */
export function faultyProducers(
  faultsOf: (producer: LogProducer) => Partial<LogProducer>,
): NonNullable<ClusterFaults['wrapLog']> {
  return faultyLog((log) => ({
    producer: async (options) => {
      const producer = await log.producer(options)
      return withMethods(producer, faultsOf(producer))
    },
  }))
}

/** A disk whose backends have some methods of their own. */
export function faultyBackends(
  faultsOf: (backend: StateBackend) => Partial<StateBackend>,
): NonNullable<ClusterFaults['wrapDirectory']> {
  return (directory: StateDirectory) =>
    withMethods(directory, {
      open: async (task) => {
        const backend = await directory.open(task)
        return withMethods(backend, faultsOf(backend))
      },
    })
}

/** One fault around the other. */
export function both(
  first: NonNullable<ClusterFaults['wrapLog']>,
  second: NonNullable<ClusterFaults['wrapLog']>,
): NonNullable<ClusterFaults['wrapLog']> {
  return (log) => second(first(log))
}

function withMethods<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(_target, name): unknown {
      const own: unknown = Reflect.get(methods, name)
      if (own !== undefined) return own
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? (member as Method).bind(target) : member
    },
  })
}
