/**
 * A process that replays the dead letters of `readings.dlq`, unless it is killed before.
 *
 *     node dist/test/support/killed-replay.js <log directory> [<kill point> <occurrence>]
 *
 * Prints how many letters the run has put back, earlier processes included.
 */
import { handleLetters } from '../../src/jobs/dead-letters/handle-letters.ts'
import { planHandling } from '../../src/jobs/dead-letters/plan-handling.ts'
import { openEmbeddedLog, systemClock, systemRandom } from '../../src/index.ts'
import { Killer, killedLog, type KillPoint } from './kill-points.ts'

const [directory, point, occurrence] = process.argv.slice(2)
const killer = new Killer((point ?? '') as KillPoint, Number(occurrence ?? 1))
const log = await openEmbeddedLog({ directory: directory! })
const spec = {
  log: killedLog(log, killer),
  clock: systemClock,
  random: systemRandom,
  signal: new AbortController().signal,
  applicationId: 'killed',
  letterTopic: 'readings.dlq',
  by: 'killed-replay',
  request: { action: 'replay', filter: {}, maxAttempts: undefined, again: false },
} as const
const { counts } = await handleLetters(spec, await planHandling(spec))
process.stdout.write(`${counts.replayed}\n`)
await log.close()
