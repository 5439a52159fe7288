import { describe, expect, it } from 'vitest'
import { METRICS, ownCount, type MetricRow } from '../../../src/web/metric-table.ts'

const rows: readonly MetricRow[] = Object.values(METRICS)

describe('the metrics', () => {
  it('begin with millrace_, are told apart by their names, and each has a sentence', () => {
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length)
    for (const { name, help } of rows) {
      expect(name).toMatch(/^millrace_[a-z]+(_[a-z]+)*$/)
      expect(help).toMatch(/^[A-Z1].*\.$/)
    }
  })

  it('end in _total where they only grow, and nowhere else', () => {
    for (const { name, kind } of rows) expect(name.endsWith('_total'), name).toBe(kind === 'counter')
  })

  it('name the unit of what has one', () => {
    const measured = rows.filter(({ name }) => /lag|watermark|duration|state_bytes|restore_/.test(name))
    expect(measured.length).toBe(8)
    for (const { name } of measured) expect(name).toMatch(/_(seconds|bytes|offsets)$/)
  })

  it('can be extended by what an application counts itself', () => {
    expect(ownCount('seen', 'seen_total', 'Seen.')).toEqual({
      count: 'seen',
      metric: { name: 'millrace_seen_total', kind: 'counter', labels: ['task'], help: 'Seen.' },
    })
  })
})
