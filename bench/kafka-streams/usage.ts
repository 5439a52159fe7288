/** What processes use, as Linux counts it in /proc. */
import { readFileSync } from 'node:fs'

/** One look at processes and broker. */
export interface Sample {
  /** Epoch milliseconds. */
  readonly atMs: number
  /** CPU seconds since their start. */
  readonly applicationCpu: number
  readonly brokerCpu: number
  /** Bytes the broker has read, from files on their way to sockets as well. */
  readonly brokerRead: number
}

/** Ticks a second in /proc/PID/stat; fixed for user space on all architectures that Node runs on. */
const TICKS = 100
const SAMPLE_EVERY_MS = 10

/** Samples from `start` until `stop`. */
export class UsageSampler {
  readonly samples: Sample[] = []
  private readonly applicationPids: readonly number[]
  private readonly brokerPid: number
  private readonly timer: NodeJS.Timeout

  constructor(applicationPids: readonly number[], brokerPid: number) {
    this.applicationPids = applicationPids
    this.brokerPid = brokerPid
    this.look()
    this.timer = setInterval(() => this.look(), SAMPLE_EVERY_MS)
  }

  stop(): void {
    clearInterval(this.timer)
  }

  /** The first sample by which the broker had read so many bytes since the sampling began. */
  whenBrokerHadRead(bytes: number): Sample | undefined {
    const { brokerRead } = this.samples[0]!
    return this.samples.find((sample) => sample.brokerRead - brokerRead >= bytes)
  }

  /** The last sample up to a time, the first one where there is none. */
  at(timeMs: number): Sample {
    return this.samples.findLast(({ atMs }) => atMs <= timeMs) ?? this.samples[0]!
  }

  private look(): void {
    this.samples.push({
      atMs: Date.now(),
      applicationCpu: this.applicationPids.reduce((sum, pid) => sum + cpuSeconds(pid), 0),
      brokerCpu: cpuSeconds(this.brokerPid),
      brokerRead: readBytes(this.brokerPid),
    })
  }
}

/** CPU seconds of a process with all its threads; 0 for one that is gone. */
export function cpuSeconds(pid: number): number {
  const stat = textOf(`/proc/${pid}/stat`)
  // The name, in parentheses, may hold anything; the fields behind it are numbers.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS
}

/** The largest resident size that a process has had, in MB of 10^6 bytes; 0 for one that is gone. */
export function peakMegabytes(pid: number): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(textOf(`/proc/${pid}/status`))
  return (Number(match?.[1] ?? 0) * 1024) / 1e6
}

function readBytes(pid: number): number {
  return Number(/^rchar: (\d+)$/m.exec(textOf(`/proc/${pid}/io`))?.[1] ?? 0)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
