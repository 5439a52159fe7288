/** What a plan is made of. */
import type { Clock } from '../../clock.ts'
import type { StreamsConfigInput } from '../../runtime/config.ts'
import type { Topology } from '../../topology/topology.ts'
import type { LateMode } from './backfill-record.ts'
import type { BackfillPlace } from './backfill-store.ts'

/** What is asked for. */
export interface BackfillRequest {
  readonly id: string
  readonly range: { readonly fromMs: number; readonly toMs: number }
  readonly late: LateMode
  readonly keys: readonly string[] | null
  readonly ratePerSecond: number | null
}

export interface PlanSpec extends BackfillPlace {
  readonly clock: Clock
  readonly request: BackfillRequest
  /** As live has it, or another version of it. */
  readonly topology: Topology
  /** As live has it. */
  readonly config: StreamsConfigInput
  /** What makes `topology` and `config` again when the backfill is run: plain JSON. */
  readonly settings: Readonly<Record<string, unknown>>
  /** Room where the log and the state are kept; `undefined` where nobody can say. */
  readonly freeBytes: number | undefined
}
