/** Charts of the page, as SVG of fixed size that scales with the page; every bar tells its value. */
import { html, type Html } from './page-html.ts'
import { formatCount } from './text.ts'

/** A part of a bar. */
export interface Segment {
  /** Names the colour: a class of the page's style. */
  readonly kind: string
  readonly label: string
  readonly count: number
}

/** A bar, or what stands on top of each other in it. */
export interface Bar {
  /** Under the bar; empty for none. */
  readonly label: string
  /** What the bar is of, in full, for whoever points at it. */
  readonly title: string
  readonly segments: readonly Segment[]
}

const WIDTH = 720
const HEIGHT = 220
const LEFT = 56
const RIGHT = 12
const TOP = 12
const BOTTOM = 30
const TICKS = 4

/** Upright bars side by side; `name` says what the chart shows, for those who cannot see it. */
export function barChart(name: string, bars: readonly Bar[]): Html {
  const totals = bars.map(({ segments }) => segments.reduce((sum, { count }) => sum + count, 0))
  const top = niceTop(Math.max(1, ...totals))
  const [width, height] = [WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM]
  const step = width / Math.max(1, bars.length)
  const gap = Math.min(step * 0.25, 12)
  const y = (count: number): number => TOP + height - (count / top) * height
  const ticks = ticksTo(top).map(
    (tick) =>
      html`<line
          class="grid"
          x1="${LEFT}"
          x2="${WIDTH - RIGHT}"
          y1="${round(y(tick))}"
          y2="${round(y(tick))}"
        />
        <text class="tick" x="${LEFT - 8}" y="${round(y(tick) + 4)}" text-anchor="end"
          >${formatCount(tick)}</text
        >`,
  )
  const drawn = bars.map((bar, index) => {
    const x = LEFT + index * step + gap / 2
    let below = 0
    const parts = bar.segments
      .filter(({ count }) => count > 0)
      .map(({ kind, label, count }) => {
        below += count
        return html`<rect
          class="${kind}"
          x="${round(x)}"
          y="${round(y(below))}"
          width="${round(Math.max(1, step - gap))}"
          height="${round(Math.max(1, (count / top) * height))}"
          ><title>${bar.title}: ${formatCount(count)} ${label}</title></rect
        >`
      })
    const label = html`<text
      class="tick"
      x="${round(x + (step - gap) / 2)}"
      y="${HEIGHT - 10}"
      text-anchor="middle"
      >${bar.label}</text
    >`
    return html`${parts}${bar.label === '' ? '' : label}`
  })
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${name}">
    <title>${name}</title>
    ${ticks} ${drawn}
    <line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${TOP + height}" y2="${TOP + height}" />
  </svg>`
}

/** One bar that is divided by shares. */
export function shareBar(name: string, segments: readonly Segment[]): Html {
  const total = segments.reduce((sum, { count }) => sum + count, 0)
  let x = 0
  const parts = segments
    .filter(({ count }) => count > 0)
    .map(({ kind, label, count }) => {
      const width = (count / total) * WIDTH
      const at = x
      x += width
      return html`<rect
        class="${kind}"
        x="${round(at)}"
        y="0"
        width="${round(Math.max(2, width))}"
        height="22"
        ><title>${label}: ${formatCount(count)}</title></rect
      >`
    })
  return html`<svg
    class="share"
    viewBox="0 0 ${WIDTH} 22"
    preserveAspectRatio="none"
    role="img"
    aria-label="${name}"
  >
    <title>${name}</title>
    ${parts}
  </svg>`
}

/** A round number at or above: 1, 2 or 5 times a power of ten. */
function niceTop(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most))
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= most) ?? 10
  return factor * power
}

function ticksTo(top: number): readonly number[] {
  const step = top >= TICKS ? top / TICKS : 1
  const ticks: number[] = []
  for (let tick = 0; tick <= top; tick += step) if (Number.isInteger(tick)) ticks.push(tick)
  return ticks
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
