/** A scenario for people to read. */
import type { Scenario } from './scenario.ts'
import type { StageSpec } from './topology-spec.ts'

/** How much of the records is printed. */
export interface DescribeOptions {
  /** Records of each partition; the first ones. Default 20. */
  readonly records?: number
}

/** The scenario as text: settings, stages, partitions with their first records. */
export function describeScenario(scenario: Scenario, options: DescribeOptions = {}): string {
  const lines = [
    `seed ${scenario.seed}, out-of-orderness ${scenario.outOfOrdernessMs} ms`,
    'stages',
    ...scenario.topology.stages.map((stage) => `  ${describeStage(stage)}`),
  ]
  for (const { topic, partitions } of scenario.sources) {
    for (const [partition, records] of partitions.entries()) {
      lines.push(`${topic}/${partition}: ${records.length} records`)
      const shown = records.slice(0, options.records ?? 20)
      for (const [offset, { key, value, timestampMs }] of shown.entries()) {
        lines.push(`  ${offset} @${timestampMs} ${JSON.stringify(key)} ${value}`)
      }
      if (shown.length < records.length) lines.push(`  and ${records.length - shown.length} more`)
    }
  }
  return lines.join('\n')
}

/** `name: kind detail=… <- inputs`. */
function describeStage(stage: StageSpec): string {
  const { name, kind, inputs, ...details } = stage
  const told = Object.entries(details).map(([field, value]) => ` ${field}=${describeValue(value)}`)
  return `${name}: ${kind}${told.join('')}${inputs.length > 0 ? ` <- ${inputs.join(', ')}` : ''}`
}

function describeValue(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return `[${value.map(describeValue).join(', ')}]`
  return `{${Object.entries(value)
    .map(([field, inner]) => `${field} ${describeValue(inner)}`)
    .join(', ')}}`
}
