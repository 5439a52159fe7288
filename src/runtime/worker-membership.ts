/** Joins the group of an application as a worker: what it tells of itself, and how the leader hands out tasks. */
import type { GroupMember, GroupMembership } from '../log/log.ts'
import { sourceTopicsOf } from '../topology/topology.ts'
import type { Application } from './application.ts'
import {
  assignTasks,
  decodeMemberInfo,
  encodeAssignment,
  encodeMemberInfo,
  type MemberInfo,
} from './assignment.ts'
import { assignPause, pauseAskedBy } from './pause.ts'

export interface WorkerListener {
  /** Names of the tasks it works now. */
  working(): readonly string[]
  onAssigned(assignment: Uint8Array, member: GroupMember): void
  /** Resolves when everything has been given up. */
  onControl(kind: 'revoked' | 'lost', reason: string): Promise<void>
  onFailed(error: Error): void
}

export async function joinWorkerGroup(
  application: Application,
  listener: WorkerListener,
): Promise<GroupMembership> {
  const { log, config, directory, tasks, topology } = application
  // What is on disk now; later it is what this worker works.
  const stored = new Set(await directory.tasks())
  return log.joinGroup({
    groupId: config.applicationId,
    // Offsets of topics that a group does not name expire after 7 days, although it has members.
    topics: sourceTopicsOf(topology),
    sessionTimeoutMs: config.sessionTimeoutMs,
    rebalanceTimeoutMs: config.rebalanceTimeoutMs,
    metadata() {
      const working = listener.working()
      for (const task of working) stored.add(task)
      return encodeMemberInfo({ instance: directory.location, working, stored: [...stored] })
    },
    assign(members) {
      const infos = new Map<string, MemberInfo>(
        members.map(({ memberId, metadata }) => [memberId, decodeMemberInfo(metadata)]),
      )
      const pause = pauseAskedBy(infos.values())
      if (pause !== undefined) return Promise.resolve(assignPause(members, pause))
      const assigned = assignTasks(infos, tasks)
      return Promise.resolve(
        new Map([...assigned].map(([member, names]) => [member, encodeAssignment(names)])),
      )
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
