/** The rules of the code base, as tests over its text. There are no exceptions to them. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const ROOT = path.resolve(import.meta.dirname, '..')

/** Folders and files of src/, lowest row first: a file imports from its own folder or from lower rows. */
const ROWS: readonly (readonly string[])[] = [
  ['errors.ts', 'assert.ts', 'clock.ts', 'crc32c.ts', 'directory-lock.ts'],
  ['time', 'serde', 'state', 'log'],
  ['topology'],
  ['runtime'],
  ['jobs', 'testing'],
  ['index.ts'],
  ['sensors', 'web'],
  ['cli'],
]

/** Where each npm dependency may be imported: folders, or files. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  kafkajs: ['log/kafka/transport/kafkajs.ts'],
  snappy: ['log/kafka/codec'],
  'lz4-napi': ['log/kafka/codec'],
  '@bokuweb/zstd-wasm': ['log/kafka/codec'],
  level: ['state/level-backend.ts', 'log/embedded'],
  avsc: ['serde'],
  rxjs: ['topology', 'runtime/pipeline.ts', 'runtime/events.ts'],
  pino: ['cli'],
  'prom-client': ['web'],
  commander: ['cli'],
  'cli-progress': ['cli'],
  yaml: ['cli'],
  zod: ['runtime/config.ts'],
  'csv-parse': ['sensors/csv-records.ts'],
}

const LINES_MAX = 400
const FUNCTION_LINES_MAX = 70
const COLUMNS_MAX = 120

interface SourceFile {
  /** From src/, with forward slashes. */
  readonly name: string
  readonly text: string
  readonly imports: readonly ImportedModule[]
}

interface ImportedModule {
  readonly specifier: string
  readonly typeOnly: boolean
}

const sources = filesUnder('src').map(readSource)
const everything = ['src', 'test', 'bench', 'examples', 'bin'].flatMap((folder) => filesUnder(folder))

describe('the layers', () => {
  it('point down only', () => {
    const upward = sources.flatMap((file) =>
      relativeImports(file)
        .filter((target) => folderOf(target) !== folderOf(file.name) && rowOf(target) >= rowOf(file.name))
        .map((target) => `${file.name} imports ${target}`),
    )
    expect(upward).toEqual([])
  })

  it('let the application see the public API only', () => {
    const inside = sources
      .filter(({ name }) => name.startsWith('sensors/'))
      .flatMap((file) =>
        relativeImports(file)
          .filter((target) => folderOf(target) !== 'sensors' && target !== 'index.ts')
          .map((target) => `${file.name} imports ${target}`),
      )
    expect(inside).toEqual([])
  })

  it('let only the runtime know both the log and the state', () => {
    const both = sources
      .filter((file) => {
        const targets = new Set(relativeImports(file).map(folderOf))
        return targets.has('log') && targets.has('state')
      })
      .map(({ name }) => name)
      .filter((name) => !/^(runtime|jobs|testing|cli)\/|^index\.ts$/.test(name))
    expect(both).toEqual([])
  })

  it('choose adapters in the command line, the public API and the testing support only', () => {
    const adapters = /^(log\/(embedded|kafka)\/|state\/(level|memory)-)/
    const outside = sources.flatMap((file) =>
      relativeImports(file)
        .filter((target) => adapters.test(target) && !sharesAdapter(file.name, target))
        .filter(() => !/^(cli|testing)\/|^index\.ts$/.test(file.name))
        .map((target) => `${file.name} imports ${target}`),
    )
    expect(outside).toEqual([])
  })

  it('give every npm dependency one home', () => {
    const strays = sources.flatMap(({ name, imports }) =>
      imports
        .filter(({ specifier }) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
        .filter(({ specifier, typeOnly }) => !isHome(specifier, name, typeOnly))
        .map(({ specifier }) => `${name} imports ${specifier}`),
    )
    expect(strays).toEqual([])
  })

  it('name every dependency of package.json', () => {
    const { dependencies } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>
    }
    expect(Object.keys(dependencies).filter((dependency) => HOMES[dependency] === undefined)).toEqual([])
  })
})

