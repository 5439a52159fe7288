/** A folder for one test file, removed when its tests are done. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

export interface TemporaryFolder {
  readonly path: string
  /** Writes a file and returns its path. */
  write(name: string, content: string | Uint8Array): string
}

/** Makes the folder at once; to be called outside of tests. */
export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), 'millrace-test-'))
  afterAll(() => rmSync(path, { recursive: true, force: true }))
  return {
    path,
    write(name, content) {
      const file = join(path, name)
      writeFileSync(file, content)
      return file
    },
  }
}
