/**
 * The program `millrace`.
 *
 * What lives in `cli/`: one file per command, the table of settings, and what people and programs see. It is the only
 * folder that reads the command line and the environment, makes the logger and chooses adapters, and this is the only
 * file that does so. What never does: anything about how readings become results.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock, systemRandom } from '../clock.ts'
import { ConfigError, FatalError, messageOf } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { auditCommand } from './audit.ts'
import { backfillCancelCommand, backfillListCommand, backfillStatusCommand } from './backfill-list.ts'
import { backfillPlanCommand } from './backfill-plan.ts'
import { backfillRunCommand } from './backfill-run.ts'
import { backfillPromoteCommand } from './backfill-promote.ts'
import { backfillReconcileCommand } from './backfill-reconcile.ts'
import { backfillRollbackCommand } from './backfill-rollback.ts'
import type { Command, CommandContext } from './command.ts'
import { dlqDiscardCommand } from './dlq-discard.ts'
import { dlqListCommand } from './dlq-list.ts'
import { dlqReplayCommand } from './dlq-replay.ts'
import { dlqShowCommand } from './dlq-show.ts'
import { dlqStatsCommand } from './dlq-stats.ts'
import { readConfigFile } from './config-file.ts'
import { describeFailure, EXIT } from './failure.ts'
import { exportCommand } from './export.ts'
import { generateCommand } from './generate.ts'
import { importCommand } from './import.ts'
import { createLogger } from './log-format.ts'
import { directoriesIn, openLog } from './open-log.ts'
import { logProblems } from './kafka-settings.ts'
import { parseCommandLine, type CommandLine } from './program.ts'
import { resetCommand } from './reset.ts'
import { resolveSettings, type ResolvedSettings } from './resolve-settings.ts'
import { runCommand } from './run.ts'
import { savepointCreateCommand } from './savepoint-create.ts'
import { savepointDiffCommand } from './savepoint-diff.ts'
import { savepointDropCommand } from './savepoint-drop.ts'
import { savepointListCommand } from './savepoint-list.ts'
import { savepointShowCommand } from './savepoint-show.ts'
import { savepointVerifyCommand } from './savepoint-verify.ts'
import { startCommand } from './start.ts'
import { statusCommand } from './status.ts'
import { Terminal } from './terminal.ts'
import { topicsCommand } from './topics.ts'
import { topologyCommand } from './topology.ts'

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  startCommand,
  importCommand,
  generateCommand,
  runCommand,
  exportCommand,
  topicsCommand,
  statusCommand,
  topologyCommand,
  backfillPlanCommand,
  backfillRunCommand,
  backfillStatusCommand,
  backfillListCommand,
  backfillReconcileCommand,
  backfillPromoteCommand,
  backfillRollbackCommand,
  backfillCancelCommand,
  dlqStatsCommand,
  dlqListCommand,
  dlqShowCommand,
  dlqReplayCommand,
  dlqDiscardCommand,
  auditCommand,
  savepointCreateCommand,
  savepointListCommand,
  savepointShowCommand,
  savepointVerifyCommand,
  savepointDiffCommand,
  savepointDropCommand,
  resetCommand,
]

/** A terminal's interrupt reaches a program under npm twice, from the terminal and from npm: that is one wish. */
const SAME_WISH_MS = 300

/** Runs the command that the process was started with, and ends the process. */
export async function main(): Promise<void> {
  const { stdout, stderr, env, argv } = process
  const colours = (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  const terminal = new Terminal({ stdout, stderr, colours })
  process.on('uncaughtException', (error) => {
    tell(error, terminal, false)
    process.exit(EXIT.failed)
  })
  let exitCode: number
  try {
    exitCode = await runCommandLine(argv.slice(2), terminal)
  } catch (error) {
    exitCode = tell(error, terminal, env['MILLRACE_VERBOSE'] === 'true' || argv.includes('--verbose'))
  }
  process.exit(exitCode)
}

async function runCommandLine(argv: readonly string[], terminal: Terminal): Promise<number> {
  const packageRoot = findPackageRoot()
  const parsed = parseCommandLine(COMMANDS, argv, versionIn(packageRoot))
  if ('exitCode' in parsed) {
    await terminal.data(parsed.out)
    if (parsed.err !== '') terminal.note(parsed.err.trimEnd())
    return parsed.exitCode
  }
  const settings = await readSettings(parsed)
  terminal.json = settings.values.json
  return execute(parsed, settings, terminal, packageRoot)
}

async function readSettings({ command, flags }: CommandLine): Promise<ResolvedSettings> {
  const environment = process.env
  const file = flags.get('config') ?? environment['MILLRACE_CONFIG']
  const settings = resolveSettings({
    flags,
    environment,
    file:
      typeof file === 'string' && file !== ''
        ? { path: file, values: await readConfigFile(file) }
        : undefined,
  })
  const problems = [...logProblems(settings), ...(command.check?.(settings) ?? [])]
  if (problems.length > 0) throw new ConfigError(problems)
  return settings
}

async function execute(
  { command, args }: CommandLine,
  { values, isGiven }: ResolvedSettings,
  terminal: Terminal,
  packageRoot: string,
): Promise<number> {
  const directories = directoriesIn(values.dataDir)
  const logs: Log[] = []
  const context: CommandContext = {
    args,
    settings: values,
    isGiven,
    terminal,
    logger: createLogger(values.logLevel, terminal),
    clock: systemClock,
    random: systemRandom,
    signal: listenToSignals(terminal),
    stdin: process.stdin,
    packageRoot,
    directories,
    async openLog(mode) {
      const log = await openLog(
        { settings: values, directories, clock: systemClock, random: systemRandom, terminal },
        mode,
      )
      logs.push(log)
      return log
    },
  }
  try {
    const exitCode = await command.run(context)
    await terminal.flush()
    return exitCode
  } finally {
    await terminal.flush().catch(() => undefined)
    await Promise.all(logs.map((log) => log.close()))
  }
}

/** The first signal asks to end, a second one ends at once. */
function listenToSignals(terminal: Terminal): AbortSignal {
  const stopping = new AbortController()
  let firstMs = Infinity
  const listen = (name: 'SIGINT' | 'SIGTERM', exitCode: number): void => {
    process.on(name, () => {
      const nowMs = systemClock.monotonic()
      if (nowMs - firstMs > SAME_WISH_MS) process.exit(exitCode)
      if (stopping.signal.aborted) return
      firstMs = nowMs
      if (terminal.isLive) terminal.note('Stopping … (once more to stop at once)')
      stopping.abort()
    })
  }
  listen('SIGINT', 130)
  listen('SIGTERM', 143)
  return stopping.signal
}

/** Tells an error on stderr; answers with the exit code. */
function tell(error: unknown, terminal: Terminal, verbose: boolean): number {
  const { exitCode, message, details } = describeFailure(error, verbose)
  terminal.note(`${terminal.red('error:')} ${message}`)
  if (details !== undefined) terminal.note(details)
  return exitCode
}

/** The folder of the package: the nearest one above with a package.json. */
function findPackageRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url))
  for (;;) {
    try {
      readFileSync(path.join(folder, 'package.json'))
      return folder
    } catch (error) {
      const above = path.dirname(folder)
      if (above === folder) throw new FatalError('PACKAGE_INCOMPLETE', `no package.json: ${messageOf(error)}`)
      folder = above
    }
  }
}

function versionIn(packageRoot: string): string {
  const text = readFileSync(path.join(packageRoot, 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
