/**
 * For tests of topologies: `millrace/testing`.
 *
 * What lives in `testing/`: the TopologyTestDriver, and clocks and chance that a test decides. What never does: a
 * second implementation of anything; the driver runs the production tasks over the in-memory embedded log.
 */
export { TopologyTestDriver, type DriverOptions } from './topology-test-driver.ts'
export {
  TestInputTopic,
  TestOutputTopic,
  type PipedRecord,
  type TestRecord,
  type TopicSerdes,
} from './test-topics.ts'
export { SimulatedClock } from './simulated-clock.ts'
export { SeededRandom } from './seeded-random.ts'
export { MortalClock } from './mortal-clock.ts'
