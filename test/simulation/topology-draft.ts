/** A topology being drawn: streams that still lack an end, and stages to put behind them. */
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import { drawAggregator, drawPredicate, drawWindows, type TimeScale } from './topology-values.ts'
import type { KeySpec, OnError, StageSpec, TopologySpec, WindowedStage } from './topology-spec.ts'

/** A stream and what has to be known to put only such stages behind it as the rules speak of. */
export interface OpenStream {
  readonly name: string
  /** Keys are never null. */
  readonly keyed: boolean
  /** Keys may have changed since the last repartition. */
  readonly rekeyed: boolean
  /** There is a window before it in its sub-topology. */
  readonly afterWindow: boolean
  /** A processor has changed the records' times. */
  readonly retimed: boolean
  /**
   * The numbers are counts: what fails for a count is undone, and fails for the same count again and again.
   */
  readonly counted: boolean
  /** Records that one of a source can become, at most. */
  readonly fanOut: number
}

/** What a windowed stage shall be; the rest is drawn. */
export type WindowedWish = Partial<Pick<WindowedStage, 'emit' | 'aggregator' | 'windows'>> & {
  readonly group?: boolean
}

/** What `restore` goes back to. */
export interface Saved {
  readonly stages: number
  readonly open: readonly OpenStream[]
}

/** Makes stages; each method answers the stream behind the new one. */
export class TopologyDraft {
  private readonly random: SeededRandom
  private readonly scale: TimeScale
  private readonly stages: StageSpec[] = []
  private openStreams: OpenStream[] = []

  constructor(random: SeededRandom, scale: TimeScale) {
    this.random = random
    this.scale = scale
  }

  /** The stages, and a sink behind every open stream. */
  finished(): TopologySpec {
    const sinks = this.openStreams.map(({ name, keyed }, at): StageSpec => {
      // No chance here: the same draft must be finished the same way again.
      const partitionBy = keyed && at % 3 === 2 ? { partitionBy: { by: 'group' } as const } : {}
      return { kind: 'sink', name: `sink${at}`, inputs: [name], topic: `out-${at}`, ...partitionBy }
    })
    return { stages: [...this.stages, ...sinks] }
  }

  /** Streams without an end. */
  streams(): readonly OpenStream[] {
    return this.openStreams
  }

  open(stream: OpenStream): void {
    this.openStreams.push(stream)
  }

  replaceOpen(streams: readonly OpenStream[]): void {
    this.openStreams = [...streams]
  }

  /** One of the open streams, which then is not open any more. */
  takeOpen(): OpenStream {
    return this.openStreams.splice(this.random.int(this.openStreams.length), 1)[0]!
  }

  save(): Saved {
    return { stages: this.stages.length, open: [...this.openStreams] }
  }

  restore(saved: Saved): void {
    this.stages.length = saved.stages
    this.openStreams = [...saved.open]
  }

  /** One open stream twice: two stages read it. */
  fork(): void {
    this.open(this.random.pick(this.openStreams))
  }

  source(topics: readonly string[]): OpenStream {
    const eventTime = this.random.pick(['record', 'value'] as const)
    const fresh = {
      keyed: false,
      rekeyed: false,
      afterWindow: false,
      retimed: false,
      counted: false,
      fanOut: 1,
    }
    const source = this.add(
      { kind: 'source', name: this.name('source'), inputs: [], topics, eventTime, ...this.policy() },
      fresh,
    )
    return this.behind(source, { kind: 'check', ...this.policy() })
  }

  merge(streams: readonly OpenStream[]): OpenStream {
    const distinct = [...new Map(streams.map((stream) => [stream.name, stream])).values()]
    if (distinct.length === 1) return distinct[0]!
    return this.add(
      { kind: 'merge', name: this.name('merge'), inputs: distinct.map((stream) => stream.name) },
      {
        keyed: distinct.every((stream) => stream.keyed),
        rekeyed: distinct.some((stream) => stream.rekeyed),
        afterWindow: distinct.some((stream) => stream.afterWindow),
        retimed: distinct.some((stream) => stream.retimed),
        counted: distinct.some((stream) => stream.counted),
        fanOut: Math.max(...distinct.map((stream) => stream.fanOut)),
      },
    )
  }

  /** The stream with keys that are not null. */
  keyed(stream: OpenStream): OpenStream {
    if (stream.keyed) return stream
    return this.behind(stream, { kind: 'selectKey', key: { by: 'text' } }, { keyed: true, rekeyed: true })
  }

  rekey(stream: OpenStream): OpenStream {
    const key = this.key(stream)
    const changes = { keyed: true, rekeyed: true }
    return this.random.chance(0.5)
      ? this.behind(stream, { kind: 'selectKey', key }, changes)
      : this.behind(stream, { kind: 'map', key }, changes)
  }

