/** Reads the text format of Prometheus as its scraper does, strictly: what it would not take is an error here. */

export interface MetricFamily {
  readonly help: string
  readonly type: string
  /** By labels as they stand there, `{task="0_0"}`, sorted; the empty text for none. Of histograms by full name too. */
  readonly samples: ReadonlyMap<string, number>
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy

/** Families by name. Every sample belongs to the family whose HELP and TYPE stand before it, and comes once. */
export function parsePrometheus(text: string): ReadonlyMap<string, MetricFamily> {
  const families = new Map<string, MetricFamily & { samples: Map<string, number> }>()
  let name = ''
  let help: string | undefined
  for (const line of text.split('\n')) {
    if (line === '') continue
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line)
    if (comment?.[1] === 'HELP') {
      ;[name, help] = [comment[2]!, comment[3]!]
    } else if (comment?.[1] === 'TYPE') {
      if (comment[2] !== name || help === undefined) throw new Error(`TYPE without HELP: ${line}`)
      if (families.has(name)) throw new Error(`${name} comes twice`)
      families.set(name, { help, type: comment[3]!, samples: new Map() })
    } else {
      const family = families.get(name)
      const [, full = '', labels = '', value = ''] = SAMPLE.exec(line) ?? []
      const suffix = full.startsWith(name) ? full.slice(name.length) : undefined
      const known = family?.type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
      if (family === undefined || suffix === undefined || !known.includes(suffix))
        throw new Error(`no sample of ${name}: ${line}`)
      const key = `${suffix}${sortedLabels(labels)}`
      if (family.samples.has(key)) throw new Error(`comes twice: ${line}`)
      family.samples.set(key, numberOf(value, line))
    }
  }
  return families
}

/** The samples of one metric as a plain object. */
export function samplesOf(text: string, metric: string): Readonly<Record<string, number>> {
  return Object.fromEntries(parsePrometheus(text).get(metric)?.samples ?? [])
}

/** Their sum. */
export function sumOf(text: string, metric: string): number {
  return Object.values(samplesOf(text, metric)).reduce((sum, value) => sum + value, 0)
}

function sortedLabels(labels: string): string {
  if (labels === '') return ''
  const pairs: string[] = []
  const inner = labels.slice(1, -1)
  LABEL.lastIndex = 0
  while (LABEL.lastIndex < inner.length) {
    const match = LABEL.exec(inner)
    if (match === null) throw new Error(`labels that cannot be read: ${labels}`)
    pairs.push(`${match[1]}="${match[2]}"`)
  }
  return `{${pairs.sort().join(',')}}`
}

function numberOf(value: string, line: string): number {
  // Its scraper is written in Go, whose numbers are read so whatever the case; prom-client writes Nan.
  const words: Readonly<Record<string, number>> = { '+Inf': Infinity, '-Inf': -Infinity, Nan: NaN }
  const number = words[value] ?? Number(value)
  if (!(value in words) && !/^[+-]?[\d.]+(e[+-]?\d+)?$/.test(value)) throw new Error(`no number: ${line}`)
  return number
}
