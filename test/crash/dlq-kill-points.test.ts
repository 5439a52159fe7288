/** A replay of dead letters that is killed (SIGKILL) at every point of a transaction, and the next one that goes on. */
import { execFile } from 'node:child_process'
import { cpSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { readAudit } from '../../src/jobs/audit.ts'
import { openEmbeddedLog } from '../../src/log/embedded/index.ts'
import { DEAD_LETTER } from '../../src/runtime/header-names.ts'
import { KILL_POINTS, type KillPoint } from '../support/kill-points.ts'
import { failureHeaders, writeRecords } from '../support/letters.ts'
import { readTopic } from '../support/read-topic.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const REPLAY = path.resolve(import.meta.dirname, '../../dist/test/support/killed-replay.js')
const LETTERS = 3_400
/** Points of a commit; a replay has no commit entries of tasks. */
const POINTS = KILL_POINTS.filter((point) => point.startsWith('commit:') && !point.includes('commit entries'))

const folder = temporaryFolder()
const prepared = path.join(folder.path, 'prepared')

beforeAll(async () => {
  const log = await openEmbeddedLog({ directory: prepared })
  await log.createTopics([
    { name: 'readings', partitions: 3 },
    { name: 'readings.dlq', partitions: 2 },
  ])
  const letters = [0, 1].map((partition) =>
    Array.from({ length: LETTERS / 2 }, (_, index) => ({
      key: `k${index % 7}`,
      value: `${partition}:${index}`,
      headers: failureHeaders({ [DEAD_LETTER.partition]: String(index % 3) }),
    })),
  )
  await writeRecords(log, 'readings.dlq', letters)
  await log.close()
})

describe('a replay that is killed', () => {
  it.each(POINTS)(
    '%s: the next one goes on, and every letter is back once',
    async (point) => {
      const directory = path.join(folder.path, String(POINTS.indexOf(point)))
      cpSync(prepared, directory, { recursive: true })
      expect(await replay(directory, point, 2)).toMatchObject({ signal: 'SIGKILL' })
      const between = (await valuesIn(directory)).length
      expect(between).toBeGreaterThan(0)
      expect(between).toBeLessThan(LETTERS)
      expect(await replay(directory)).toEqual({ signal: undefined, out: `${LETTERS}\n` })
      const values = await valuesIn(directory)
      expect([values.length, new Set(values).size]).toEqual([LETTERS, LETTERS])
      const log = await openEmbeddedLog({ directory })
      const audit = await readAudit(log, 'killed')
      await log.close()
      expect(audit.map(({ result }) => result)).toEqual(['begun', 'begun', 'ok'])
      expect(new Set(audit.map(({ operation }) => operation)).size).toBe(1)
    },
    60_000,
  )
})

async function valuesIn(directory: string): Promise<readonly (string | null)[]> {
  const log = await openEmbeddedLog({ directory })
  const records = await readTopic(log, 'readings')
  await log.close()
  return records.flat().map(({ value }) => value)
}

function replay(
  directory: string,
  point: KillPoint | '' = '',
  occurrence = 1,
): Promise<{ signal: string | undefined; out: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [REPLAY, directory, point, String(occurrence)], (error, stdout, stderr) => {
      if (error !== null && error.signal !== 'SIGKILL') console.error(stderr)
      resolve({ signal: error?.signal ?? undefined, out: stdout })
    })
  })
}
