/** A task: one partition of one sub-topology, written `0_3` as Kafka Streams does. */
export interface TaskId {
  readonly subTopology: number
  readonly partition: number
}

/** `0_3` for partition 3 of sub-topology 0. */
export function taskName({ subTopology, partition }: TaskId): string {
  return `${subTopology}_${partition}`
}

/** The task of a name made by `taskName`; `undefined` for any other text. */
export function parseTaskName(name: string): TaskId | undefined {
  const match = /^(0|[1-9]\d{0,8})_(0|[1-9]\d{0,8})$/.exec(name)
  return match === null ? undefined : { subTopology: Number(match[1]), partition: Number(match[2]) }
}
