/** A thread that takes and lets go of a directory lock as its parent says. */
import { parentPort } from 'node:worker_threads'
import { acquireDirectoryLock, type DirectoryLock } from '../../src/directory-lock.ts'
import type { LockOrder } from './lock-child.ts'

let lock: DirectoryLock | undefined

async function obey({ kind, directory }: LockOrder): Promise<boolean> {
  if (kind === 'acquire') lock ??= await acquireDirectoryLock(directory)
  else {
    await lock?.release()
    lock = undefined
  }
  return lock !== undefined
}

parentPort!.on('message', (order: LockOrder) => {
  void obey(order).then((held) => parentPort!.postMessage(held))
})
