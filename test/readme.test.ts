/**
 * The README tells the truth: its code compiles, its commands work and print what it says, its tables are
 * those of the sources.
 *
 * - `ts`: compiled as a module of its own. `ts run`: run too, and the `text` block behind it is its whole
 *   output.
 * - `sh run`: run with the others in order, in one clone; a `text` block right behind it is the output on
 *   stdout.
 * - In such a `text` block `…` stands for anything in a line, and alone on a line for any lines.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { comparable, fencedBlocks, outputPattern, type FencedBlock } from './support/markdown-blocks.ts'
import { Clone, UserProject } from './support/readme-project.ts'
import { between, TABLES, withTable } from './support/readme-tables.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const README = path.resolve(import.meta.dirname, '../README.md')
const RUN_WITHIN_MS = 180_000

const text = existsSync(README) ? readFileSync(README, 'utf8') : ''
const blocks = fencedBlocks(text)
const modules = blocks.filter(({ language }) => language === 'ts')
const programs = modules.filter(isRun)
const commands = blocks.filter((block) => block.language === 'sh' && isRun(block))
const folder = temporaryFolder()

function isRun({ marks }: FencedBlock): boolean {
  return marks.includes('run')
}

function emptyFolder(name: string): string {
  const made = path.join(folder.path, name)
  mkdirSync(made)
  return made
}

it('README.md shows code and commands that are tried here', () => {
  expect({ programs: programs.length > 0, commands: commands.length > 0 }).toEqual({
    programs: true,
    commands: true,
  })
})

it('README.md marks code in no other way than is known here', () => {
  const known = /^(ts|sh)( run)?$|^[a-z]*$/
  const words = blocks.map(({ language, marks }) => [language, ...marks].join(' '))
  expect(words.filter((word) => !known.test(word))).toEqual([])
})

describe.skipIf(modules.length === 0)('the modules of README.md', () => {
  let project: UserProject
  let problems: readonly string[]
  beforeAll(() => {
    project = new UserProject(emptyFolder('project'))
    problems = project.compile(modules)
  }, RUN_WITHIN_MS)

  it('compile', () => {
    expect(problems).toEqual([])
  })

  it.each(programs)('print what it says: line $line', { timeout: RUN_WITHIN_MS }, async (block) => {
    const { code, stdout, stderr } = await project.run(block)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(block.output, 'a text block with the output').toBeDefined()
    expect(comparable(stdout)).toMatch(outputPattern(block.output!))
  })
})

describe.skipIf(commands.length === 0)('the commands of README.md', () => {
  let clone: Clone
  beforeAll(() => {
    clone = new Clone(emptyFolder('millrace'))
  }, RUN_WITHIN_MS)

  it.each(commands)('work as it says: line $line', { timeout: RUN_WITHIN_MS }, async (block) => {
    const { code, stdout, stderr } = await clone.run(block.code)
    expect(code, stderr).toBe(0)
    if (block.output !== undefined) expect(comparable(stdout)).toMatch(outputPattern(block.output))
  })
})

describe('the tables of README.md', () => {
  it('has the table of all settings of the commands', () => {
    expect(between(text, 'settings'), '<!-- settings:begin --> and <!-- settings:end -->').toBeDefined()
  })

  it.each(Object.keys(TABLES))('%s: is that of the sources (UPDATE=1 writes it)', async (name) => {
    if (between(text, name) === undefined) return
    const current = readFileSync(README, 'utf8')
    const expected = await withTable(current, name, TABLES[name]!())
    if (process.env['UPDATE'] === '1' && expected !== current) writeFileSync(README, expected)
    else expect(between(current, name)).toBe(between(expected, name))
  })
})
