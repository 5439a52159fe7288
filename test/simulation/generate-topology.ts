/** Draws a topology: a core that makes sure of one kind of difficulty, and stages at random around it. */
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import { planOf } from './oracle.ts'
import type { ScenarioSource } from './scenario.ts'
import { TopologyDraft, type OpenStream } from './topology-draft.ts'
import type { TimeScale } from './topology-values.ts'
import type { TopologySpec } from './topology-spec.ts'

/** What a topology may be at most. */
export interface TopologyLimits {
  readonly maxChannels: number
  readonly maxStages: number
  readonly scale: TimeScale
}

/** A core takes a stream and leaves one behind it. */
type Core = (draft: TopologyDraft, stream: OpenStream) => OpenStream

const CORES: Readonly<Record<string, Core>> = {
  'two chained windows': (draft, stream) => draft.windowChain(stream, 2),
  'three chained windows': (draft, stream) => draft.windowChain(stream, 3),
  'last of a group': (draft, stream) => draft.windowed(stream, { group: true, aggregator: { by: 'last' } }),
  'updates behind windows': (draft, stream) =>
    draft.aggregate(
      draft.rekey(draft.windowed(stream, { emit: 'onWindowUpdate', aggregator: { by: 'last' } })),
      { by: 'last' },
    ),
  'windows without duplicates': (draft, stream) =>
    draft.windowed(draft.dedupe(stream), { aggregator: { by: 'list', size: 3 } }),
  'range reads': (draft, stream) => draft.ranking(draft.repartition(draft.rekey(stream))),
  'two repartitions': (draft, stream) =>
    draft.aggregate(draft.repartition(draft.rekey(draft.repartition(draft.rekey(stream)))), {
      by: 'list',
      size: 4,
    }),
  'a failure behind a write': (draft, stream) =>
    draft.failing(draft.aggregate(draft.failingDifference(draft.keyed(stream)), { by: 'list', size: 2 })),
  'tables on tables': (draft, stream) =>
    draft.aggregate(draft.aggregate(stream, { by: 'stats', commutative: false }), { by: 'last' }),
  'a shared store': (draft, stream) => draft.sharedStore(stream),
  'a pipe before windows': (draft, stream) => draft.windowed(draft.pipe(stream), {}),
  'any order will do': (draft, stream) =>
    draft.windowed(stream, { aggregator: { by: 'stats', commutative: true }, emit: 'onWindowClose' }),
}

/** The names of the cores; seed modulo their number decides which one a scenario has. */
export const coreNames: readonly string[] = Object.keys(CORES)

/** A topology over these sources, for which the rules leave no doubt. */
export function makeTopology(
  random: SeededRandom,
  sources: readonly ScenarioSource[],
  core: string,
  limits: TopologyLimits,
): TopologySpec {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const draft = new TopologyDraft(random, limits.scale)
    draw(draft, random, sources, core, limits)
    const spec = draft.finished()
    if (isClear(spec, sources, limits)) return spec
  }
  throw new Error(`no topology with ${core} in 200 attempts`)
}

function draw(
  draft: TopologyDraft,
  random: SeededRandom,
  sources: readonly ScenarioSource[],
  core: string,
  limits: TopologyLimits,
): void {
  const topics = random.shuffle(sources.map((source) => source.topic))
  while (topics.length > 0) {
    const counts = topics.map((topic) => partitionsOf(sources, topic))
    const together = counts[0] === counts[1] && random.chance(0.4) ? 2 : 1
    draft.open(draft.source(topics.splice(0, together)))
  }
  const mergeAll = (): void => draft.replaceOpen([draft.merge(draft.streams())])
  if (draft.streams().length > 1 && random.chance(0.5)) mergeAll()
  decorate(draft, random, random.int(3), () => isClear(draft.finished(), sources, limits))
  const stream = draft.takeOpen()
  draft.open(CORES[core]!(draft, random.chance(0.8) ? draft.keyed(stream) : stream))
  decorate(draft, random, 1 + random.int(4), () => isClear(draft.finished(), sources, limits))
}

/** Adds stages at random places; what leads to too much or to doubt is taken back. */
function decorate(draft: TopologyDraft, random: SeededRandom, count: number, isGood: () => boolean): void {
  if (random.chance(0.3)) draft.fork()
  for (let added = 0; added < count; added += 1) {
    const before = draft.save()
    draft.addAny()
    if (!isGood()) draft.restore(before)
  }
}

/** Whether the oracle's rules say all about it, and no task has too many inputs. */
export function isClear(
  topology: TopologySpec,
  sources: readonly ScenarioSource[],
  limits: Pick<TopologyLimits, 'maxChannels' | 'maxStages'>,
): boolean {
  if (topology.stages.length > limits.maxStages) return false
  let plan
  try {
    plan = planOf({ topology, sources })
  } catch {
    return false
  }
  if (plan.doubts.length > 0) return false
  return plan.subTopologies.every((subTopology) => {
    const first = plan.channelsOf(subTopology, 0)
    return first.length > 0 && first.length <= limits.maxChannels
  })
}

function partitionsOf(sources: readonly ScenarioSource[], topic: string): number {
  return sources.find((source) => source.topic === topic)!.partitions.length
}
