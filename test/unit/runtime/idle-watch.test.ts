import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { TopologyTestDriver } from '../../../src/testing/index.ts'
import { TimeWindows } from '../../../src/time/windows.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'

const IDLE_MS = 1_000
const SILENCE_MS = 2_000

async function counting() {
  const builder = new StreamsBuilder()
  builder
    .stream<string, number>('in')
    .groupByKey()
    .windowedBy(TimeWindows.ofSizeWithNoGrace(10))
    .count()
    .toStream(({ key, window }) => `${key}@${window.startMs}`)
    .to('out')
  const driver = await TopologyTestDriver.create(builder.build(), {
    config: { idleTimeoutMs: IDLE_MS, closeAfterSilenceMs: SILENCE_MS },
  })
  const serdes = { key: Serdes.string(), value: Serdes.json<number>() }
  const output = driver.createOutputTopic('out', serdes)
  return {
    driver,
    input: driver.createInputTopic('in', serdes),
    results: async () => (await output.readRecords()).map(({ key }) => key),
  }
}

describe('silence', () => {
  it('is counted from the last record, whenever in a time-out that came', async () => {
    for (const beforeMs of [0, 1, 400, 999]) {
      const { driver, input, results } = await counting()
      await driver.advanceWallClock(beforeMs)
      await input.pipeInput('k', 1, 5)
      await driver.advanceWallClock(IDLE_MS + SILENCE_MS - 150)
      expect(await results(), `${beforeMs} ms`).toEqual([])
      await driver.advanceWallClock(300)
      expect(await results(), `${beforeMs} ms`).toEqual(['k@0'])
      await driver.close()
    }
  })

  it('begins anew with each record', async () => {
    const { driver, input, results } = await counting()
    for (let count = 0; count < 8; count++) {
      await input.pipeInput('k', count, 5)
      await driver.advanceWallClock(IDLE_MS + SILENCE_MS - 150)
    }
    expect(await results()).toEqual([])
    await driver.close()
  })
})
