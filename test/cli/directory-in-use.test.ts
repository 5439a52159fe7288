/** A data directory that somebody else holds, and signals meanwhile. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { startMillrace } from '../support/millrace.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const folder = temporaryFolder()
/** The program takes two signals within 0.3 s for one wish. */
const TWO_WISHES_MS = 400

describe('a directory that another process holds and does not serve', () => {
  mkdirSync(path.join(folder.path, '.millrace/log'), { recursive: true })
  // This very process holds it and does not answer.
  folder.write('.millrace/log/millrace.lock', JSON.stringify({ pid: process.pid, started: 'unknown' }))
  const isTold = ({ stderr }: { stderr: string }): boolean =>
    stderr.includes('another process holds it and does not answer yet')

  it.concurrent(
    'is waited for, then told with the process that holds it',
    async () => {
      const waiting = startMillrace(['topics'], { cwd: folder.path })
      await waiting.until(isTold)
      const { code, stderr } = await waiting.ended
      expect(stderr).toMatch(new RegExp(`held by process ${process.pid}, which does not answer`))
      expect(stderr).toContain('choose another --data-dir')
      expect(code).toBe(1)
    },
    90_000,
  )

  it.concurrent.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('does not keep a second %s from ending the program at once', async (name, code) => {
    const waiting = startMillrace(['topics'], { cwd: folder.path })
    await waiting.until(isTold)
    waiting.signal(name)
    await setTimeout(TWO_WISHES_MS)
    expect((await waiting.stop(name)).code).toBe(code)
  })
})
