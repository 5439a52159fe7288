/** An engine in memory: what is written is gone with the object. */
import type { Engine, EngineEntry, EngineOp, ScanRange } from './engine.ts'

/** A run of keys this long is cut in two, so that an insert moves few keys. */
const RUN_KEYS = 512

/** Keeps what it is given, not a copy. */
export class MemoryEngine implements Engine {
  // Keys as latin1 text: one character a byte, so that text order is byte order and a Map finds them.
  private readonly values = new Map<string, Buffer>()
  /** All keys in order, in runs that are never empty. */
  private readonly runs: string[][] = []

  write(ops: readonly EngineOp[]): Promise<void> {
    for (const { key, value } of ops) {
      const name = key.toString('latin1')
      if (value !== null) {
        if (!this.values.has(name)) this.insert(name)
        this.values.set(name, value)
      } else if (this.values.delete(name)) {
        this.remove(name)
      }
    }
    return Promise.resolve()
  }

  get(key: Buffer): Promise<Buffer | undefined> {
    return Promise.resolve(this.values.get(key.toString('latin1')))
  }

  getMany(keys: readonly Buffer[]): Promise<readonly (Buffer | undefined)[]> {
    return Promise.resolve(keys.map((key) => this.values.get(key.toString('latin1'))))
  }

  scan({ from, to, limit, reverse = false }: ScanRange): Promise<readonly EngineEntry[]> {
    const [low, high] = [from.toString('latin1'), to.toString('latin1')]
    const found: EngineEntry[] = []
    const step = reverse ? -1 : 1
    const bound = reverse ? high : low
    let runAt = this.runFor(bound)
    let at = positionIn(this.runs[runAt] ?? [], bound)
    if (reverse) at -= 1
    for (; found.length < limit; at += step) {
      while (runAt >= 0 && runAt < this.runs.length && (at < 0 || at >= this.runs[runAt]!.length)) {
        runAt += step
        at = reverse ? (this.runs[runAt]?.length ?? 0) - 1 : 0
      }
      const name = this.runs[runAt]?.[at]
      if (name === undefined || name < low || name >= high) break
      found.push({ key: Buffer.from(name, 'latin1'), value: this.values.get(name)! })
    }
    return Promise.resolve(found)
  }

  reclaim(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** The last run that begins at or before `name`; 0 when there is none. */
  private runFor(name: string): number {
    let low = 0
    let high = this.runs.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (this.runs[middle]![0]! <= name) low = middle
      else high = middle
    }
    return low
  }

  private insert(name: string): void {
    const runAt = this.runFor(name)
    const run = this.runs[runAt]
    if (run === undefined) {
      this.runs.push([name])
      return
    }
    run.splice(positionIn(run, name), 0, name)
    if (run.length > RUN_KEYS) this.runs.splice(runAt + 1, 0, run.splice(RUN_KEYS / 2))
  }

  private remove(name: string): void {
    const runAt = this.runFor(name)
    const run = this.runs[runAt]!
    run.splice(positionIn(run, name), 1)
    if (run.length === 0) this.runs.splice(runAt, 1)
  }
}

/** Where the first key at or above `name` stands in the run. */
function positionIn(run: readonly string[], name: string): number {
  let low = 0
  let high = run.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (run[middle]! < name) low = middle + 1
    else high = middle
  }
  return low
}
