import { describe, expect, it } from 'vitest'
import {
  advance,
  decodeBackfill,
  encodeBackfill,
  plannedBackfill,
  update,
} from '../../../../src/jobs/backfill/backfill-record.ts'
import { examplePlan } from '../../../support/backfill-plan.ts'

const planned = plannedBackfill('b1', 'sensors', examplePlan(), 1_000)

describe('the record of a backfill', () => {
  it('is read as it was written', () => {
    expect(decodeBackfill(encodeBackfill(planned))).toEqual(planned)
  })

  it('has the same hash for the same plan whatever order its fields have, and another for another plan', () => {
    const turned = Object.fromEntries(Object.entries(examplePlan()).reverse()) as never
    expect(plannedBackfill('b1', 'sensors', turned, 1_000).planHash).toBe(planned.planHash)
    const other = plannedBackfill('b1', 'sensors', { ...examplePlan(), late: 'include' }, 1_000)
    expect(other.planHash).not.toBe(planned.planHash)
  })

  it('goes on by its state machine and keeps its plan', () => {
    const running = advance(planned, 'running', 2_000)
    expect(running).toMatchObject({ state: 'running', createdAtMs: 1_000, updatedAtMs: 2_000 })
    expect(running.plan).toBe(planned.plan)
    expect(() => advance(running, 'promoted', 3_000)).toThrow('assertion failed')
    expect(update(running, 4_000, { rounds: [] })).toMatchObject({ state: 'running', updatedAtMs: 4_000 })
  })

  it.each([
    ['no JSON', '{'],
    ['a newer format', JSON.stringify({ ...planned, formatVersion: 2 })],
    ['a plan that was changed', JSON.stringify({ ...planned, plan: { ...planned.plan, late: 'include' } })],
    ['null', 'null'],
  ])('refuses %s', (_what, text) => {
    expect(() => decodeBackfill(text)).toThrow(expect.objectContaining({ code: 'BACKFILL_UNREADABLE' }))
  })
})