  repartition(stream: OpenStream): OpenStream {
    const partitions = this.random.chance(0.7) ? { partitions: 1 + this.random.int(3) } : {}
    const changes = { rekeyed: false, afterWindow: false, retimed: false }
    return this.behind(stream, { kind: 'repartition', ...partitions }, changes)
  }

  windowed(stream: OpenStream, wish: WindowedWish): OpenStream {
    const { group, ...wishes } = wish
    const emit = this.random.chance(0.75) ? 'onWindowClose' : 'onWindowUpdate'
    const wished = wish.windows ?? drawWindows(this.random, this.scale)
    const windows = stream.fanOut > 3 ? { ...wished, advanceMs: wished.sizeMs } : wished
    const fanOut = stream.fanOut * Math.ceil(windows.sizeMs / windows.advanceMs)
    const lateTopic = this.random.chance(0.2) ? { lateTopic: 'late-apart' } : {}
    return this.behind(
      stream,
      {
        kind: 'windowed',
        ...(group || this.regroups(stream) ? { group: this.key(stream) } : {}),
        emit,
        aggregator: drawAggregator(this.random),
        ...wishes,
        windows,
        ...lateTopic,
        ...this.policy(),
      },
      { keyed: true, rekeyed: true, afterWindow: true, fanOut },
    )
  }

  /** A window's results in a longer window, and so on. */
  windowChain(stream: OpenStream, levels: number): OpenStream {
    let windows = drawWindows(this.random, this.scale, 3 ** (levels - 1))
    let last = this.windowed(stream, { windows, emit: 'onWindowClose' })
    for (let level = 1; level < levels; level += 1) {
      const sizeMs = windows.sizeMs * (2 + this.random.int(2))
      const { graceMs } = drawWindows(this.random, this.scale, levels - level)
      windows = { sizeMs, graceMs, advanceMs: this.random.chance(0.7) ? sizeMs : windows.sizeMs }
      const results = this.behind(last, { kind: 'selectKey', key: { by: 'base' } })
      last = this.windowed(results, { windows, ...(level < levels - 1 && { emit: 'onWindowClose' }) })
    }
    return last
  }

  aggregate(stream: OpenStream, aggregator = drawAggregator(this.random)): OpenStream {
    const group = this.regroups(stream) ? { group: this.key(stream) } : {}
    const repartitions = 'group' in group || stream.rekeyed
    const fresh = repartitions ? { afterWindow: false, retimed: false } : {}
    return this.behind(
      stream,
      { kind: 'aggregate', ...group, aggregator, ...this.policy() },
      { keyed: true, rekeyed: false, counted: stream.counted || aggregator.by === 'count', ...fresh },
    )
  }

  dedupe(stream: OpenStream): OpenStream {
    return this.behind(stream, {
      kind: 'dedupe',
      store: this.name('seen'),
      ...this.lifetime(stream),
      ...this.policy(),
    })
  }

  difference(stream: OpenStream, mayFail: boolean): OpenStream {
    const { random, scale } = this
    const rekeys = random.chance(0.4)
    const shiftMs =
      rekeys && random.chance(0.4) ? { shiftMs: random.int(10 * scale.stepMs) - 5 * scale.stepMs } : {}
    return this.behind(
      stream,
      {
        kind: 'difference',
        store: this.name('last'),
        ...this.lifetime(stream),
        ...(rekeys && { key: this.key(stream) }),
        ...shiftMs,
        ...(mayFail && !stream.counted && { failWhen: drawPredicate(this.random, 7 + random.int(20)) }),
        ...(!stream.afterWindow && random.chance(0.5) && { tellWatermark: true }),
        ...this.policy(),
      },
      {
        keyed: stream.keyed || rekeys,
        rekeyed: stream.rekeyed || rekeys,
        retimed: stream.retimed || 'shiftMs' in shiftMs,
      },
    )
  }

  failingDifference(stream: OpenStream): OpenStream {
    return this.difference(stream, true)
  }

  ranking(stream: OpenStream): OpenStream {
    return this.behind(stream, {
      kind: 'ranking',
      store: this.name('ranks'),
      range: this.random.pick(['all', 'fromKey', 'fromKeyToTilde'] as const),
      take: 1 + this.random.int(4),
      ...this.lifetime(stream),
      ...this.policy(),
    })
  }

  failing(stream: OpenStream): OpenStream {
    if (stream.counted) return stream
    return this.behind(stream, {
      kind: 'failing',
      failWhen: drawPredicate(this.random, 9 + this.random.int(30)),
      ...this.policy(),
    })
  }

  pipe(stream: OpenStream): OpenStream {
    const shape = { copies: 1 + this.random.int(3), size: 2, key: this.key(stream), ...this.policy() }
    return this.random.chance(0.5)
      ? this.behind(stream, { kind: 'pipe', ...shape }, { keyed: true, rekeyed: true })
      : this.behind(stream, { kind: 'pipeValues', ...shape })
  }

