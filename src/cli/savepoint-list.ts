/** `millrace savepoint list`: the savepoints of the application. */
import { windowFacts } from '../jobs/savepoint/manifest.ts'
import { listSavepoints, type ListedSavepoint } from '../jobs/savepoint/savepoint-folder.ts'
import type { Command } from './command.ts'
import { EXIT } from './failure.ts'
import { bytesOf, contentsOf, savepointRoot } from './savepoints.ts'
import { formatBytes, table } from './text.ts'

/** The command. */
export const savepointListCommand: Command = {
  name: 'savepoint list',
  summary: 'the savepoints of the application',
  description:
    'Lists the savepoints of the application, oldest first, and the folders that are none: left behind by a creation ' +
    'that was killed, damaged, or of another format.',
  settings: ['savepointDir'],
  examples: ['millrace savepoint list', `millrace savepoint list --json | jq -r '.[].name'`],
  async run(context) {
    const { settings, terminal } = context
    const listed = await listSavepoints(savepointRoot(context), settings.applicationId)
    if (terminal.json) await terminal.data(`${JSON.stringify(listed.map(asJson))}\n`)
    if (listed.length === 0) {
      terminal.say(`Application ${settings.applicationId} has no savepoints.`)
      return EXIT.done
    }
    const titles = ['name', 'taken at', 'incarnation', 'contents', 'size']
    const rows = listed.map(({ name, manifest, problem }) =>
      manifest === undefined
        ? [name, problem ?? '', '', '', '']
        : [
            name,
            manifest.createdAt,
            String(manifest.incarnation),
            contentsOf(manifest),
            formatBytes(bytesOf(manifest)),
          ],
    )
    for (const line of table(
      titles.map((title) => ({ title })),
      rows,
    ))
      terminal.say(line)
    return EXIT.done
  },
}

function asJson({ name, manifest, problem }: ListedSavepoint): object {
  if (manifest === undefined) return { name, problem }
  const { createdAt, incarnation } = manifest
  const windows = Object.fromEntries(windowFacts(manifest))
  return { name, createdAt, incarnation, windows, bytes: bytesOf(manifest) }
}
