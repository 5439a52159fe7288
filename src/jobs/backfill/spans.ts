/**
 * How far a topology looks back: what has to be read in front of a range so that the results in it are whole. Pure
 * arithmetic over the topology.
 */
import { pathGraceMs } from '../../topology/grace.ts'
import { nodeOf, type OperatorNode, type Topology } from '../../topology/topology.ts'

export interface Spans {
  /** Sum of the window sizes along the longest chain of operators: a result holds nothing from further back. */
  readonly windowsMs: number
  /** Sum of the graces along the longest chain: how long after its end a result may still come. */
  readonly graceMs: number
  /** How long state besides windows is remembered, such as event ids; `Infinity` where nothing bounds it. */
  readonly memoryMs: number
  /** Whether every output is the result of windows, so that a range is complete once they have closed. */
  readonly windowed: boolean
}

/** The spans of a topology. */
export function spansOf(topology: Topology): Spans {
  const sinks = [...topology.nodes.values()].filter(({ type }) => type === 'sink')
  const chains = sinks.map(({ name }) => chainTo(topology, name))
  return {
    windowsMs: Math.max(0, ...chains.map(({ windowsMs }) => windowsMs)),
    graceMs: Math.max(0, ...chains.map(({ graceMs }) => graceMs)),
    memoryMs: memoryOf(topology),
    windowed: sinks.length > 0 && sinks.every(({ name }) => isBehindWindows(topology, name)),
  }
}

function chainTo(topology: Topology, name: string): Pick<Spans, 'windowsMs' | 'graceMs'> {
  const node = nodeOf(topology, name)
  const own = node.type === 'operator' ? node.windowed?.windows : undefined
  const before = node.parents.map((parent) => chainTo(topology, parent))
  return {
    windowsMs: (own?.sizeMs ?? 0) + Math.max(0, ...before.map(({ windowsMs }) => windowsMs)),
    graceMs: (own?.graceMs ?? 0) + Math.max(0, ...before.map(({ graceMs }) => graceMs)),
  }
}

function isBehindWindows(topology: Topology, name: string): boolean {
  const node = nodeOf(topology, name)
  if (node.type === 'operator' && node.windowed !== undefined) return true
  return node.parents.length > 0 && node.parents.every((parent) => isBehindWindows(topology, parent))
}

function memoryOf(topology: Topology): number {
  const ofWindows = new Set(windowedOperators(topology).flatMap(({ stores }) => stores))
  let memoryMs = 0
  for (const store of topology.stores.values()) {
    if (ofWindows.has(store.name)) continue
    const ownMs =
      store.kind === 'window' ? store.windows.sizeMs + store.windows.graceMs : (store.ttlMs ?? Infinity)
    memoryMs = Math.max(memoryMs, ownMs)
  }
  return memoryMs
}

/** The windowed operators of a topology. */
export function windowedOperators(
  topology: Topology,
): readonly (OperatorNode & { readonly windowed: NonNullable<OperatorNode['windowed']> })[] {
  return [...topology.nodes.values()].flatMap((node) =>
    node.type === 'operator' && node.windowed !== undefined ? [{ ...node, windowed: node.windowed }] : [],
  )
}

/** Until which time of a sub-topology's inputs results that end at or before `toMs` may come, by operator. */
export function closingTimes(topology: Topology, toMs: number): ReadonlyMap<string, ClosingTime> {
  return new Map(
    windowedOperators(topology).map(({ name, windowed }) => {
      const ownMs = toMs + windowed.windows.graceMs
      return [name, { ownMs, inputMs: ownMs + pathGraceMs(topology, name) }]
    }),
  )
}

/** When the windows of an operator that end at or before a time have all closed. */
export interface ClosingTime {
  /** By the operator's own closed-through time. */
  readonly ownMs: number
  /** By the time of the inputs. */
  readonly inputMs: number
}
