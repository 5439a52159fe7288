/** Joins the group of an application as a worker: what it tells of itself, and how the leader hands out tasks. */
import type { GroupMember, GroupMembership } from '../log/log.ts'
import { sourceTopicsOf } from '../topology/topology.ts'
import type { Application } from './application.ts'
import {
  assignStandbys,
  assignTasks,
  decodeMemberInfo,
  encodeAssignment,
  encodeMemberInfo,
  type MemberInfo,
} from './assignment.ts'
import { assignPause, pauseAskedBy } from './pause.ts'

/**
 * A rebalance waits until each member has heard of it from a heartbeat: with a third of the session, as Kafka's clients
 * have it, a takeover takes up to a third longer than the session. A heartbeat is a request of some 100 bytes.
 */
const HEARTBEAT_MS_MAX = 1_000

export interface WorkerListener {
  /** Names of the tasks it works now. */
  working(): readonly string[]
  /** Of the tasks of which it keeps a standby copy, and of those whose copy has caught up. */
  copies(): { readonly all: readonly string[]; readonly caughtUp: readonly string[] }
  onAssigned(assignment: Uint8Array, member: GroupMember): void
  /** Resolves when everything has been given up. */
  onControl(kind: 'revoked' | 'lost', reason: string): Promise<void>
  onFailed(error: Error): void
}

export async function joinWorkerGroup(
  application: Application,
  listener: WorkerListener,
): Promise<GroupMembership> {
  const { log, config, directory, topology, processId } = application
  // What is on disk now; later it is what this worker works or copies.
  const stored = new Set(await directory.tasks())
  return log.joinGroup({
    groupId: config.applicationId,
    // Offsets of topics that a group does not name expire after 7 days, although it has members.
    topics: sourceTopicsOf(topology),
    sessionTimeoutMs: config.sessionTimeoutMs,
    rebalanceTimeoutMs: config.rebalanceTimeoutMs,
    heartbeatIntervalMs: Math.min(HEARTBEAT_MS_MAX, config.sessionTimeoutMs / 3),
    metadata() {
      const working = listener.working()
      const { all, caughtUp } = listener.copies()
      for (const task of [...working, ...all]) stored.add(task)
      return encodeMemberInfo({
        instance: directory.location,
        working,
        stored: [...stored],
        ...(config.standbys > 0 && { standbys: config.standbys, copied: caughtUp }),
        ...(processId !== undefined && { process: processId }),
      })
    },
    assign(members) {
      const infos = new Map<string, MemberInfo>(
        members.map(({ memberId, metadata }) => [memberId, decodeMemberInfo(metadata)]),
      )
      const pause = pauseAskedBy(infos.values())
      if (pause !== undefined) return Promise.resolve(assignPause(members, pause))
      return Promise.resolve(handOut(application, infos))
    },
    listener: {
      onAssigned(assignment, member) {
        listener.onAssigned(assignment, member)
        return Promise.resolve()
      },
      onRevoked: () => listener.onControl('revoked', 'rebalance'),
      onLost: (reason) => listener.onControl('lost', reason.message),
      onFailed: (error) => listener.onFailed(error),
    },
  })
}

function handOut(
  { tasks, topology }: Application,
  members: ReadonlyMap<string, MemberInfo>,
): ReadonlyMap<string, Uint8Array> {
  const assigned = assignTasks(members, tasks)
  const stateful = tasks.filter(({ subTopology }) => topology.subTopologies[subTopology]!.stores.length > 0)
  const copies = assignStandbys(members, assigned, stateful)
  return new Map(
    [...assigned].map(([member, active]) => {
      return [member, encodeAssignment({ active, standby: copies.get(member)! })]
    }),
  )
}
