/** A plan for tests that do not look into it. */
import type { BackfillPlan } from '../../src/jobs/backfill/backfill-record.ts'

export function examplePlan(change: Partial<BackfillPlan> = {}): BackfillPlan {
  return {
    range: { fromMs: 0, toMs: 600_000 },
    late: 'as-live',
    keys: null,
    sources: [{ topic: 'readings', partition: 0, fromOffset: '0', toOffset: '100' }],
    outputs: [{ kind: 'results', published: 'aggregates', staged: 'aggregates.staging.b1', partitions: 1 }],
    settings: { window: 60_000 },
    topology: {},
    savepoint: null,
    seeds: {},
    decisions: {},
    worked: null,
    ratePerSecond: null,
    trustworthy: [{ fromMs: 0, toMs: 600_000 }],
    comparable: true,
    notComparable: [],
    warnings: [],
    estimate: { records: 100, recordsPerSecond: 1_000, seconds: 0.1, measured: 'calibration' },
    ...change,
  }
}
