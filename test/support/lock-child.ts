/** A process that takes and lets go of a directory lock as its parent says. */
import { acquireDirectoryLock, type DirectoryLock } from '../../src/directory-lock.ts'

/** What a parent asks for; each order is answered with whether the lock is held afterwards. */
export interface LockOrder {
  readonly kind: 'acquire' | 'release'
  readonly directory: string
}

let lock: DirectoryLock | undefined

async function obey({ kind, directory }: LockOrder): Promise<boolean> {
  if (kind === 'acquire') lock ??= await acquireDirectoryLock(directory)
  else {
    await lock?.release()
    lock = undefined
  }
  return lock !== undefined
}

process.on('message', (order: LockOrder) => void obey(order).then((held) => process.send!(held)))
