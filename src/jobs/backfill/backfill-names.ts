/** What the things of a backfill are called. */
import { ConfigError } from '../../errors.ts'
import { isLegalName } from '../../topology/validation.ts'

/** Ids of backfills: they become parts of topic names and of folder names. */
const ID = /^[a-z0-9][a-z0-9-]{0,39}$/

/** Refuses what is no id (`ConfigError`), so that nothing can lead to another place. */
export function checkBackfillId(id: string): void {
  if (ID.test(id)) return
  throw new ConfigError([
    `"${id.slice(0, 60)}" is no id of a backfill: use 1 to 40 small letters, digits and dashes, not a dash first`,
  ])
}

/** The compacted topic that keeps the records of all backfills of an application. */
export function backfillsTopic(applicationId: string): string {
  return `${applicationId}.backfills`
}

/** The application that runs a backfill: group, transactional ids, internal topics and state folder follow from it. */
export function backfillApplicationId(applicationId: string, id: string): string {
  return legal(`${applicationId}.backfill.${id}`)
}

/** Where a backfill writes what the application writes into `published`. */
export function stagingTopic(published: string, id: string): string {
  return legal(`${published}.staging.${id}`)
}

/** Where the differences between what is published and what a backfill has staged are kept. */
export function differencesTopic({ applicationId, id }: { applicationId: string; id: string }): string {
  return legal(`${backfillApplicationId(applicationId, id)}.differences`)
}

/** Group that holds how far a promotion or rollback has come in the differences. */
export function roundGroup(
  { applicationId, id }: { applicationId: string; id: string },
  kind: 'promote' | 'rollback',
  number: number,
): string {
  return `${backfillApplicationId(applicationId, id)}.${kind}.${number}`
}

function legal(name: string): string {
  if (isLegalName(name)) return name
  throw new ConfigError([`"${name}" is too long for a name: use a shorter id`])
}
