import { policyOf } from './dsl-options.ts'
import type { StageOptions } from './error-policy.ts'
import type { KStream } from './kstream.ts'
import { branch } from './operators/branch.ts'
import type { Predicate } from './operators/filter.ts'

/** The branches of a split, by name. */
export type Branches<K, V> = Readonly<Record<string, KStream<K, V>>>

/**
 * A split under construction: `.branch(predicate, name)` any number of times, then `.defaultBranch(name)` or
 * `.noDefaultBranch()`, which answers the branches by name. Each record goes to the first branch that takes it;
 * without a default branch, records that none takes end here.
 */
export class BranchedKStream<K, V> {
  private readonly stream: KStream<K, V>
  private readonly options: StageOptions | undefined
  private readonly predicates: Predicate<K, V>[] = []
  private readonly branches: Record<string, KStream<K, V>> = {}

  /** @internal */
  constructor(stream: KStream<K, V>, options: StageOptions | undefined) {
    this.stream = stream
    this.options = options
  }

  /** A branch that takes the records for which `predicate` holds and that no earlier branch took. */
  branch(predicate: Predicate<K, V>, name: string): this {
    this.addBranch(predicate, name)
    this.predicates.push(predicate)
    return this
  }

  /** A branch that takes the rest. */
  defaultBranch(name = 'default'): Branches<K, V> {
    this.addBranch(undefined, name)
    return this.branches
  }

  /** The rest ends here. */
  noDefaultBranch(): Branches<K, V> {
    return this.branches
  }

  private addBranch(predicate: Predicate<K, V> | undefined, name: string): void {
    const { handle } = this.stream
    const earlier = [...this.predicates]
    if (Object.hasOwn(this.branches, name))
      handle.graph.addProblem(`a split has two branches named "${name}"`)
    const prefix = this.options?.name === undefined ? undefined : `${this.options.name}-${name}`
    const node = handle.graph.nameFor(`branch-${name}`, prefix)
    handle.graph.addNode({
      type: 'operator',
      name: node,
      parents: [handle.node],
      policy: policyOf(this.options),
      operator: 'branch',
      build: (stage) => branch(stage, earlier, predicate) as never,
      stores: [],
      orderDependent: false,
      windowed: undefined,
    })
    Object.defineProperty(this.branches, name, {
      value: handle.streamOf({ ...handle, node }),
      enumerable: true,
      configurable: true,
    })
  }
}
