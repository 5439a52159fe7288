/** Positive control: sums that are rounded at every addition, and so depend on the order. */
import { expect, it, vi } from 'vitest'
import type * as exactSum from '../../src/sensors/exact-sum.ts'
import { expectCaught } from './planted-fault.ts'

const fault = vi.hoisted(() => ({ planted: false }))

vi.mock('../../src/sensors/exact-sum.ts', async (importOriginal) => {
  const original = await importOriginal<typeof exactSum>()
  return {
    ...original,
    addExact: (partials: readonly number[], x: number): readonly number[] =>
      fault.planted ? [(partials[0] ?? 0) + x] : original.addExact(partials, x),
  }
})

// The oracle adds with the same function, in its own order: what it finds is not the rounding but the order.
it('the simulation notices that sums depend on the order of addition', async () => {
  const { told } = await expectCaught({
    seeds: [11, 23, 35, 47],
    plant: (faults) => {
      fault.planted = true
      faults.onRemove(() => (fault.planted = false))
    },
  })
  expect(told).toMatch(/"sum":/)
}, 60_000)
