import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../../src/clock.ts'
import { newDeferred, type Deferred } from '../../../../src/log/embedded/deferred.ts'
import type { EngineOp } from '../../../../src/log/embedded/engine.ts'
import { MemoryEngine } from '../../../../src/log/embedded/memory-engine.ts'
import { WriteQueue } from '../../../../src/log/embedded/write-queue.ts'

/** An engine whose writes end when the test says so. */
class SlowEngine extends MemoryEngine {
  readonly writes: { ops: readonly EngineOp[]; sync: boolean; done: Deferred<void> }[] = []

  override write(ops: readonly EngineOp[], options?: { readonly sync: boolean }): Promise<void> {
    const done = newDeferred<void>()
    this.writes.push({ ops, sync: options?.sync ?? false, done })
    return done.promise
  }
}

const op = (name: string): EngineOp => ({ key: Buffer.from(name), value: Buffer.from(name) })
const names = (ops: readonly EngineOp[]): string => ops.map(({ key }) => key.toString()).join('')

describe('WriteQueue', () => {
  it('writes one after the other, and what waited together', async () => {
    const engine = new SlowEngine()
    const queue = new WriteQueue(engine)
    const order: string[] = []
    const note = (name: string, sync: boolean): Promise<number> =>
      queue.write([op(name)], { sync }).then(() => order.push(name))
    const all = [note('a', false), note('b', false), note('c', true), note('d', false)]
    expect(engine.writes.map(({ ops, sync }) => [names(ops), sync])).toEqual([['a', false]])
    engine.writes[0]!.done.resolve()
    await all[0]
    expect(engine.writes.map(({ ops, sync }) => [names(ops), sync])).toEqual([
      ['a', false],
      ['bcd', true],
    ])
    expect(order).toEqual(['a'])
    engine.writes[1]!.done.resolve()
    await Promise.all(all)
    expect(order).toEqual(['a', 'b', 'c', 'd'])
    await queue.idle()
    void note('e', false)
    expect(engine.writes).toHaveLength(3)
  })

  it('refuses everything after a failed write', async () => {
    const engine = new SlowEngine()
    const queue = new WriteQueue(engine)
    const first = queue.write([op('a')], { sync: true })
    const waiting = queue.write([op('b')], { sync: true })
    engine.writes[0]!.done.reject(new Error('disk on fire'))
    const failure = {
      name: 'FatalError',
      code: 'LOG_WRITE_FAILED',
      message: expect.stringContaining('on fire'),
    }
    await expect(first).rejects.toMatchObject(failure)
    await expect(waiting).rejects.toMatchObject(failure)
    await expect(queue.write([op('c')], { sync: false })).rejects.toBe(queue.failure)
    await systemClock.yieldNow()
    expect(engine.writes).toHaveLength(1)
    await queue.idle()
  })
})
