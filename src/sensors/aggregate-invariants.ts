/** What must hold of every aggregate, whatever the readings were. */
import { aggregateKey } from './aggregate.ts'
import type { ValidRange } from './reading.ts'

/** A result as it stands in a topic; its fields are what was decoded, of whatever types. */
export interface CheckedAggregate {
  readonly key: string
  readonly timestampMs: number
  readonly fields: Readonly<Record<string, unknown>>
}

/** A rule with a name for people. */
export interface AggregateInvariant {
  readonly name: string
  holds(aggregate: CheckedAggregate): boolean
}

/** What is known of the windows; what is missing is not checked. */
export interface WindowFacts {
  readonly windowMs?: number
  readonly advanceMs?: number
  readonly validRange?: ValidRange
  /** The highest event time of the readings. */
  readonly newestReadingMs?: number
}

/** Rounding of a sum and of a division: a few units in the last place. */
const ROUNDING = 4 * Number.EPSILON

/** The rules for windows of which these facts are known. Fields that are missing or no numbers break them. */
export function aggregateInvariants(facts: WindowFacts): readonly AggregateInvariant[] {
  const { windowMs, advanceMs, validRange, newestReadingMs } = facts
  const rules = [...ALWAYS]
  if (windowMs !== undefined) {
    rules.push({
      name: 'windowEnd - windowStart is the window size',
      holds: ({ fields }) => number(fields, 'windowEnd') - number(fields, 'windowStart') === windowMs,
    })
  }
  if (advanceMs !== undefined) {
    rules.push({
      name: 'windowStart is a multiple of the advance',
      holds: ({ fields }) => number(fields, 'windowStart') % advanceMs === 0,
    })
  }
  if (validRange !== undefined) {
    rules.push({
      name: 'deviated tells of the valid range',
      holds: ({ fields }) => tellsOfRange(fields, validRange),
    })
  }
  if (newestReadingMs !== undefined) {
    rules.push({
      name: 'no window begins after the newest reading',
      holds: ({ fields }) => number(fields, 'windowStart') <= newestReadingMs,
    })
  }
  return rules
}

const ALWAYS: readonly AggregateInvariant[] = [
  {
    name: 'the key is SENSOR@WINDOWSTART',
    holds: ({ key, fields }) =>
      key === aggregateKey(String(fields['sensorId']), number(fields, 'windowStart')),
  },
  {
    name: 'the timestamp is windowEnd - 1',
    holds: ({ timestampMs, fields }) => timestampMs === number(fields, 'windowEnd') - 1,
  },
  { name: 'count > 0', holds: ({ fields }) => isWhole(fields, 'count') && number(fields, 'count') > 0 },
  {
    name: 'min <= mean <= max',
    holds({ fields }) {
      const [min, mean, max] = [number(fields, 'min'), number(fields, 'mean'), number(fields, 'max')]
      const slack = ROUNDING * Math.max(Math.abs(min), Math.abs(max))
      return min <= max && min - slack <= mean && mean <= max + slack
    },
  },
  {
    name: 'mean = sum / count',
    holds: ({ fields }) => number(fields, 'mean') === number(fields, 'sum') / number(fields, 'count'),
  },
  {
    name: 'deviated and synthetic are at most count',
    holds: ({ fields }) =>
      ['deviated', 'synthetic'].every((name) => {
        const part = number(fields, name)
        return isWhole(fields, name) && part >= 0 && part <= number(fields, 'count')
      }),
  },
]

/** Some readings deviate exactly when the lowest or the highest one does. */
function tellsOfRange(fields: CheckedAggregate['fields'], { low, high }: ValidRange): boolean {
  const isWithin = number(fields, 'min') >= low && number(fields, 'max') <= high
  return isWithin === (number(fields, 'deviated') === 0)
}

function isWhole(fields: CheckedAggregate['fields'], name: string): boolean {
  return Number.isSafeInteger(fields[name])
}

function number(fields: CheckedAggregate['fields'], name: string): number {
  const value = fields[name]
  return typeof value === 'number' ? value : NaN
}
