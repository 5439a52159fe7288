/** The report of a comparison as one page of HTML: no scripts, nothing loaded from anywhere. */
import { VERDICTS, type Verdict } from '../jobs/reconciliation/compare-results.ts'
import type { DeltaBar } from '../jobs/reconciliation/delta-histogram.ts'
import type { Change, FieldFindings, TimelinePart } from '../jobs/reconciliation/findings.ts'
import { barChart, shareBar, type Bar, type Segment } from './page-charts.ts'
import { EMPTY, Html, html } from './page-html.ts'
import { PAGE_STYLE } from './page-style.ts'
import {
  differencesOf,
  isClean,
  notRight,
  showDelta,
  showValue,
  sideNames,
  VERDICT_WORDS,
  type ReconcileReport,
} from './reconcile-report.ts'
import { counted, formatCount, formatTime } from './text.ts'

const CHARTED_FIELDS_MAX = 8
const DIFFERENT: readonly Verdict[] = ['changed', 'missing', 'extra']

/** The page. */
export function reportPage(report: ReconcileReport, writtenAtMs: number): string {
  const { record } = report
  const title = `Backfill ${record.id} of ${record.applicationId}: comparison`
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <title>${title}</title>
        <style>
          ${new Html(PAGE_STYLE)}
        </style>
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          ${introduction(report)} ${verdict(report)} ${counts(report)} ${timeline(report)} ${deltas(report)}
          ${largest(report)} ${invariants(report)} ${truth(report)} ${facts(report)}
          <p class="soft">Written by millrace, ${formatTime(writtenAtMs)}.</p>
        </main>
      </body>
    </html> `
  return page.text
}

function introduction(report: ReconcileReport): Html {
  const { range } = report.record.plan
  const { published, staged } = sideNames(report)
  return html`<p>
    Results with times from ${formatTime(range.fromMs)} to ${formatTime(range.toMs)} were computed again by
    this backfill (<em>${staged}</em>) and compared, key by key, with those that are <em>${published}</em>.
  </p>`
}

function verdict(report: ReconcileReport): Html {
  const { violations } = report
  if (isClean(report)) {
    return html`<div class="verdict good">Clean: nothing differs, and every invariant holds.</div>`
  }
  const differences = differencesOf(report)
  const untrue = report.truth === undefined ? 0 : notRight(report.truth.findings)
  const items = [
    ...(differences > 0
      ? [`${counted(differences, 'result')} of ${formatCount(report.findings.compared)} differ`]
      : []),
    ...(untrue > 0 ? [`${counted(untrue, 'result')} not as the truth file has them`] : []),
    ...violations,
  ]
  return html`<div class="verdict bad">
    Not clean
    <ul>
      ${items.map((item) => html`<li>${item}</li>`)}
    </ul>
  </div>`
}

function counts(report: ReconcileReport): Html {
  const { findings } = report
  const { published, staged } = sideNames(report)
  const meanings: Readonly<Record<Verdict, string>> = {
    match: 'the same bytes on both sides',
    within: 'numbers differ, by no more than was allowed',
    changed: 'on both sides, and different',
    missing: `${staged}, not ${published}`,
    extra: `${published}, not ${staged}`,
  }
  const tiles = VERDICTS.map(
    (kind) =>
      html`<div class="tile">
        <span class="soft"><span class="dot ${kind}"></span>${VERDICT_WORDS[kind]}</span>
        <b>${formatCount(findings.counts[kind])}</b><small>${meanings[kind]}</small>
      </div>`,
  )
  const segments = VERDICTS.map((kind) => ({
    kind,
    label: VERDICT_WORDS[kind],
    count: findings.counts[kind],
  }))
  return html`<h2>${counted(findings.compared, 'result')} compared</h2>
    ${findings.compared === 0 ? EMPTY : shareBar('Shares of the kinds', segments)}
    <div class="tiles">${tiles}</div>`
}

function timeline(report: ReconcileReport): Html {
  if (differencesOf(report) === 0) return EMPTY
  const parts = report.findings.timeline
  const every = Math.max(1, Math.ceil(parts.length / 6))
  const spanMs = (parts.at(-1)?.toMs ?? 0) - (parts[0]?.fromMs ?? 0)
  const bars = parts.map((part, index): Bar => {
    const label = index % every === 0 ? shortTime(part.fromMs, spanMs) : ''
    const title = `${formatTime(part.fromMs)} to ${formatTime(part.toMs)}`
    return { label, title, segments: segmentsOf(part) }
  })
  return html`<h2>Differences over time</h2>
    <figure>
      ${barChart('Differences by the time of the results', bars)}
      <figcaption>Differences by the time of their results (UTC): ${DIFFERENT.map(legend)}</figcaption>
    </figure>`
}

function segmentsOf({ counts: inPart }: TimelinePart): readonly Segment[] {
  return DIFFERENT.map((kind) => ({ kind, label: VERDICT_WORDS[kind], count: inPart[kind] }))
}

function legend(kind: Verdict): Html {
  return html`<span><span class="dot ${kind}"></span>${VERDICT_WORDS[kind]} </span>`
}

function deltas({ findings }: ReconcileReport): Html {
  const numbers = findings.fields.filter(({ deltas: bars }) => bars.length > 0)
  if (numbers.length === 0) return EMPTY
  const charts = numbers.slice(0, CHARTED_FIELDS_MAX).map(deltaChart)
  const left = numbers.length - charts.length
  const more =
    left === 0
      ? EMPTY
      : html`<p class="soft">${counted(left, 'more field')} with changed numbers not drawn.</p>`
  return html`<h2>How far numbers moved</h2>
    <p class="soft">
      Staged less published, by order of magnitude: to the left what became smaller, to the right what became
      larger; bars further out moved further.
    </p>
    ${charts}${more}`
}

function deltaChart({ name, changed, deltas: found }: FieldFindings): Html {
  const bars = found.map((bar): Bar => {
    const segments = [{ kind: 'changed', label: bar.count === 1 ? 'result' : 'results', count: bar.count }]
    return { label: deltaLabel(bar), title: deltaTitle(bar), segments }
  })
  return html`<h3><code>${name}</code>, in ${counted(changed, 'result')}</h3>
    <figure>${barChart(`Changes of ${name} by size`, bars)}</figure>`
}

function deltaLabel({ sign, leastSize, mostSize }: DeltaBar): string {
  if (sign === 0) return '0'
  const size = leastSize === 0 ? `< ${plainNumber(mostSize)}` : `≥ ${plainNumber(leastSize)}`
  return `${sign < 0 ? '−' : '+'} ${size}`
}

function deltaTitle({ sign, leastSize, mostSize }: DeltaBar): string {
  if (sign === 0) return 'the same'
  const most = Number.isFinite(mostSize) ? ` and less than ${plainNumber(mostSize)}` : ''
  return `${sign < 0 ? 'smaller' : 'larger'} by at least ${plainNumber(leastSize)}${most}`
}

function plainNumber(value: number): string {
  return value >= 1 && value < 1e6 ? formatCount(value) : String(value)
}

function largest(report: ReconcileReport): Html {
  const { findings } = report
  if (findings.largest.length === 0) return EMPTY
  const { published, staged } = sideNames(report)
  const total = differencesOf(report) + findings.counts.within
  const shown = `${formatCount(findings.largest.length)} of ${formatCount(total)}`
  return html`<h2>The largest differences</h2>
    <div class="scroll">
      <table>
        <caption>
          ${shown}, by the largest change of a number in proportion to it; what is on one side only comes
          first.
        </caption>
        <thead>
          <tr>
            <th>key</th>
            <th>time</th>
            <th>kind</th>
            <th>field</th>
            <th class="number">${published}</th>
            <th class="number">${staged}</th>
            <th class="number">difference</th>
          </tr>
        </thead>
        <tbody>
          ${findings.largest.map(changeRows)}
        </tbody>
      </table>
    </div>`
}

function changeRows({ key, timestampMs, verdict: kind, fields }: Change): Html {
  const rows = Math.max(1, fields.length)
  const head = html`<td rowspan="${rows}"><code>${key}</code></td>
    <td rowspan="${rows}">${formatTime(timestampMs)}</td>
    <td rowspan="${rows}"><span class="dot ${kind}"></span>${VERDICT_WORDS[kind]}</td>`
  if (fields.length === 0)
    return html`<tr>
      ${head}
      <td colspan="4"></td>
    </tr>`
  return html`${fields.map(
    ({ name, published, staged, delta }, index) =>
      html`<tr>
        ${index === 0 ? head : EMPTY}
        <td><code>${name}</code></td>
        <td class="number">${showValue(published)}</td>
        <td class="number">${showValue(staged)}</td>
        <td class="number">${showDelta(delta)}</td>
      </tr>`,
  )}`
}

function invariants({ findings }: ReconcileReport): Html {
  const rows = findings.invariants.map(
    ({ name, violations, examples }) =>
      html`<tr>
        <td>${name}</td>
        <td>${violations === 0 ? 'holds' : `violated by ${formatCount(violations)}`}</td>
        <td>${examples.map((example) => html`<code>${example}</code> `)}</td>
      </tr>`,
  )
  return html`<h2>What must hold of every staged result</h2>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>invariant</th>
            <th>${counted(findings.staged.results, 'result')}</th>
            <th>for example</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>`
}

function truth({ truth: told }: ReconcileReport): Html {
  if (told === undefined) return EMPTY
  const { match, within, wrong, absent, unexpected, examples } = told.findings
  const rows = examples.map(({ key, kind, fields }) => {
    const values = fields.map(
      ({ name, published, staged }) =>
        `${name} should be ${showValue(published)} and is ${showValue(staged)}`,
    )
    return html`<tr>
      <td><code>${key}</code></td>
      <td>${kind}</td>
      <td>${values.join('; ')}</td>
    </tr>`
  })
  const table = html`<div class="scroll">
    <table>
      <thead>
        <tr>
          <th>key</th>
          <th>kind</th>
          <th>what</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`
  return html`<h2>Against the results of <code>${told.file}</code></h2>
    <p>
      ${formatCount(match)} match, ${formatCount(within)} within tolerance, ${formatCount(wrong)} wrong,
      ${formatCount(absent)} not staged, ${formatCount(unexpected)} not in the file.
    </p>
    ${rows.length === 0 ? EMPTY : table}`
}

function facts(report: ReconcileReport): Html {
  const { record, tolerances, findings, atMs } = report
  const { plan, planHash } = record
  const sides = sideNames(report)
  const allowed = [...tolerances].map(([name, most]) => `${name} ${most}`).join(', ')
  const rows: readonly (readonly [string, Html | string])[] = [
    ['Compared at', formatTime(atMs)],
    ['Keys', plan.keys === null ? 'all' : plan.keys.join(', ')],
    ['Late readings', plan.late === 'as-live' ? 'judged as live judged them' : 'included'],
    ['Tolerances', allowed === '' ? 'none: equal to the byte' : allowed],
    ['Plan', html`<code>${planHash}</code>`],
    [`SHA-256 of what is ${sides.published}`, html`<code>${findings.published.sha256}</code>`],
    [`SHA-256 of what is ${sides.staged}`, html`<code>${findings.staged.sha256}</code>`],
    ['State of the backfill', record.state],
  ]
  return html`<h2>The comparison</h2>
    <div class="scroll">
      <table>
        <tbody>
          ${rows.map(
            ([name, value]) =>
              html`<tr>
                <th>${name}</th>
                <td>${value}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`
}

/** As much of a time as tells two parts of the span apart. */
function shortTime(ms: number, spanMs: number): string {
  const iso = new Date(ms).toISOString()
  if (spanMs > 4 * 86_400_000) return iso.slice(0, 10)
  return spanMs > 86_400_000 ? iso.slice(5, 16).replace('T', ' ') : iso.slice(11, spanMs < 600_000 ? 19 : 16)
}
