import { describe, expect, it } from 'vitest'
import { FatalError, RetriableError } from '../../../../src/errors.ts'
import { patiently } from '../../../../src/log/kafka/retry.ts'
import { FakeKafka } from '../../../support/fake-kafka.ts'

describe('patience', () => {
  const kafka = (): FakeKafka => new FakeKafka()

  it('calls again while that may help, with growing pauses, and gives up with the last error', async () => {
    const world = kafka()
    const times: number[] = []
    const work = patiently({ clock: world.clock, withinMs: 1_000 }, async () => {
      times.push(world.clock.monotonic())
      throw new RetriableError('BUSY', `attempt ${times.length}`)
    })
    await expect(world.run(work)).rejects.toThrow(`attempt ${times.length}`)
    const pauses = times.slice(1).map((time, i) => time - times[i]!)
    expect(pauses.slice(0, 9)).toEqual([2, 4, 8, 16, 32, 64, 128, 200, 200])
    expect(times.at(-1)).toBeLessThanOrEqual(1_000)
  })

  it('does not call again where that cannot help', async () => {
    let calls = 0
    const work = patiently({ clock: kafka().clock, withinMs: 1_000 }, async () => {
      calls += 1
      throw new FatalError('NO', 'no')
    })
    await expect(work).rejects.toThrow('no')
    expect(calls).toBe(1)
  })

  it('ends when it is told to', async () => {
    const world = kafka()
    const stop = new AbortController()
    let calls = 0
    const work = patiently({ clock: world.clock, withinMs: 1_000, signal: stop.signal }, async () => {
      calls += 1
      throw new RetriableError('BUSY', 'busy')
    })
    work.catch(() => undefined)
    await world.clock.advance(3)
    stop.abort()
    await expect(work).rejects.toThrow('busy')
    expect(calls).toBe(2)
    expect(world.clock.pendingTimers).toBe(0)
  })
})
