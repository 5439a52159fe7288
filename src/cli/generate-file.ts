/** Generated readings as lines of a file, or of stdout. */
import { open, type FileHandle } from 'node:fs/promises'
import { sleep } from '../clock.ts'
import { codeOf, ConfigError, FatalError, messageOf } from '../errors.ts'
import { ReadingGenerator } from '../sensors/generator.ts'
import type { CommandContext } from './command.ts'
import type { Generated } from './generate.ts'
import { boundedOptions, GeneratorWatch } from './generator-settings.ts'
import { Pace } from './pace.ts'

/** Lines written at once where no rate is kept. */
const LINES_AT_ONCE = 2_000
/** Where a rate is kept, lines are written at most this often. */
const TICK_MS = 50

/** Whether `--to` names a file: by its slash or its ending; `-` is stdout. */
export function isFile(target: string): boolean {
  return target === '-' || /[\\/]/.test(target) || /\.(jsonl|ndjson|json)$/i.test(target)
}

/** Writes the readings, one JSON object a line. A file that exists is replaced only with `--again`. */
export async function generateToFile(context: CommandContext, path: string): Promise<Generated> {
  const generator = new ReadingGenerator(boundedOptions(context.settings))
  if (path === '-') return writeLines(context, generator, (lines) => context.terminal.data(lines))
  const file = await create(path, context.settings.again)
  try {
    return await writeLines(context, generator, async (lines) => {
      try {
        await file.appendFile(lines)
      } catch (error) {
        throw new FatalError(
          codeOf(error, 'FILE_NOT_WRITTEN'),
          `${path} cannot be written: ${messageOf(error)}`,
        )
      }
    })
  } finally {
    await file.close()
  }
}

async function create(path: string, replace: boolean): Promise<FileHandle> {
  try {
    return await open(path, replace ? 'w' : 'ax')
  } catch (error) {
    const code = codeOf(error, '')
    if (code === 'EEXIST') {
      // A device or a pipe is there to be written to.
      const file = await open(path, 'a')
      if (!(await file.stat()).isFile()) return file
      await file.close()
      throw new ConfigError([`${path}: exists already; name another file, or replace it with --again`])
    }
    throw new ConfigError([`${path}: cannot be written: ${messageOf(error)}`])
  }
}

async function writeLines(
  context: CommandContext,
  generator: ReadingGenerator,
  write: (lines: string) => Promise<void>,
): Promise<Generated> {
  const { clock, settings, signal, terminal } = context
  const startedMs = clock.monotonic()
  const watch = new GeneratorWatch(context)
  const pace = settings.rate === undefined ? undefined : new Pace(clock, settings.rate)
  const records = generator[Symbol.iterator]()
  let complete = false
  try {
    while (!complete && !signal.aborted && !terminal.readerGone.aborted) {
      let lines = ''
      for (let left = pace?.due() ?? LINES_AT_ONCE; left > 0 && !complete; left--) {
        const next = records.next()
        if (next.done === true) complete = true
        else lines += `${next.value.value}\n`
      }
      if (lines !== '') await write(lines)
      watch.update(generator.summary.records)
      if (pace !== undefined) await sleep(clock, Math.max(TICK_MS, pace.waitMs()), signal)
      else await clock.yieldNow()
    }
  } finally {
    watch.end()
  }
  return { summary: generator.summary, elapsedMs: clock.monotonic() - startedMs, complete }
}
