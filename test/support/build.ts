/**
 * Builds the program before tests that start it as a process; a global setup of vitest. Left out when the
 * build is newer than the sources, and when only other tests are asked for.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const ROOT = path.resolve(import.meta.dirname, '../..')
/** What is built, and the tests that start it. */
const SOURCES = ['src', 'examples', 'test/support', 'test/simulation']
const TESTS = [
  'test/chaos',
  'test/cli',
  'test/crash',
  'test/examples',
  'test/kafka',
  'test/readme',
  'test/simulation/simulation',
]
/** Its time is when the last build that succeeded began. */
const MARKER = path.join(ROOT, 'dist', 'built-for-tests')

export function setup(): void {
  const asked = process.argv.slice(2).filter((argument) => /[\\/]|\.test/.test(argument))
  const startIt = (name: string): boolean => name === 'test' || TESTS.some((test) => name.includes(test))
  if (asked.length > 0 && !asked.some(startIt)) return
  if (Math.max(...SOURCES.map(newestIn)) <= timeOf(MARKER)) return
  const marker = `${MARKER}-${process.pid}`
  mkdirSync(path.dirname(marker), { recursive: true })
  writeFileSync(marker, '')
  const compiler = path.join(ROOT, 'node_modules/typescript/bin/tsc')
  const built = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (built.status !== 0) throw new Error(`the build failed:\n${built.stdout}${built.stderr}`)
  renameSync(marker, MARKER)
}

function newestIn(folder: string): number {
  const entries = readdirSync(path.join(ROOT, folder), { recursive: true, withFileTypes: true })
  return Math.max(...entries.map((entry) => timeOf(path.join(entry.parentPath, entry.name))))
}

/** When a file was written; minus infinity where there is none. */
function timeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? -Infinity
}
