import type { Reading } from './reading.ts'

const scratch = new DataView(new ArrayBuffer(8))

/**
 * A number that stands for what a reading says besides its event id: equal for equal contents, and different for
 * different ones but for a chance of 2^-53. One is kept for every event id that may still come again, in place of the
 * reading: a tenth of the memory, and nothing of the reading has to outlive it.
 *
 * Two lanes of 32 bits in the manner of MurmurHash3 (Appleby, 2011), of which 53 bits are used. Part of the format of
 * the state: it must never change. A missing mark for synthetic readings means measured, and -0 equals 0.
 */
export function contentFingerprint({ sensorId, timestamp, temperature, status, synthetic }: Reading): number {
  one = 0x3c6ef372
  two = 0x2545f491
  mixNumber(timestamp)
  mixNumber(temperature)
  mixText(sensorId)
  mix((status === undefined ? 0 : 1) | (synthetic === true ? 2 : 0))
  if (status !== undefined) mixText(status)
  const high = finished(one ^ Math.imul(two, 0x9e3779b1))
  const low = finished(two ^ Math.imul(one, 0x85ebca77))
  return (high >>> 11) * 0x1_0000_0000 + (low >>> 0)
}

// The lanes of the call at hand; here, and not in objects, because it is called for every reading.
let one = 0
let two = 0

function mix(word: number): void {
  one = (Math.imul(rotated(one ^ Math.imul(word, 0xcc9e2d51), 13), 5) + 0x52dce729) | 0
  two = (Math.imul(rotated(two ^ Math.imul(word, 0x1b873593), 17), 9) + 0x38495ab5) | 0
}

function mixNumber(value: number): void {
  scratch.setFloat64(0, value + 0)
  mix(scratch.getInt32(0))
  mix(scratch.getInt32(4))
}

function mixText(text: string): void {
  mix(text.length)
  for (let at = 0; at < text.length; at++) mix(text.charCodeAt(at))
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

/** Every bit of the result depends on every bit of the word. */
function finished(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