  /** Two branches that drop each other's duplicates, merged again. */
  sharedStore(stream: OpenStream): OpenStream {
    const [left, right] = this.split(stream, 1)
    const first = this.dedupe(left!)
    const { store } = this.stages.at(-1) as { store: string }
    const lifetime = this.stages.at(-1) as { ttlMs?: number }
    const second = this.behind(right!, {
      kind: 'dedupe',
      store,
      ...(lifetime.ttlMs !== undefined && { ttlMs: lifetime.ttlMs }),
      ...this.policy(),
    })
    return this.merge([first, second])
  }

  /** `count` branches, and one for the rest. */
  split(stream: OpenStream, count: number): readonly OpenStream[] {
    const name = this.name('split')
    const names = Array.from({ length: count }, (_, at) => `b${at}`)
    const branches = names.map((branch) => ({
      name: branch,
      predicate: drawPredicate(this.random, 2 + this.random.int(2)),
    }))
    this.stages.push({ kind: 'split', name, inputs: [stream.name], branches, defaultBranch: 'rest' })
    return [...names, 'rest'].map((branch) => ({ ...stream, name: `${name}-${branch}` }))
  }

  /** One stage, or a few, behind any open stream. */
  addAny(): void {
    const { random } = this
    const stream = this.takeOpen()
    const place = random.int(100)
    if (place < 45) this.open(this.stateless(stream))
    else if (place < 53) for (const branch of this.split(stream, 1 + random.int(2))) this.open(branch)
    else if (place < 61 && this.openStreams.length > 0) this.open(this.merge([stream, this.takeOpen()]))
    else if (place < 73) this.open(this.windowed(stream, {}))
    else if (place < 81) this.open(this.aggregate(stream))
    else if (place < 85) this.open(this.repartition(stream))
    else if (place < 90) this.open(this.dedupe(stream))
    else if (place < 95) this.open(this.difference(stream, random.chance(0.5)))
    else this.open(this.ranking(stream))
  }

  private stateless(stream: OpenStream): OpenStream {
    const { random } = this
    switch (random.int(10)) {
      case 0:
        return this.behind(stream, { kind: 'filter', predicate: drawPredicate(this.random, 2) })
      case 1:
        return this.behind(stream, {
          kind: 'filterNot',
          predicate: drawPredicate(this.random, 3 + random.int(5)),
        })
      case 2:
        return this.behind(stream, { kind: 'mapValues', add: random.int(10) })
      case 3: {
        const changes = { keyed: true, rekeyed: true }
        return this.behind(stream, { kind: 'flatMap', key: this.key(stream), copies: 3 }, changes)
      }
      case 4:
        return this.behind(stream, { kind: 'flatMapValues', copies: 3 })
      case 5:
        return this.behind(stream, { kind: 'peek' })
      case 6:
        if (stream.counted) return stream
        return this.behind(stream, {
          kind: 'peek',
          failWhen: drawPredicate(this.random, 20 + random.int(30)),
        })
      case 7:
        return this.failing(stream)
      case 8:
        return this.pipe(stream)
      default:
        return this.rekey(stream)
    }
  }

  private key(stream: OpenStream): KeySpec {
    const count = 2 + this.random.int(6)
    const choices: KeySpec[] = [{ by: 'group' }, { by: 'bucket', count }, { by: 'base' }]
    return this.random.pick(stream.keyed ? choices : choices.slice(0, 2))
  }

  /** Whether to group by a new key; a record without key is a dead letter where it is grouped as it is. */
  private regroups(stream: OpenStream): boolean {
    return this.random.chance(stream.keyed ? 0.35 : 0.7)
  }

  private policy(): { onError?: OnError } {
    return this.random.chance(0.2) ? { onError: 'skip' } : {}
  }

  /** The life of a store's entries: as long as some window and its grace, or for ever. */
  private lifetime(stream: OpenStream): { ttlMs?: number } {
    const { sizeMs, graceMs } = drawWindows(this.random, this.scale)
    const isClear = !stream.afterWindow && !stream.retimed
    return isClear && this.random.chance(0.7) ? { ttlMs: sizeMs + graceMs } : {}
  }

  private name(kind: string): string {
    return `s${this.stages.length}-${kind}`
  }

  private add(stage: StageSpec, stream: Omit<OpenStream, 'name'>): OpenStream {
    this.stages.push(stage)
    return { ...stream, name: stage.name }
  }

  /** A stage behind one stream. */
  private behind(
    stream: OpenStream,
    details: DetailsOf<StageSpec>,
    changes: Partial<OpenStream> = {},
  ): OpenStream {
    const name = this.name(details.kind)
    const stage = { name, inputs: [stream.name], ...details } as StageSpec
    return this.add(stage, { ...stream, ...changes })
  }
}

type DetailsOf<S> = S extends StageSpec ? Omit<S, 'name' | 'inputs'> : never
