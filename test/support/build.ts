/**
 * Builds the program before tests that start it as a process; a global setup of vitest. Left out when the build is newer
 * than the sources, and when only other tests are asked for.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const ROOT = path.resolve(import.meta.dirname, '../..')
/** Its time is that of the last build that succeeded. */
const MARKER = path.join(ROOT, 'dist', 'built-for-tests')

export function setup(): void {
  const asked = process.argv.slice(2).filter((argument) => /[\\/]|\.test/.test(argument))
  const others = asked.length > 0 && !asked.some((name) => name.includes('test/cli') || name === 'test')
  if (others || newestIn('src') <= timeOf(MARKER)) return
  const compiler = path.join(ROOT, 'node_modules/typescript/bin/tsc')
  const built = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (built.status !== 0) throw new Error(`the build failed:\n${built.stdout}${built.stderr}`)
  writeFileSync(MARKER, '')
}

function newestIn(folder: string): number {
  const entries = readdirSync(path.join(ROOT, folder), { recursive: true, withFileTypes: true })
  return Math.max(...entries.map((entry) => timeOf(path.join(entry.parentPath, entry.name))))
}

/** When a file was written; minus infinity where there is none. */
function timeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? -Infinity
}