describe('the sources', () => {
  it('read the clock and draw chance in clock.ts only', () => {
    const names = [
      ...['Date\\.now', 'performance\\.now', 'hrtime', 'setTimeout', 'setInterval', 'setImmediate'],
      ...['Math\\.random', 'randomUUID', 'randomBytes', 'randomInt'],
    ]
    const forbidden = new RegExp(`\\b(${names.join('|')})\\b|new Date\\(\\)`)
    const guilty = sources
      .filter(({ name }) => name !== 'clock.ts')
      .filter(({ text }) => forbidden.test(withoutComments(text)))
      .map(({ name }) => name)
    expect(guilty).toEqual([])
  })

  it('use no RxJS operator that looks at the wall clock', () => {
    const names =
      'windowTime|bufferTime|debounceTime|throttleTime|auditTime|sampleTime|delay|delayWhen|timeout|' +
      'timeInterval|timestamp|interval|timer'
    const timed = new RegExp(`\\b(${names})\\b`)
    const guilty = sources.filter(({ text }) => {
      const imported = /import \{([^}]*)\} from 'rxjs(\/operators)?'/.exec(text)?.[1] ?? ''
      return timed.test(imported)
    })
    expect(guilty.map(({ name }) => name)).toEqual([])
  })

  it('open every folder with a file that says what lives there and what never does', () => {
    const folders = new Set(
      sources.map(({ name }) => path.posix.dirname(name)).filter((name) => name !== '.'),
    )
    const silent = [...folders].filter((folder) => {
      const top = folder.split('/')[0]!
      const texts = sources.filter(({ name }) => path.posix.dirname(name).split('/')[0] === top)
      return !texts.some(({ text }) => /What\s+(?:\*\s+)?never\s+(?:\*\s+)?does/.test(text))
    })
    expect(silent).toEqual([])
  })

  it('document every exported name', () => {
    expect(sources.flatMap(undocumentedExports)).toEqual([])
  })

  it('have no `any` and no ignored errors', () => {
    const guilty = sources.filter(({ text }) =>
      /:\s*any\b|as any\b|@ts-ignore|eslint-disable/.test(withoutComments(text)),
    )
    expect(guilty.map(({ name }) => name)).toEqual([])
  })
})

describe('every file', () => {
  it(`has at most ${LINES_MAX} lines of at most ${COLUMNS_MAX} characters`, () => {
    const guilty = everything.flatMap((file) => {
      const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
      const wide = lines.findIndex((line) => line.length > COLUMNS_MAX)
      const name = path.relative(ROOT, file)
      return [
        ...(lines.length > LINES_MAX ? [`${name}: ${lines.length} lines`] : []),
        ...(wide >= 0 ? [`${name}:${wide + 1}: ${lines[wide]!.length} characters`] : []),
      ]
    })
    expect(guilty).toEqual([])
  })

  it(`has no function of more than ${FUNCTION_LINES_MAX} lines`, () => {
    expect(
      everything.filter((file) => file.startsWith(path.join(ROOT, 'src'))).flatMap(longFunctions),
    ).toEqual([])
  })

  it('mirrors a source file where it is a unit test', () => {
    const orphans = filesUnder('test/unit')
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => path.relative(path.join(ROOT, 'test/unit'), file))
      .filter((name) => !sources.some((source) => mirrors(name, source.name)))
    expect(orphans).toEqual([])
  })
})

