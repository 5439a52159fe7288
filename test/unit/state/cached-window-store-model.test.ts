/** The store against a plain model, whatever happens around it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { windowHistories, WindowModel } from '../../support/window-model.ts'

describe('CachedWindowStore answers as a map of maps would', () => {
  it.each([
    [301, 'the runtime closes its windows', true],
    [302, 'its windows expire by the time of the record', false],
  ])('seed %d: %s', async (seed, _how, closedByRuntime) => {
    await fc.assert(
      fc.asyncProperty(windowHistories, async (steps) => {
        const model = await WindowModel.of(closedByRuntime)
        await model.run(steps)
        // The changelog says neither too little nor too much; windows that expired may be in it for a while.
        const { entryCount } = model.rig.store
        if (closedByRuntime) expect(entryCount).toBe(model.size)
        else expect(entryCount).toBeGreaterThanOrEqual(model.liveSize)
        if (!model.evicted) expect(model.rig.needlessTombstones).toBe(0)
      }),
      { seed, numRuns: 600 },
    )
  })
})
