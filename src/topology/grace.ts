/**
 * How grace adds up where windowed operators feed each other within a sub-topology.
 *
 * Results of a window that ends at `e` may come until the watermark reaches `e` + grace. So whatever is behind the
 * operator sees time later by that grace: its output watermark is its input watermark less its grace.
 */
import { nodeOf, type Topology } from './topology.ts'

/**
 * By how much time is later at this node than at the inputs of its sub-topology: the largest sum of the graces of the
 * windowed operators on a way to it. A window of this node closes when the inputs' minimum reaches its own closing
 * time plus this.
 */
export function pathGraceMs(topology: Topology, name: string): number {
  return largestOverParents(topology, name, (parent) => {
    const node = nodeOf(topology, parent)
    const own = node.type === 'operator' && node.windowed !== undefined ? node.windowed.windows.graceMs : 0
    return own + pathGraceMs(topology, parent)
  })
}

/**
 * By how much the watermark that a record carries has to be lowered at this node: the graces of the operators on the
 * way that send updates. Results on close carry a watermark of their own.
 */
export function updateGraceMs(topology: Topology, name: string): number {
  return largestOverParents(topology, name, (parent) => {
    const node = nodeOf(topology, parent)
    if (node.type !== 'operator' || node.windowed === undefined) return updateGraceMs(topology, parent)
    if (node.windowed.emit === 'onWindowClose') return 0
    return node.windowed.windows.graceMs + updateGraceMs(topology, parent)
  })
}

function largestOverParents(topology: Topology, name: string, of: (parent: string) => number): number {
  let largest = 0
  for (const parent of nodeOf(topology, name).parents) {
    // What comes through a repartition topic carries what it needs.
    if (nodeOf(topology, parent).type !== 'repartition') largest = Math.max(largest, of(parent))
  }
  return largest
}
