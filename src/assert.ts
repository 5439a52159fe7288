/**
 * Assertions: what must hold inside millrace whatever users, logs and disks do. A failed one is a defect of
 * millrace itself and is not caught by any error policy.
 */
export class AssertionError extends Error {
  constructor(message: string) {
    super(`assertion failed: ${message}`)
    this.name = 'AssertionError'
  }
}

/** Throws when `condition` does not hold. `message` says what should have held. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** For the branch that no value can reach; the compiler checks it, the throw guards untyped callers. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected value ${String(value)}`)
}
