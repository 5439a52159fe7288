import type { NodeDescription, TopologyDescription } from './describe.ts'

/** A topology's description as a Mermaid flow chart: one box per sub-topology, repartition topics between them. */
export function describeAsMermaid(description: TopologyDescription): string {
  const lines = ['flowchart TD']
  const arrows: string[] = []
  for (const part of description.subTopologies) {
    lines.push(`  subgraph s${part.id}["sub-topology ${part.id}"]`)
    for (const node of part.nodes) {
      if (isReceivingSide(node)) continue
      lines.push(`    ${idOf(node.name)}${shapeOf(node)}`)
    }
    lines.push('  end')
    for (const node of part.nodes) {
      for (const child of node.feeds) arrows.push(`  ${idOf(node.name)} --> ${idOf(child)}`)
    }
  }
  return `${[...lines, ...arrows].join('\n')}\n`
}

function isReceivingSide(node: NodeDescription): boolean {
  return node.kind === 'repartition' && node.details.some((detail) => detail.startsWith('from '))
}

function shapeOf(node: NodeDescription): string {
  const label = [`<b>${node.name}</b>`, node.kind, ...node.details]
    .map((line) => line.replaceAll('"', '#quot;'))
    .join('<br/>')
  switch (node.kind) {
    case 'source':
      return `[("${label}")]`
    case 'sink':
      return `[("${label}")]`
    case 'repartition':
      return `{{"${label}"}}`
    default:
      return `["${label}"]`
  }
}

/** Different names have different ids: what is no letter or digit becomes its number between underscores. */
function idOf(name: string): string {
  return `n_${name.replaceAll(/[^A-Za-z0-9]/g, (sign) => `_${sign.charCodeAt(0)}_`)}`
}
