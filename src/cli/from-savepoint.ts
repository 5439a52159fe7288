/** `millrace run --from-savepoint`: has the application stand where a savepoint was taken, before it runs. */
import { sleep } from '../clock.ts'
import { codeOf, FatalError } from '../errors.ts'
import { publishedSince, type DoneSince } from '../jobs/savepoint/published-since.ts'
import { checkTarget, restoreInto, type RestoreTarget } from '../jobs/savepoint/restore.ts'
import type { Savepoint } from '../jobs/savepoint/savepoint-folder.ts'
import type { Log } from '../log/log.ts'
import { readIncarnations } from '../runtime/incarnations.ts'
import type { Topology } from '../topology/topology.ts'
import type { CommandContext } from './command.ts'
import { openNamed } from './savepoints.ts'
import { formatCount } from './text.ts'

/** How often is looked for the restore of another instance, and how long. */
const LOOK_MS = 250
const OTHER_WITHIN_MS = 60_000

/**
 * Goes back to the savepoint of the settings, where one is named. An application that has already begun anew with it
 * goes on where it is, unless `--again`: so the same command can be started again, and on several machines.
 */
export async function goBackToSavepoint(
  context: CommandContext,
  log: Log,
  topology: Topology,
): Promise<void> {
  const { fromSavepoint, applicationId, republish, again } = context.settings
  if (fromSavepoint === undefined) return
  const savepoint = await openNamed(context, fromSavepoint)
  if (!again && (await hasBegunWith(context, log, savepoint))) return
  try {
    await goBack(context, log, savepoint, { applicationId, topology }, republish)
  } catch (error) {
    // Several instances may be started at once, and one of them does it for all.
    if (again || !(await isDoneByAnother(context, log, savepoint, error))) throw error
  }
}

async function goBack(
  { terminal, clock }: CommandContext,
  log: Log,
  savepoint: Savepoint,
  target: RestoreTarget,
  republish: boolean,
): Promise<void> {
  const { applicationId } = target
  const { name } = savepoint.manifest
  await checkTarget(log, savepoint, target)
  const done = await publishedSince(log, applicationId, savepoint.manifest)
  if (done.length > 0 && !republish) throw wouldRepublish(applicationId, name, done)
  const bar = terminal.progress(`restoring ${name}`)
  try {
    const onProgress = (written: number, total: number): void =>
      bar.update(written, total, `${formatCount(written)} records`)
    const incarnation = await restoreInto({ log, clock, onProgress }, savepoint, target)
    terminal.note(
      `Application ${applicationId} begins anew with savepoint ${name} (incarnation ${incarnation}).`,
    )
  } finally {
    bar.end()
  }
}

async function hasBegunWith(
  { settings, terminal }: CommandContext,
  log: Log,
  { manifest: { name }, sha256 }: Savepoint,
): Promise<boolean> {
  const began = (await readIncarnations(log, settings.applicationId)).at(-1)
  if (began?.savepoint.sha256 !== sha256) return false
  terminal.note(
    `Application ${settings.applicationId} has begun anew with savepoint ${name} before ` +
      `(incarnation ${began.incarnation}) and goes on from where it is; --again goes back once more.`,
  )
  return true
}

/** Waits for a restore that has got in between; false where the error has another reason. */
async function isDoneByAnother(
  context: CommandContext,
  log: Log,
  savepoint: Savepoint,
  error: unknown,
): Promise<boolean> {
  const { clock, signal } = context
  const code = codeOf(error, '')
  const startedMs = clock.monotonic()
  do {
    if (await hasBegunWith(context, log, savepoint)) return true
    if (code !== 'RESTORE_OVERTAKEN') return false
    await sleep(clock, LOOK_MS, signal)
  } while (!signal.aborted && clock.monotonic() - startedMs < OTHER_WITHIN_MS)
  return false
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
