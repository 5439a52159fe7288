/** `millrace run --from-savepoint`: has the application stand where a savepoint was taken, before it runs. */
import { FatalError } from '../errors.ts'
import { publishedSince, type DoneSince } from '../jobs/savepoint/published-since.ts'
import { checkTarget, restoreInto } from '../jobs/savepoint/restore.ts'
import type { Log } from '../log/log.ts'
import { readIncarnations } from '../runtime/incarnations.ts'
import type { Topology } from '../topology/topology.ts'
import type { CommandContext } from './command.ts'
import { openNamed } from './savepoints.ts'
import { formatCount } from './text.ts'

/**
 * Goes back to the savepoint of the settings, where one is named. An application that has already begun anew with it
 * goes on where it is, unless `--again`: so the same command can be started again, and on several machines.
 */
export async function goBackToSavepoint(
  context: CommandContext,
  log: Log,
  topology: Topology,
): Promise<void> {
  const { settings, terminal, clock } = context
  const { fromSavepoint, applicationId, republish, again } = settings
  if (fromSavepoint === undefined) return
  const savepoint = await openNamed(context, fromSavepoint)
  const began = (await readIncarnations(log, applicationId)).at(-1)
  if (began?.savepoint.sha256 === savepoint.sha256 && !again) {
    terminal.note(
      `Application ${applicationId} has gone back to savepoint ${fromSavepoint} before ` +
        `(incarnation ${began.incarnation}) and goes on from where it is; --again goes back once more.`,
    )
    return
  }
  await checkTarget(log, savepoint, { applicationId, topology })
  const done = await publishedSince(log, applicationId, savepoint.manifest)
  if (done.length > 0 && !republish) throw wouldRepublish(applicationId, fromSavepoint, done)
  const bar = terminal.progress(`restoring ${fromSavepoint}`)
  try {
    const onProgress = (written: number, total: number): void =>
      bar.update(written, total, `${formatCount(written)} records`)
    const incarnation = await restoreInto({ log, clock, onProgress }, savepoint, { applicationId, topology })
    terminal.note(
      `Application ${applicationId} begins anew with savepoint ${fromSavepoint} (incarnation ${incarnation}).`,
    )
  } finally {
    bar.end()
  }
}

const TOLD: Readonly<Record<string, string>> = {
  consumed: 'records worked',
  results: 'results',
  late: 'late',
  deadLetters: 'dead letters',
}

function wouldRepublish(applicationId: string, name: string, done: readonly DoneSince[]): FatalError {
  const lines = done.map(({ incarnation, task, counts }) => {
    const told =
      counts === undefined
        ? 'its topics are gone, so nobody knows'
        : Object.entries(counts)
            .filter(([count]) => TOLD[count] !== undefined)
            .map(([count, by]) => `${formatCount(by)} ${TOLD[count]!}`)
            .join(', ') || 'other counts'
    return `\n  - task ${task}${incarnation === 0 ? '' : `, incarnation ${incarnation}`}: ${told}`
  })
  return new FatalError(
    'SAVEPOINT_PUBLISHED_SINCE',
    `Application ${applicationId} has worked since savepoint ${name} was taken:${lines.join('')}\n` +
      'What came of that is published, and would be published a second time. Nothing was changed; ' +
      '--republish goes back all the same.',
  )
}