function filesUnder(folder: string): string[] {
  const absolute = path.join(ROOT, folder)
  try {
    statSync(absolute)
  } catch {
    return []
  }
  return readdirSync(absolute, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
}

function readSource(file: string): SourceFile {
  const text = readFileSync(file, 'utf8')
  const imports: ImportedModule[] = []
  parse(file, text).forEachChild((node) => {
    const isImport = ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
    if (!isImport || node.moduleSpecifier === undefined) return
    const typeOnly = ts.isImportDeclaration(node) ? isTypeOnly(node) : node.isTypeOnly
    imports.push({ specifier: (node.moduleSpecifier as ts.StringLiteral).text, typeOnly })
  })
  const name = path.relative(path.join(ROOT, 'src'), file).split(path.sep).join('/')
  return { name, text, imports }
}

function isTypeOnly({ importClause }: ts.ImportDeclaration): boolean {
  if (importClause === undefined) return false
  if (importClause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  const { namedBindings } = importClause
  if (importClause.name !== undefined || namedBindings === undefined || !ts.isNamedImports(namedBindings))
    return false
  return namedBindings.elements.every((element) => element.isTypeOnly)
}

function parse(file: string, text: string): ts.SourceFile {
  return ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true)
}

/** What a file imports from src/, as names from src/. */
function relativeImports({ name, imports }: SourceFile): string[] {
  return imports
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier }) => path.posix.normalize(path.posix.join(path.posix.dirname(name), specifier)))
}

function folderOf(name: string): string {
  return name.split('/')[0]!
}

function rowOf(name: string): number {
  const row = ROWS.findIndex((members) => members.includes(folderOf(name)))
  if (row < 0) throw new Error(`${name} belongs to no row`)
  return row
}

function sharesAdapter(name: string, target: string): boolean {
  return adapterOf(name) === adapterOf(target)
}

/** The adapters of the log have folders, those of the state are files of one. */
function adapterOf(name: string): string {
  return name.startsWith('log/') ? name.split('/').slice(0, 2).join('/') : path.posix.dirname(name)
}

function isHome(specifier: string, name: string, typeOnly: boolean): boolean {
  const dependency = specifier.startsWith('@')
    ? specifier.split('/').slice(0, 2).join('/')
    : specifier.split('/')[0]!
  if (typeOnly && dependency === 'rxjs') return true
  return (HOMES[dependency] ?? []).some((home) => name === home || name.startsWith(`${home}/`))
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/\/\/.*$/gm, '')
}

function undocumentedExports({ name, text }: SourceFile): string[] {
  const file = parse(name, text)
  return file.statements.flatMap((statement) => {
    const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : []
    if (!modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return []
    if (ts.getJSDocCommentsAndTags(statement).length > 0 || opensFile(statement, text)) return []
    // Types that only name the shape of something documented right above need no words of their own.
    if (ts.isTypeAliasDeclaration(statement) || ts.isInterfaceDeclaration(statement)) return []
    return [`${name}: ${statement.getText(file).split('\n')[0]!}`]
  })
}

/** The comment that opens a file documents the first function, class or constant it exports. */
function opensFile(statement: ts.Statement, text: string): boolean {
  const first = /^export (default )?(async )?(abstract )?(function|class|const)/m.exec(text)
  return text.startsWith('/**') && first !== null && statement.getStart() === first.index
}

function longFunctions(file: string): string[] {
  const source = parse(file, readFileSync(file, 'utf8'))
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const first = source.getLineAndCharacterOfPosition(node.getStart(source)).line
      const last = source.getLineAndCharacterOfPosition(node.getEnd()).line
      const lines = last - first + 1
      if (lines > FUNCTION_LINES_MAX) found.push(`${path.relative(ROOT, file)}:${first + 1}: ${lines} lines`)
    }
    node.forEachChild(visit)
  }
  visit(source)
  return found
}

/** `a/b.test.ts` and `a/b-some-aspect.test.ts` mirror `a/b.ts`. */
function mirrors(test: string, source: string): boolean {
  const wanted = test
    .split(path.sep)
    .join('/')
    .replace(/\.test\.ts$/, '')
  const base = source.replace(/\.ts$/, '')
  return wanted === base || wanted.startsWith(`${base}-`)
}
