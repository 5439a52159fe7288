/** `millrace savepoint show`: what a savepoint says of itself. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { MANIFEST_FILE, windowFacts } from '../jobs/savepoint/manifest.ts'
import type { Savepoint } from '../jobs/savepoint/savepoint-folder.ts'
import type { Command } from './command.ts'
import { EXIT } from './failure.ts'
import { bytesOf, contentsOf, openNamed } from './savepoints.ts'
import { formatBytes, formatCount, formatTime, table } from './text.ts'

/** The command. */
export const savepointShowCommand: Command = {
  name: 'savepoint show',
  summary: 'what a savepoint says of itself',
  description:
    'Shows a savepoint: when it was taken, of which windows, where each input stood, and its files. With --json its ' +
    'manifest as it is.',
  argument: { name: 'savepoint', help: 'name of the savepoint', variadic: false },
  settings: ['savepointDir'],
  examples: [
    'millrace savepoint show before-upgrade',
    `millrace savepoint show before-upgrade --json | jq '.inputs[].offset'`,
  ],
  async run(context) {
    const { terminal, args } = context
    const savepoint = await openNamed(context, args[0] ?? '')
    if (terminal.json) await terminal.data(await readFile(path.join(savepoint.folder, MANIFEST_FILE), 'utf8'))
    for (const line of linesOf(savepoint)) terminal.say(line)
    return EXIT.done
  },
}

function linesOf({ folder, manifest, sha256 }: Savepoint): readonly string[] {
  const { application, name, createdAt, incarnation, inputs, files } = manifest
  const left = { align: 'left' } as const
  const right = { align: 'right' } as const
  return [
    `Savepoint ${name} of application ${application}, incarnation ${incarnation}, taken at ${createdAt}`,
    `  ${contentsOf(manifest)}, ${formatBytes(bytesOf(manifest))} in ${folder}`,
    `  manifest ${sha256}`,
    ...windowFacts(manifest).map(([fact, value]) => `  ${fact}: ${value}`),
    '',
    ...table(
      [
        { title: 'task', ...left },
        { title: 'input', ...left },
        { title: 'offset', ...right },
        { title: 'watermark', ...left },
      ],
      inputs.map(({ task, topic, partition, offset, watermarkMs }) => {
        return [task, `${topic}/${partition}`, formatCount(BigInt(offset)), formatTime(watermarkMs)]
      }),
    ),
    '',
    ...table(
      [
        { title: 'file', ...left },
        { title: 'records', ...right },
        { title: 'size', ...right },
        { title: 'SHA-256', ...left },
      ],
      files.map((file) => {
        return [file.file, formatCount(file.records), formatBytes(file.bytes), `${file.sha256.slice(0, 16)}…`]
      }),
    ),
  ]
}
