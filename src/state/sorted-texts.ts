/**
 * Texts in order, for range reads. Additions are kept aside and merged when an order is asked for, so that adding many
 * and reading seldom is cheap. Removals are not told: the reader looks whether a text still has an entry, and the
 * leftovers go at the next merge.
 */
export class SortedTexts {
  private sorted: string[] = []
  private added = new Set<string>()
  private readonly compare: (a: string, b: string) => number

  constructor(compare: (a: string, b: string) => number) {
    this.compare = compare
  }

  add(text: string): void {
    this.added.add(text)
  }

  /** The texts in `[from, to)` for which `exists` holds, in order; an end not given is open. */
  between(from: string | undefined, to: string | undefined, exists: (text: string) => boolean): string[] {
    if (this.added.size > 0) this.mergeAdded(exists)
    const start = from === undefined ? 0 : this.firstAtOrAfter(from)
    const end = to === undefined ? this.sorted.length : this.firstAtOrAfter(to)
    return this.sorted.slice(start, Math.max(start, end)).filter(exists)
  }

  private mergeAdded(exists: (text: string) => boolean): void {
    const all = this.sorted.filter((text) => !this.added.has(text) && exists(text))
    for (const text of this.added) if (exists(text)) all.push(text)
    this.sorted = all.sort(this.compare)
    this.added = new Set()
  }

  private firstAtOrAfter(text: string): number {
    let low = 0
    let high = this.sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.compare(this.sorted[middle]!, text) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
