/** millrace as a contender: the program as anyone starts it, `millrace run` on Kafka. */
import path from 'node:path'
import { packageFolder } from '../../test/support/kafka/maven.ts'
import type { Contender, Task } from './contender.ts'

/** How millrace is run. */
export interface MillraceOptions {
  readonly processes: number
  /** The Node that runs it. */
  readonly node: string
  /** Further flags of Node. */
  readonly nodeFlags: readonly string[]
}

const PROGRAM = path.join(packageFolder(), 'bin', 'millrace.mjs')

/** millrace in one or more processes that share the partitions. */
export function millrace({ processes, node, nodeFlags }: MillraceOptions): Contender {
  return {
    side: 'millrace',
    label: `millrace, ${processes === 1 ? '1 process' : `${processes} processes`}`,
    parallel: processes,
    commands: (task, folder) =>
      Array.from({ length: processes }, (_, index) => [
        node,
        ...nodeFlags,
        PROGRAM,
        ...argumentsFor(task),
        ...['--data-dir', path.join(folder, `state-${index}`)],
      ]),
  }
}

function argumentsFor(task: Task): string[] {
  const { low, high } = task.validRange
  return [
    'run',
    ...['--log', 'kafka', '--brokers', task.brokers, '--application-id', task.applicationId],
    ...['--topic', task.input, '--window', `${task.windowMs}ms`, '--grace', `${task.graceMs}ms`],
    ...['--commit-interval', `${task.commitIntervalMs}ms`],
    ...['--session-timeout', `${task.sessionTimeoutMs}ms`],
    ...['--valid-range', `${low}..${high}`, '--idle-timeout', 'never'],
    ...(task.deduplicate ? [] : ['--no-deduplicate']),
    ...task.format.millraceArguments,
  ]
}
