/**
 * The sources as plain JavaScript in a temporary folder, for tests that need processes of their own: Node 20 does not
 * run TypeScript. Types are stripped file by file, which takes a moment and checks nothing.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export interface CompiledSources {
  /** Where a file of the repository, named without its extension from the root, was put. */
  fileOf(name: string): string
  remove(): void
}

export function compileSources(): CompiledSources {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-compiled-'))
  for (const part of ['src', 'test/support']) {
    for (const entry of readdirSync(path.join(ROOT, part), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue
      const file = path.join(entry.parentPath, entry.name)
      const target = path.join(folder, path.relative(ROOT, file)).replace(/\.ts$/, '.js')
      mkdirSync(path.dirname(target), { recursive: true })
      writeFileSync(target, transpile(readFileSync(file, 'utf8')))
    }
  }
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'), 'junction')
  return {
    fileOf: (name) => path.join(folder, `${name}.js`),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

function transpile(source: string): string {
  return ts.transpileModule(source, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      rewriteRelativeImportExtensions: true,
      verbatimModuleSyntax: true,
    },
  }).outputText
}
