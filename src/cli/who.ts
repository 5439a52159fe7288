/** Who calls a command, for the audit. */
import { hostname, userInfo } from 'node:os'
import type { AuditTrail } from '../jobs/audit.ts'
import type { Log } from '../log/log.ts'
import type { CommandContext } from './command.ts'

/** The name that was given, else `user@host`. */
export function callerOf({ settings }: Pick<CommandContext, 'settings'>): string {
  return settings.as ?? `${userName()}@${hostname()}`
}

/** Where the audit of a command goes. */
export function auditTrailOf(context: CommandContext, log: Log): AuditTrail {
  const { clock, random, settings } = context
  return { log, clock, random, applicationId: settings.applicationId, by: callerOf(context) }
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // A process may run under a number that no user has.
    return 'unknown'
  }
}
