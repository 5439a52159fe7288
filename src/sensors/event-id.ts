/** Event ids for readings that come without one. */
import { hash } from 'node:crypto'

/**
 * An event id made from what the reading says: the same sensor, time and temperature always give the same id,
 * so importing a file twice adds no second effect. `auto-` and 128 bits of SHA-256 in lower-case hexadecimal;
 * different readings get the same id with a chance below 10^-20 even among a billion. Ids do not change
 * between versions.
 */
export function deriveEventId(sensorId: string, timestamp: number, temperature: number): string {
  // JSON keeps the parts apart: no sensor id can run into the time. It also writes -0 as 0.
  const content = JSON.stringify([sensorId, timestamp, temperature])
  return `auto-${hash('sha256', content, 'hex').slice(0, 32)}`
}
