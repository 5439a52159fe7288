/** `millrace status`: how far an application is and what it waits for. */
import { sleep } from '../clock.ts'
import { runningLockOwner } from '../directory-lock.ts'
import { readStatus, type ApplicationStatus, type TaskStatus } from '../runtime/status.ts'
import { DUPLICATES } from '../sensors/deduplicate.ts'
import type { Command, CommandContext } from './command.ts'
import { EXIT } from './failure.ts'
import { offsetAsJson } from './record-json.ts'
import { applicationFolder, stateSizes } from './state-folder.ts'
import { counted, formatBytes, formatCount, formatElapsed, formatTime, table } from './text.ts'

/** Time between two looks with `--watch`. */
const WATCH_MS = 2_000
const CLEAR_SCREEN = '\u001b[H\u001b[2J'

/** The command. */
export const statusCommand: Command = {
  name: 'status',
  summary: 'how far the application is and what it waits for',
  description:
    'Shows each task with its inputs: position, end, lag, watermark and what holds it back; open windows, late ' +
    'readings, duplicates, dead letters, state on disk, last commit. Reads what is committed, while the application ' +
    'runs and while it does not.',
  settings: ['watch'],
  examples: ['millrace status --watch', `millrace status --json | jq '.tasks[].inputs[].lag'`],
  async run(context) {
    const { settings, terminal, clock, signal } = context
    const log = await context.openLog('existing')
    for (;;) {
      const seen = await look(context, await readStatus(log, settings.applicationId))
      if (terminal.json) await terminal.data(`${statusAsJson(seen)}\n`)
      else {
        if (settings.watch && terminal.isWatched) await terminal.data(CLEAR_SCREEN)
        for (const line of statusLines(seen, clock.now())) terminal.say(line)
      }
      if (!settings.watch || terminal.readerGone.aborted) return EXIT.done
      await sleep(clock, WATCH_MS, signal)
      if (signal.aborted) return EXIT.done
      if (!terminal.isWatched) terminal.say()
    }
  },
}

/** What the log says, and what this machine's disk says. */
interface Seen {
  readonly status: ApplicationStatus
  /** State on disk by task, in bytes. */
  readonly stateBytes: ReadonlyMap<string, number>
  /** By the folder of an instance: the process that holds it now. */
  readonly owners: ReadonlyMap<string, number | undefined>
}

async function look({ directories }: CommandContext, status: ApplicationStatus): Promise<Seen> {
  const owners = new Map<string, number | undefined>()
  for (const { instance } of status.tasks) {
    if (instance !== undefined && !owners.has(instance))
      owners.set(instance, await runningLockOwner(instance))
  }
  return {
    status,
    owners,
    stateBytes: await stateSizes(applicationFolder(directories, status.applicationId)),
  }
}

/** The status for people. */
function statusLines(seen: Seen, nowMs: number): readonly string[] {
  const { status } = seen
  const { applicationId, group, tasks } = status
  if (tasks.length === 0) return [`Application ${applicationId} has not run yet.`]
  const members = group.memberIds.length
  const running = members === 0 ? 'not running' : `running, ${counted(members, 'instance')}`
  const moving = group.state === 'rebalancing' ? ', rebalancing' : ''
  return [
    `Application ${applicationId}: ${running}${moving}. Open windows: ${formatCount(openWindows(tasks))}.`,
    '',
    ...inputTable(tasks),
    '',
    ...taskTable(seen, nowMs),
  ]
}

function openWindows(tasks: readonly TaskStatus[]): number {
  return tasks.reduce((sum, task) => sum + task.openWindows, 0)
}

function inputTable(tasks: readonly TaskStatus[]): readonly string[] {
  const rows = tasks.flatMap((task) =>
    task.inputs.map((input) => [
      task.task,
      `${input.topic}/${input.partition}`,
      formatCount(input.position),
      formatCount(input.end),
      formatCount(input.lag),
      formatTime(input.watermarkMs),
      holdupText(task),
    ]),
  )
  return table(
    [
      { title: 'task' },
      { title: 'input' },
      { title: 'position', align: 'right' },
      { title: 'end', align: 'right' },
      { title: 'lag', align: 'right' },
      { title: 'watermark' },
      { title: 'held back by' },
    ],
    rows,
  )
}

function taskTable({ status, stateBytes, owners }: Seen, nowMs: number): readonly string[] {
  const rows = status.tasks.map((task) => {
    const { counts, committedAtMs, instance } = task
    const pid = instance === undefined ? undefined : owners.get(instance)
    return [
      task.task,
      formatCount(counts['consumed'] ?? 0),
      formatCount(counts['late'] ?? 0),
      formatCount(counts[DUPLICATES] ?? 0),
      formatCount(counts['deadLetters'] ?? 0),
      formatCount(task.openWindows),
      formatBytes(stateBytes.get(task.task) ?? 0),
      committedAtMs === undefined ? 'none' : `${formatElapsed(Math.max(0, nowMs - committedAtMs))} ago`,
      pid === undefined ? 'no process' : `process ${pid}`,
    ]
  })
  return table(
    [
      { title: 'task' },
      { title: 'readings', align: 'right' },
      { title: 'late', align: 'right' },
      { title: 'duplicates', align: 'right' },
      { title: 'dead letters', align: 'right' },
      { title: 'open windows', align: 'right' },
      { title: 'state', align: 'right' },
      { title: 'last commit', align: 'right' },
      { title: 'owner' },
    ],
    rows,
  )
}

function holdupText({ heldBackBy }: TaskStatus): string {
  switch (heldBackBy.kind) {
    case 'nothing':
      return 'nothing'
    case 'behind':
      return 'behind: more to work'
    case 'waiting':
      return `waiting for ${heldBackBy.channel}`
    case 'idle':
      return 'idle: all inputs are silent'
  }
}

/** The status for programs, on one line. */
function statusAsJson({ status, stateBytes, owners }: Seen): string {
  const tasks = status.tasks.map((task) => {
    const { instance, counts } = task
    const inputs = task.inputs.map((input) => ({
      topic: input.topic,
      partition: input.partition,
      position: offsetForJson(input.position),
      end: offsetForJson(input.end),
      lag: offsetForJson(input.lag),
      watermark: timeForJson(input.watermarkMs),
      idle: input.idle,
    }))
    const { kind } = task.heldBackBy
    return {
      task: task.task,
      inputs,
      watermark: timeForJson(task.watermarkMs),
      heldBackBy: task.heldBackBy.kind === 'waiting' ? { kind, channel: task.heldBackBy.channel } : { kind },
      openWindows: task.openWindows,
      consumed: counts['consumed'] ?? 0,
      late: counts['late'] ?? 0,
      partlyLate: counts['partlyLate'] ?? 0,
      duplicates: counts[DUPLICATES] ?? 0,
      deadLetters: counts['deadLetters'] ?? 0,
      results: counts['results'] ?? 0,
      stateBytes: stateBytes.get(task.task) ?? 0,
      commitId: task.commitId,
      committedAt: task.committedAtMs === undefined ? null : formatTime(task.committedAtMs),
      instance: instance ?? null,
      ownerPid: (instance === undefined ? undefined : owners.get(instance)) ?? null,
    }
  })
  const { applicationId, group } = status
  return JSON.stringify({
    applicationId,
    group: { state: group.state, members: group.memberIds.length },
    openWindows: openWindows(status.tasks),
    tasks,
  })
}

function offsetForJson(offset: bigint): number | string {
  return JSON.parse(offsetAsJson(offset)) as number | string
}

function timeForJson(ms: number): string | null {
  return Number.isFinite(ms) ? formatTime(ms) : null
}
