/** `millrace savepoint verify`: whether a savepoint is whole. */
import { verifySavepoint, type FileFinding } from '../jobs/savepoint/verify.ts'
import type { Command } from './command.ts'
import { EXIT } from './failure.ts'
import { openNamed } from './savepoints.ts'
import { counted, formatBytes } from './text.ts'

/** The command. */
export const savepointVerifyCommand: Command = {
  name: 'savepoint verify',
  summary: 'whether a savepoint is whole',
  description:
    'Reads all of a savepoint: its manifest and files against their SHA-256, sizes and counts. Exit code 1 when ' +
    'anything is damaged.',
  argument: { name: 'savepoint', help: 'name of the savepoint', variadic: false },
  settings: ['savepointDir'],
  examples: [
    'millrace savepoint verify before-upgrade',
    'millrace savepoint verify before-upgrade --savepoint-dir /backup/savepoints',
  ],
  async run(context) {
    const { terminal, args } = context
    const savepoint = await openNamed(context, args[0] ?? '')
    const findings = await verifySavepoint(savepoint, (finding) => terminal.say(lineOf(finding)))
    const damaged = findings.filter(({ problem }) => problem !== undefined)
    const { name } = savepoint.manifest
    if (terminal.json) {
      const files = findings.map(({ file: { file }, problem }) => ({ file, problem: problem ?? null }))
      await terminal.data(`${JSON.stringify({ name, whole: damaged.length === 0, files })}\n`)
    }
    if (damaged.length === 0) {
      terminal.say(`Savepoint ${name} is whole: ${counted(findings.length, 'file')}.`)
      return EXIT.done
    }
    terminal.note(`Savepoint ${name} is damaged: ${counted(damaged.length, 'file')}.`)
    return EXIT.failed
  },
}

function lineOf({ file: { file, records, bytes }, problem }: FileFinding): string {
  return problem === undefined
    ? `  ${file}: ${counted(records, 'record')}, ${formatBytes(bytes)}`
    : `  ${file}: DAMAGED, ${problem}`
}
