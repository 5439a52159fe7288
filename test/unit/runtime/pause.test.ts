import { setTimeout } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { codeOf, messageOf } from '../../../src/errors.ts'
import { assignPause, encodePause, pauseAskedBy, pauseIn, whilePaused } from '../../../src/runtime/pause.ts'
import { APPLICATION, changedLog, SavepointRig, type RigInstance } from '../../support/savepoint-rig.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const folder = temporaryFolder()
let rig: SavepointRig

afterEach(() => rig.close())

async function started(count: number): Promise<readonly RigInstance[]> {
  rig = new SavepointRig(folder.path)
  await rig.open()
  for (let instance = 0; instance < count; instance++) rig.start()
  await rig.feed(200)
  await rig.settled()
  return rig.instances
}

const spec = () => ({ log: rig.log, applicationId: APPLICATION, sessionTimeoutMs: 900 })

/** Commit log ends: they move with every commit and every start. */
async function ends(): Promise<readonly bigint[]> {
  const partitions = [0, 1].flatMap((part) =>
    [0, 1, 2].map((partition) => ({ topic: `${APPLICATION}-commits-${part}`, partition })),
  )
  return rig.log.offsets('end', partitions)
}

describe('an application that is held', () => {
  it('stands at its commits, keeps its tasks in memory and goes on with them', async () => {
    const instances = await started(3)
    const before = instances.map(({ app }) => new Map(app.tasks))
    await whilePaused(spec(), async (paused) => {
      const held = await ends()
      await rig.feed(1_000)
      // Several commit intervals.
      await setTimeout(300)
      paused.check()
      expect(await ends()).toEqual(held)
      for (const { app } of instances) {
        expect([...app.tasks.values()].map(({ task }) => task.state)).not.toContain('running')
      }
    })
    await rig.settled()
    instances.forEach(({ app, events }, index) => {
      expect([...app.tasks]).toEqual([...before[index]!])
      expect(events.filter(({ type }) => type === 'paused')).toEqual([{ type: 'paused', pause: 'hold' }])
    })
    const results = await rig.published()
    expect(Math.min(...results.map((records) => records.length))).toBeGreaterThan(0)
  })

  it('gives nothing to an instance that comes in the meantime, and takes it in afterwards', async () => {
    await started(1)
    await whilePaused(spec(), async (paused) => {
      const late = rig.start()
      await rig.until(() => late.events.some(({ type }) => type === 'paused'))
      expect(late.app.tasks.size).toBe(0)
      paused.check()
    })
    await rig.settled()
    expect(rig.instances.map(({ app }) => app.tasks.size)).toEqual([3, 3])
  })

  it('ends where that is asked for, in all instances', async () => {
    const instances = [...(await started(3))]
    await whilePaused(spec(), (paused) => paused.stopAll())
    expect(await Promise.all(instances.map(({ ended }) => ended))).toEqual([undefined, undefined, undefined])
    expect(instances.map(({ app }) => app.state)).toEqual(['stopped', 'stopped', 'stopped'])
  })

  it('goes on when whoever holds it fails, and when he dies', async () => {
    await started(2)
    await expect(whilePaused(spec(), () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    await rig.settled()
    const dying = rig.anotherLog()
    const holding = whilePaused({ ...spec(), log: dying }, () => new Promise(() => undefined))
    holding.catch(() => undefined)
    const paused = () =>
      rig.instances.every(({ events }) => events.filter(({ type }) => type === 'paused').length === 2)
    await rig.until(paused)
    dying.kill()
    await rig.feed(100)
    await rig.settled()
  })

  it('may belong to nobody: then it is held for whoever comes', async () => {
    await started(1)
    await rig.stopAll()
    const before = await ends()
    await whilePaused(spec(), () => Promise.resolve())
    expect(await ends()).toEqual(before)
  })
})

describe('an instance of a former incarnation', () => {
  it('ends with a clear message when it gets tasks, and has worked nothing', async () => {
    await started(1)
    const savepoint = await rig.create({ name: 'one', stop: true })
    await rig.stopAll()
    // It has read which incarnation there is, and stands still before it joins.
    const log = rig.anotherLog()
    let join = (): void => undefined
    const gate = new Promise<void>((resolve) => (join = resolve))
    let waits = false
    const slow = changedLog(log, {
      async joinGroup(options) {
        waits = true
        await gate
        return log.joinGroup(options)
      },
    })
    const late = rig.start(APPLICATION, slow)
    await rig.until(() => waits)
    expect(await rig.restore(savepoint)).toBe(1)
    const before = await ends()
    join()
    const error = await late.ended
    expect([codeOf(error, ''), messageOf(error)]).toEqual([
      'INCARNATION_OVER',
      expect.stringContaining('this instance belongs to incarnation 0. Start it again.'),
    ])
    expect(await ends()).toEqual(before)
  })
})

describe('a pause in an assignment', () => {
  it('is told from tasks, and is the same for everybody', () => {
    expect([pauseIn(encodePause('hold')), pauseIn(encodePause('stop'))]).toEqual(['hold', 'stop'])
    expect([pauseIn(Buffer.from('["0_0"]')), pauseIn(new Uint8Array(0))]).toEqual([undefined, undefined])
    const metadata = new Uint8Array(0)
    const members = ['a', 'b'].map((memberId) => ({ memberId, metadata }))
    expect([...assignPause(members, 'hold').values()].map(pauseIn)).toEqual(['hold', 'hold'])
  })

  it('is asked for by any member; to end goes before to wait', () => {
    const member = { instance: 'x', working: [], stored: [] }
    expect(pauseAskedBy([member])).toBe(undefined)
    expect(pauseAskedBy([member, { ...member, pause: 'hold' }])).toBe('hold')
    expect(
      pauseAskedBy([
        { ...member, pause: 'stop' },
        { ...member, pause: 'hold' },
      ]),
    ).toBe('stop')
  })

  it('is refused by a group whose leader knows none', async () => {
    await started(1)
    const { log } = rig
    await rig.stopAll()
    const older = await log.joinGroup({
      groupId: APPLICATION,
      sessionTimeoutMs: 900,
      metadata: () => Buffer.from('{"instance":"older","working":[],"stored":[]}'),
      assign: (members) =>
        Promise.resolve(new Map(members.map(({ memberId }) => [memberId, Buffer.from('["0_0"]')]))),
      listener: {
        onAssigned: () => Promise.resolve(),
        onRevoked: () => Promise.resolve(),
        onLost: () => Promise.resolve(),
        onFailed: () => undefined,
      },
    })
    const refused = await whilePaused(spec(), () => Promise.resolve()).catch((error: unknown) =>
      codeOf(error, ''),
    )
    expect(refused).toBe('PAUSE_REFUSED')
    await older.leave()
  })
})
