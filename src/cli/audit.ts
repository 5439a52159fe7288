/** `millrace audit`: who did what to the application. */
import { readAudit, type AuditRecord } from '../jobs/audit.ts'
import type { Command } from './command.ts'
import { EXIT } from './failure.ts'
import { formatCount, printable, table } from './text.ts'

const LIMIT = 50
const HASH_CHARACTERS = 12
const TEXT_CHARACTERS = 60

/** The command. */
export const auditCommand: Command = {
  name: 'audit',
  summary: 'who did what to the application, and what came of it',
  description:
    'Shows the audit of the application, oldest first: every replay, discard and reset, with time, who, plan and ' +
    'counts. An operation has a record of its beginning and one of its end; where the end is missing it was killed, ' +
    'or is under way. With --json one JSON object a line.',
  settings: ['limit'],
  examples: ['millrace audit', `millrace audit --json | jq 'select(.result == "failed")'`],
  async run({ settings, terminal, openLog }) {
    const log = await openLog('existing')
    const limit = settings.limit ?? (terminal.json ? Infinity : LIMIT)
    const records = await readAudit(log, settings.applicationId, limit)
    if (terminal.json) await terminal.data(records.map((record) => `${JSON.stringify(record)}\n`).join(''))
    else if (records.length === 0)
      terminal.say(`There is no audit of application ${settings.applicationId} yet.`)
    else for (const line of table(COLUMNS, records.map(rowOf))) terminal.say(line)
    return EXIT.done
  },
}

const COLUMNS = [
  { title: 'time' },
  { title: 'by' },
  { title: 'command' },
  { title: 'result' },
  { title: 'counts' },
  { title: 'plan' },
  { title: 'operation' },
] as const

function rowOf({ time, by, command, result, errorCode, counts, planHash, operation }: AuditRecord): string[] {
  const told = Object.entries(counts).filter(([, count]) => count !== 0)
  return [
    time,
    printable(by, TEXT_CHARACTERS),
    command,
    errorCode === undefined ? result : `${result}: ${errorCode}`,
    told.map(([name, count]) => `${name} ${formatCount(count)}`).join(', '),
    planHash?.slice(0, HASH_CHARACTERS) ?? '',
    operation,
  ]
}
