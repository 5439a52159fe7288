/**
 * What a task knows of the event time of its inputs: one watermark per channel, and their minimum.
 *
 * A **channel** is one ordered stream of records with a watermark of its own: a source partition, or, behind a
 * repartition topic, one of the origins whose records arrive interleaved in it. Channels are numbered in canonical
 * order (topic, partition, path) and are all known from the start, at minus infinity.
 *
 * A channel that is left out (recorded as idle, or ended in a bounded run with flush) does not hold the minimum back.
 * When all are left out the minimum is the maximum of their watermarks, never infinity.
 */
import { assert } from '../assert.ts'

export class InputProgress {
  readonly channelCount: number
  private readonly watermarks: Float64Array
  private readonly leftOut: Uint8Array
  private leftOutCount = 0
  private minimum: number

  /** All channels active; watermarks as given, else minus infinity. */
  constructor(channelCount: number, watermarksMs?: readonly number[]) {
    assert(channelCount > 0, 'a task has at least one input channel')
    this.channelCount = channelCount
    this.watermarks = new Float64Array(channelCount).fill(-Infinity)
    this.leftOut = new Uint8Array(channelCount)
    watermarksMs?.forEach((watermarkMs, channel) => (this.watermarks[channel] = watermarkMs))
    this.minimum = this.findMinimum()
  }

  /** The channel's watermark: no later record of it is judged by an earlier time. */
  watermarkMs(channel: number): number {
    return this.watermarks[channel]!
  }

  /** The watermark of the whole task: minimum over the channels that are not left out. May fall when one returns. */
  get minimumMs(): number {
    return this.minimum
  }

  /** The highest watermark of all channels, left out or not. */
  get maximumMs(): number {
    return Math.max(...this.watermarks)
  }

  /** Raises a channel's watermark; a lower value changes nothing. */
  advance(channel: number, watermarkMs: number): void {
    const before = this.watermarks[channel]!
    if (watermarkMs <= before) return
    this.watermarks[channel] = watermarkMs
    // Only the channel that holds the minimum back, or an all-idle maximum, can change it.
    if (before === this.minimum || this.leftOutCount > 0) this.minimum = this.findMinimum()
  }

  isLeftOut(channel: number): boolean {
    return this.leftOut[channel] === 1
  }

  get allLeftOut(): boolean {
    return this.leftOutCount === this.channelCount
  }

  leaveOut(channel: number): void {
    if (this.leftOut[channel] === 1) return
    this.leftOut[channel] = 1
    this.leftOutCount++
    this.minimum = this.findMinimum()
  }

  takeBack(channel: number): void {
    if (this.leftOut[channel] === 0) return
    this.leftOut[channel] = 0
    this.leftOutCount--
    this.minimum = this.findMinimum()
  }

  private findMinimum(): number {
    let minimum = Infinity
    let maximum = -Infinity
    for (let channel = 0; channel < this.channelCount; channel++) {
      const watermark = this.watermarks[channel]!
      if (watermark > maximum) maximum = watermark
      if (this.leftOut[channel] === 0 && watermark < minimum) minimum = watermark
    }
    return this.leftOutCount === this.channelCount ? maximum : minimum
  }
}
