/** The rows of the table of settings that comparing, promoting and rolling back take. */
import { optional, toggle } from './setting-rows.ts'
import * as kinds from './setting-values.ts'

const ONCE = { oneShot: true } as const

/** The rows. */
export const PROMOTION_SETTINGS = {
  tolerance: optional(
    kinds.tolerances(),
    'field=number,…',
    'Differences of numbers up to this, such as mean=1e-9, count as equal and are not promoted.',
    ONCE,
  ),
  truth: optional(
    kinds.text(),
    'file',
    'Compares the staged results also with those of a CSV or JSONL file that are known to be right.',
    ONCE,
  ),
  html: optional(kinds.text(), 'file', 'Writes the report as a web page too, all in one file.', ONCE),
  against: optional(
    kinds.text(),
    'id',
    'Compares with what this backfill has staged, instead of what is published.',
    ONCE,
  ),
  maxChanged: optional(
    kinds.share(),
    'share',
    'Refuses when a larger share of the compared results differs, such as 5%. Default: no limit.',
    ONCE,
  ),
  canary: optional(
    kinds.whole(1),
    'count',
    'Promotes only so many of the differences, the first ones; the next promote goes on.',
    ONCE,
  ),
  allowViolations: toggle('false', 'Promotes although staged results break invariants.', ONCE),
} as const
