import { fork } from 'node:child_process'
import path from 'node:path'
import { expect } from 'vitest'
import { expectCoverage } from './expect-coverage.ts'
import type { SeedsMessage } from './seeds-child.ts'

const CHILD = path.resolve(import.meta.dirname, '../../dist/test/simulation/seeds-child.js')

/**
 * Runs the seeds in [from, to) as the compiled program, which is half as fast again as under the test runner, and
 * expects that all give what the oracle says, and that they met every difficulty.
 */
export async function expectSeeds(from: number, to: number): Promise<void> {
  const message = await new Promise<SeedsMessage>((resolve, reject) => {
    const child = fork(CHILD, [String(from), String(to)], {
      execArgv: ['--enable-source-maps', '--max-semi-space-size=64'],
    })
    child.once('message', (told) => resolve(told as SeedsMessage))
    child.once('error', reject)
    child.once('exit', (code, signal) => reject(new Error(`the simulation ended with ${signal ?? code}`)))
  })
  if ('failure' in message) expect.fail(message.failure)
  expectCoverage(message.summary)
  expect(message.summary.statistics['wiped']).toBe(0)
}
