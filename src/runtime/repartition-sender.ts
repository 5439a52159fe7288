import { assert } from '../assert.ts'
import type { ClosingWindows } from './window-closer.ts'
import { encodeCarried, type CarriedKind } from './carried-header.ts'
import { CARRIED } from './header-names.ts'
import type { ChannelEnd } from './input-channel.ts'
import type { RecordCollector } from './record-collector.ts'
import type { TaskInputs } from './task-inputs.ts'
import type { Unit } from './unit.ts'

/** Where a task's records become origins of a repartition topic. */
export interface SenderSpec {
  readonly topic: string
  readonly partitions: number
  /** Origin number in the topic of each channel of the task; `undefined` where its records do not get there. */
  readonly originOfChannel: readonly (number | undefined)[]
  /** Likewise of each windowed operator. */
  readonly originOfOperator: readonly (number | undefined)[]
  /** By how much carried watermarks are lowered; see topology/grace.ts. */
  readonly updateGraceMs: number
}

interface SentMarker {
  kind: CarriedKind
  watermarkMs: number
  position: number
}

/** One task's side of a repartition topic: what its records carry, and its markers. */
export class RepartitionSender {
  readonly topic: string
  readonly partitions: number
  private readonly spec: SenderSpec
  private readonly lastSent = new Map<number, SentMarker>()

  constructor(spec: SenderSpec) {
    this.topic = spec.topic
    this.partitions = spec.partitions
    this.spec = spec
  }

  /** The carried header's value for a record of the current unit. */
  carriedBy(unit: Unit): Buffer {
    const origins = unit.originKind === 'channel' ? this.spec.originOfChannel : this.spec.originOfOperator
    const origin = origins[unit.originNumber]
    assert(origin !== undefined, 'a record that reaches a repartition topic has an origin there')
    const { updateGraceMs } = this.spec
    return encodeCarried({
      kind: 'record',
      origin,
      watermarkMs: unit.watermarkMs - updateGraceMs,
      mergeTimeMs: unit.mergeTimeMs - updateGraceMs,
      position: unit.position,
      run: 0,
    })
  }

  /**
   * Adds, behind all records of the transaction, a marker for each origin that has moved, fallen silent or ended, to
   * every partition. `end`: the bounded run that this task has just finished.
   */
  addMarkers(
    collector: RecordCollector,
    inputs: TaskInputs,
    operators: readonly ClosingWindows[],
    end: ChannelEnd | undefined,
  ): void {
    const endKind: CarriedKind | undefined =
      end === undefined ? undefined : end.flush ? 'end-with-flush' : 'end'
    this.spec.originOfChannel.forEach((origin, channel) => {
      if (origin === undefined) return
      const kind: CarriedKind = endKind ?? (inputs.isIdle(channel) ? 'idle' : 'watermark')
      const watermarkMs = inputs.progress.watermarkMs(channel) - this.spec.updateGraceMs
      this.mark(collector, origin, { kind, watermarkMs, position: inputs.channels[channel]!.position }, end)
    })
    this.spec.originOfOperator.forEach((origin, number) => {
      if (origin === undefined) return
      const windows = operators[number]!
      const kind: CarriedKind = endKind ?? (inputs.allIdle ? 'idle' : 'watermark')
      const watermarkMs = windows.outputWatermarkMs - this.spec.updateGraceMs
      this.mark(collector, origin, { kind, watermarkMs, position: windows.results }, end)
    })
  }

  private mark(
    collector: RecordCollector,
    origin: number,
    marker: SentMarker,
    end: ChannelEnd | undefined,
  ): void {
    const last = this.lastSent.get(origin)
    const saysNothing =
      last === undefined
        ? marker.kind === 'watermark' && marker.watermarkMs === -Infinity && marker.position === 0
        : last.kind === marker.kind &&
          last.watermarkMs === marker.watermarkMs &&
          last.position === marker.position
    if (end === undefined && saysNothing) return
    this.lastSent.set(origin, marker)
    const value = encodeCarried({ ...marker, mergeTimeMs: marker.watermarkMs, origin, run: end?.run ?? 0 })
    for (let partition = 0; partition < this.partitions; partition++) {
      collector.add(this.topic, partition, 0, null, null, [{ key: CARRIED, value }])
    }
  }
}
