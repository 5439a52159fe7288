import { sleep, type Clock, type Random } from '../clock.ts'
import { RetriableError } from '../errors.ts'

const FIRST_BACKOFF_MS = 50
const BACKOFF_MS_MAX = 2_000

/**
 * Calls `work` again while it fails with `RetriableError`, with growing pauses, for about `withinMs`; then gives up.
 * The pauses vary by chance, so that instances that got into each other's way do not do so again.
 */
export async function withRetries<T>(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  withinMs: number,
  work: () => Promise<T>,
): Promise<T> {
  const deadlineMs = clock.monotonic() + withinMs
  for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs = Math.min(backoffMs * 2, BACKOFF_MS_MAX)) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof RetriableError) || clock.monotonic() + backoffMs > deadlineMs) throw error
    }
    await sleep(clock, Math.ceil(backoffMs * (0.5 + random.fraction())))
  }
}
