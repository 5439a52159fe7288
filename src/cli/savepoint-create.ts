/** `millrace savepoint create`: takes a savepoint of the application, running or not. */
import { createSavepoint, type CreateProgress } from '../jobs/savepoint/create.ts'
import { checkSavepointName } from '../jobs/savepoint/savepoint-folder.ts'
import type { Command } from './command.ts'
import { EXIT, InterruptedError } from './failure.ts'
import { bytesOf, contentsOf, openScratch, savepointRoot } from './savepoints.ts'
import { formatBytes, formatCount, formatElapsed } from './text.ts'
import type { Progress } from './terminal.ts'

/** The command. */
export const savepointCreateCommand: Command = {
  name: 'savepoint create',
  summary: 'takes a savepoint of the application, running or not',
  description:
    'Writes where the application stands into a folder: positions, watermarks, the contents of its stores, and ' +
    'records on their way between its parts. While it is taken all instances wait, at a commit; then they go on, or ' +
    'end, with --stop. Nothing is kept of one that is interrupted.',
  settings: ['savepointName', 'stopAfter', 'savepointDir', 'sessionTimeout'],
  examples: ['millrace savepoint create', 'millrace savepoint create --name before-upgrade --stop'],
  check({ values }) {
    if (values.savepointName !== undefined) checkSavepointName(values.savepointName)
    return []
  },
  async run(context) {
    const { settings, terminal, clock, signal } = context
    const log = await context.openLog('existing')
    const startedMs = clock.monotonic()
    const bars = new Map<string, Progress>()
    const onProgress = ({ reading, done, total }: CreateProgress): void => {
      if (signal.aborted) throw new InterruptedError('Interrupted: no savepoint was taken.')
      const bar = bars.get(reading) ?? terminal.progress(`reading ${reading}`)
      bars.set(reading, bar)
      bar.update(done, total, `${formatCount(done)} offsets`)
      if (done >= total) bar.end()
    }
    const { folder, manifest, sha256 } = await createSavepoint({
      log,
      clock,
      applicationId: settings.applicationId,
      root: savepointRoot(context),
      stop: settings.stopAfter,
      openScratch,
      sessionTimeoutMs: settings.sessionTimeout,
      onProgress,
      ...(settings.savepointName !== undefined && { name: settings.savepointName }),
    })
    const { application, name, createdAt, incarnation } = manifest
    if (terminal.json) {
      const told = { application, name, createdAt, incarnation, folder, sha256, bytes: bytesOf(manifest) }
      await terminal.data(`${JSON.stringify(told)}\n`)
    }
    const took = formatElapsed(clock.monotonic() - startedMs)
    terminal.say(`Savepoint ${name} of application ${application} (${took})`)
    terminal.say(`  ${contentsOf(manifest)}, ${formatBytes(bytesOf(manifest))} in ${folder}`)
    if (settings.stopAfter) terminal.say('All instances were told to end.')
    return EXIT.done
  },
}
