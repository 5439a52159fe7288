import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll } from 'vitest'
import { inMemoryHarness, levelHarness, socketHarness } from '../support/embedded-harness.ts'
import { describeLogContract } from './log-contract.ts'

const folders: string[] = []
const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'millrace-log-'))
  folders.push(folder)
  return folder
}
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

describeLogContract('embedded, in memory', () => Promise.resolve(inMemoryHarness()))

describeLogContract('embedded, in memory, outcomes becoming visible late', () =>
  Promise.resolve(inMemoryHarness(true)),
)

describeLogContract('embedded, on LevelDB, in process', async () => {
  return levelHarness(path.join(await newFolder(), 'data'))
})

describeLogContract('embedded, on LevelDB, through the socket', async () => {
  const folder = await newFolder()
  return socketHarness(path.join(folder, 'data'), path.join(folder, 'log.sock'))
})
