/** What test/readme.test.ts rests on is checked itself: each of its checks finds what it is there to find. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { resolveSettings } from '../src/cli/resolve-settings.ts'
import { flagOf, SETTING_KEYS, variableOf } from '../src/cli/settings.ts'
import { ConfigError } from '../src/errors.ts'
import { comparable, fencedBlocks, outputPattern } from './support/markdown-blocks.ts'
import { Clone, UserProject } from './support/readme-project.ts'
import { between, isFromEnvironment, isFromFile, TABLES, withTable } from './support/readme-tables.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const folder = temporaryFolder()

function emptyFolder(name: string): string {
  const made = path.join(folder.path, name)
  mkdirSync(made)
  return made
}

function blockOf(code: string) {
  return fencedBlocks(`# Title\n\n\`\`\`ts run\n${code}\n\`\`\`\n`)[0]!
}

describe('the blocks of a text', () => {
  it('have a language, marks, code, a line, and the output that follows', () => {
    const markdown =
      'One:\n```ts run\nlet a = 1\n\na++\n```\nprints\n```text\n1\n```\nand\n```\nnothing\n```\n'
    expect(fencedBlocks(markdown)).toEqual([
      { language: 'ts', marks: ['run'], code: 'let a = 1\n\na++\n', line: 3, output: '1\n' },
      { language: 'text', marks: [], code: '1\n', line: 9, output: undefined },
      { language: '', marks: [], code: 'nothing\n', line: 13, output: undefined },
    ])
  })

  it('may stand in a list, hold fences of another kind, be of tildes, be empty', () => {
    const markdown = '- a\n\n  ````md\n  ```ts\n    x\n  ```\n  ````\n\n~~~sh\n```\n~~~\n```ts\n```\n'
    expect(fencedBlocks(markdown).map(({ language, code }) => [language, code])).toEqual([
      ['md', '```ts\n  x\n```\n'],
      ['sh', '```\n'],
      ['ts', ''],
    ])
  })

  it('are not made of code in a line', () => {
    expect(fencedBlocks('``` not a block ``` and `this` neither\n')).toEqual([])
  })

  it('have to be closed', () => {
    expect(() => fencedBlocks('text\n```ts\nlet a\n')).toThrow('line 2: the code block is not closed')
  })
})

describe('an expected output', () => {
  const matches = (expected: string, actual: string): boolean =>
    outputPattern(expected).test(comparable(actual))

  it('is the whole output', () => {
    expect(matches('a\nb\n', 'a\nb\n')).toBe(true)
    expect(matches('a\nb\n', '\na  \nb\n\n')).toBe(true)
    expect(matches('a\n', 'a\nb\n')).toBe(false)
    expect(matches('b\n', 'a\nb\n')).toBe(false)
    expect(matches('a.c (1)\n', 'abc (1)\n')).toBe(false)
  })

  it('lets … stand for anything in a line, and alone for any lines', () => {
    expect(matches('took … s, … records\n', 'took 0.4 s, 12 records\n')).toBe(true)
    expect(matches('took … s\n', 'took 0.4\ns\n')).toBe(false)
    expect(matches('a\n…\nd\n', 'a\nb\nc\nd\n')).toBe(true)
    expect(matches('a\n…\nd\n', 'a\nd\n')).toBe(true)
    expect(matches('a\n  …\n', 'a\nb\nc\n')).toBe(true)
    expect(matches('a\n…\nd\n', 'a\nb\n')).toBe(false)
  })

  it('says something', () => {
    expect(() => outputPattern('…\n\n…\n')).toThrow('says something')
  })
})

describe('a project that uses millrace', { timeout: 180_000 }, () => {
  it('finds what does not compile, by its line in the README', () => {
    const blocks = [
      blockOf("import { StreamsBuilder } from 'millrace'\nexport const b: number = new StreamsBuilder()"),
      { ...blockOf("import { nothing } from 'millrace/testing'\nnothing()"), line: 20 },
    ]
    expect(new UserProject(emptyFolder('wrong')).compile(blocks)).toEqual([
      "README.md:5: Type 'StreamsBuilder' is not assignable to type 'number'.",
      expect.stringMatching(/^README\.md:20: Module '"millrace\/testing"' has no exported member 'nothing'/),
    ])
  })

  it('runs what compiles', async () => {
    const project = new UserProject(emptyFolder('right'))
    const block = blockOf(
      [
        "import { describeAsText, describeTopology, StreamsBuilder } from 'millrace'",
        "import { map } from 'rxjs'",
        'const builder = new StreamsBuilder()',
        "builder.stream<string, number>('a').pipeValues((values) => values.pipe(map((x) => x + 1))).to('b')",
        'console.log(describeAsText(describeTopology(builder.build())))',
      ].join('\n'),
    )
    expect(project.compile([block])).toEqual([])
    const { code, stdout, stderr } = await project.run(block)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('pipeValues')
  })
})

describe('a clone', { timeout: 180_000 }, () => {
  const clone = new Clone(emptyFolder('clone'))

  it('runs commands in a shell until one fails', async () => {
    expect(await clone.run('echo one | tr o 0\nfalse\necho two')).toEqual({
      code: 1,
      stdout: '0ne\n',
      stderr: '',
    })
  })

  it('has the program, its data and its scripts, and keeps what they make', async () => {
    const imported = await clone.run('npx millrace import data/ambient_temperature_system_failure.csv')
    expect(imported.code, imported.stderr).toBe(0)
    const told = await clone.run(
      'npx millrace topics | grep -c readings; npm run --silent example | head -c 8',
    )
    expect(told.code, told.stderr).toBe(0)
    expect(told.stdout).toMatch(/^[1-9]\d*\nExamples$/)
  })

  it('does not wait for what is left in the background', async () => {
    const { code, stdout } = await clone.run('sleep 1000 &\necho done')
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'done\n' })
  })
})

describe('the tables', () => {
  it('stand between their marks, whatever stood there', async () => {
    const markdown = 'a\n\n<!-- t:begin -->\n\nold\n\n<!-- t:end -->\n\nb\n'
    const written = await withTable(markdown, 't', '| x | y |\n| --- | --- |\n| 1 | $& |\n')
    expect(written).toBe(
      'a\n\n<!-- t:begin -->\n\n| x   | y   |\n| --- | --- |\n| 1   | $&  |\n\n<!-- t:end -->\n\nb\n',
    )
    expect(await withTable(written, 't', '| x | y |\n| --- | --- |\n| 1 | $& |\n')).toBe(written)
    expect(between(written, 'other')).toBeUndefined()
  })

  it('have a row for every setting, with all its names', () => {
    const rows = TABLES['settings']!().split('\n')
    for (const key of SETTING_KEYS) {
      const found = rows.filter(
        (row) => row.startsWith(`| \`${flagOf(key)}\``) || row.startsWith(`| \`${flagOf(key)} <`),
      )
      expect(found.length, key).toBeGreaterThan(0)
    }
  })

  it('say where a setting may come from, as the program does', () => {
    const refused = { environment: 'is not taken from the environment', file: 'is not taken from a file' }
    for (const key of SETTING_KEYS) {
      const byEnvironment = problemsOf({ [variableOf(key)]: '?' }, new Map())
      const byFile = problemsOf({}, new Map([[key, '?']]))
      expect(byEnvironment.includes(refused.environment), key).toBe(!isFromEnvironment(key))
      expect(byFile.includes(refused.file), key).toBe(!isFromFile(key))
    }
  })
})

/** What is told of settings from these two sources; empty when nothing is wrong with them. */
function problemsOf(environment: Record<string, string>, file: ReadonlyMap<string, unknown>): string {
  try {
    resolveSettings({ flags: new Map(), environment, file: { path: 'file', values: file } })
    return ''
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
}
