/** Folders in which the README's code is tried: a project that uses millrace, and a clone. */
import { spawn } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import type { FencedBlock } from './markdown-blocks.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')

/** As strict as a user may be. */
const COMPILER_OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  types: ['node'],
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  verbatimModuleSyntax: true,
  skipLibCheck: false,
}

/** A project with millrace among its packages. */
export class UserProject {
  private readonly folder: string

  /** Makes it in an empty folder. */
  constructor(folder: string) {
    this.folder = folder
    mkdirSync(path.join(folder, 'node_modules'))
    symlinkSync(ROOT, path.join(folder, 'node_modules/millrace'), 'junction')
    for (const name of ['rxjs', '@types']) {
      symlinkSync(path.join(ROOT, 'node_modules', name), path.join(folder, 'node_modules', name), 'junction')
    }
    writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  }

  /** Compiles blocks, each as a module of its own; what is wrong with them, by line of the README. */
  compile(blocks: readonly FencedBlock[]): readonly string[] {
    const files = blocks.map((block) => {
      const file = path.join(this.folder, `line-${block.line}.ts`)
      writeFileSync(file, block.code)
      return file
    })
    const program = ts.createProgram(files, { ...COMPILER_OPTIONS, outDir: this.folder })
    const problems = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
      const message = ts.flattenDiagnosticMessageText(messageText, '\n')
      const block = blocks[files.indexOf(file?.fileName ?? '')]
      if (file === undefined || block === undefined) {
        return { line: 0, text: `${file?.fileName ?? 'compiler'}: ${message}` }
      }
      const line = block.line + ts.getLineAndCharacterOfPosition(file, start ?? 0).line
      return { line, text: `README.md:${line}: ${message}` }
    })
    program.emit()
    return problems.toSorted((a, b) => a.line - b.line).map(({ text }) => text)
  }

  /** Runs a block that was compiled. */
  run(block: FencedBlock): Promise<ProgramResult> {
    return runProgram(process.execPath, [`line-${block.line}.js`], this.folder)
  }
}

/** The repository as somebody else has it, without what was made by running it. */
export class Clone {
  private readonly folder: string

  /** Makes it in an empty folder. */
  constructor(folder: string) {
    this.folder = folder
    for (const entry of readdirSync(ROOT, { withFileTypes: true })) {
      if (entry.isFile()) copyFileSync(path.join(ROOT, entry.name), path.join(folder, entry.name))
    }
    for (const name of ['bin', 'data', 'dist', 'examples', 'schemas']) {
      cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true })
    }
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'), 'junction')
  }

  /** Runs commands until the first that fails. What they leave running in the background is killed. */
  run(commands: string): Promise<ProgramResult> {
    const program = path.join(this.folder, 'bin/millrace.mjs')
    // The same as npx does with the program of the folder's own package, and much faster.
    const npx = `npx() { test "$1" = millrace; shift; '${process.execPath}' '${program}' "$@"; }`
    return runProgram('sh', ['-e', '-c', `${npx}\n${commands}`], this.folder)
  }
}

export interface ProgramResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function runProgram(command: string, args: readonly string[], cwd: string): Promise<ProgramResult> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(MILLRACE_|npm_|NODE_OPTIONS|VITEST)/.test(name)),
  )
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.once('error', reject)
    // Whatever is left of its group would hold the pipes open.
    child.once('exit', () => killGroup(child.pid!))
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
