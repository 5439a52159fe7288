import { describe, expect, it } from 'vitest'
import { createInMemoryLog } from '../../../../src/log/embedded/index.ts'
import { SimulatedClock } from '../../../../src/testing/simulated-clock.ts'
import { SeededRandom } from '../../../../src/testing/seeded-random.ts'

describe('a log in memory', () => {
  it('needs nothing to be given', async () => {
    const log = createInMemoryLog()
    await log.createTopics([{ name: 'readings', partitions: 3 }])
    expect((await log.describeTopics(['readings'])).get('readings')?.partitions).toBe(3)
    await log.close()
  })

  it('shares nothing with another one', async () => {
    const [one, other] = [createInMemoryLog(), createInMemoryLog()]
    await one.createTopics([{ name: 'readings', partitions: 1 }])
    expect(await other.listTopics()).toEqual([])
    await Promise.all([one.close(), other.close()])
  })

  it('takes time and chance from where it is told: the same give the same topic id', async () => {
    const topicId = async (seed: number): Promise<string | undefined> => {
      const log = createInMemoryLog({ clock: new SimulatedClock(), random: new SeededRandom(seed) })
      await log.createTopics([{ name: 'readings', partitions: 1 }])
      return (await log.describeTopics(['readings'])).get('readings')?.topicId
    }
    expect(await topicId(1)).toBe(await topicId(1))
    expect(await topicId(1)).not.toBe(await topicId(2))
  })

  it('answers nothing after it was closed', async () => {
    const log = createInMemoryLog()
    await log.close()
    await expect(log.listTopics()).rejects.toMatchObject({ code: 'LOG_CLOSED' })
  })
})
