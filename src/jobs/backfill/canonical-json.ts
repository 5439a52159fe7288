/** JSON that is the same text for equal values, whatever order their fields were set in. */
import { createHash } from 'node:crypto'

/** Fields sorted by name; fields that are undefined are left out. The value must be plain JSON. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

/** SHA-256 over the canonical JSON of `value`, in lower-case hexadecimal. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex')
}
