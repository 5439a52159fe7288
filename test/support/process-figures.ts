/** What a process costs, as Linux tells it, and what becomes of that over time. */
import { readFileSync } from 'node:fs'
import { parsePrometheus } from './prometheus-text.ts'

/** Ticks of /proc are hundredths of a second on every Linux of today. */
const TICK_MS = 10
const MIB = 1024 * 1024
const HOUR_MS = 3_600_000

/** A figure at a moment. */
export interface Sample {
  readonly atMs: number
  readonly value: number
}

/** Processor time that a process has used so far, of all its threads. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name of the program, in brackets, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

/** Resident memory of a process. */
export function residentMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib) / 1024
}

/** Heap in use, as the process tells it itself at `/metrics`. */
export async function heapMiB(origin: string): Promise<number> {
  const families = parsePrometheus(await (await fetch(`${origin}/metrics`)).text())
  const bytes = families.get('nodejs_heap_size_used_bytes')?.samples.get('')
  if (bytes === undefined) throw new Error(`no heap among the metrics of ${origin}`)
  return bytes / MIB
}

/**
 * How fast the floor of a figure rises per hour: least squares over the lowest sample of each stretch of `stretchMs`,
 * since memory in use rises between two collections and falls with each.
 */
export function floorSlopePerHour(samples: readonly Sample[], stretchMs: number): number {
  const startMs = samples[0]?.atMs ?? 0
  const floors = new Map<number, Sample>()
  for (const sample of samples) {
    const stretch = Math.floor((sample.atMs - startMs) / stretchMs)
    const floor = floors.get(stretch)
    if (floor === undefined || sample.value < floor.value) floors.set(stretch, sample)
  }
  const points = [...floors.values()]
  if (points.length < 3) throw new Error('a slope needs three stretches')
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [meanAt, meanValue] = [mean(points.map(({ atMs }) => atMs)), mean(points.map(({ value }) => value))]
  let [covariance, variance] = [0, 0]
  for (const { atMs, value } of points) {
    covariance += (atMs - meanAt) * (value - meanValue)
    variance += (atMs - meanAt) ** 2
  }
  return (covariance / variance) * HOUR_MS
}
