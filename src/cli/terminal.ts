/** What a person sees and what a program reads: stdout, stderr, progress bars. */
import { MultiBar, type SingleBar } from 'cli-progress'
import { styleText } from 'node:util'
import { FatalError, codeOf, messageOf } from '../errors.ts'

/** The part of a process's output stream that is needed here. */
export interface OutputStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean
}

/** How the terminal is set up. */
export interface TerminalOptions {
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  /** Whether terminals get colours. */
  readonly colours: boolean
}

/** Work that takes a while; draws on stderr where that is a terminal, else does nothing. */
export interface Progress {
  /** `done` of `total`, both in any unit; `detail` follows the bar. */
  update(done: number, total: number, detail?: string): void
  /** Removes the bar. Idempotent. */
  end(): void
}

const NO_PROGRESS: Progress = { update: () => undefined, end: () => undefined }
const FORMAT = '{label} [{bar}] {percentage}%{detail}'
const BAR_WIDTH = 28

/**
 * Programs read `data`; people read the rest. With `json`, what people would read on stdout is left out. Lines and
 * bars do not disturb each other.
 */
export class Terminal {
  /** Whether results are wanted as JSON. Set once the settings are known. */
  json = false
  private readonly options: TerminalOptions
  private readonly gone = new AbortController()
  private bars: MultiBar | undefined
  private barCount = 0
  private failure: Error | undefined
  private pending: Promise<void> = Promise.resolve()

  constructor(options: TerminalOptions) {
    this.options = options
    // Errors are told to whoever writes; without a listener they would end the process.
    options.stdout.on('error', () => undefined)
    options.stderr.on('error', () => undefined)
  }

  /** Aborted when whoever read stdout has gone away, as `head` does: nothing more is wanted. */
  get readerGone(): AbortSignal {
    return this.gone.signal
  }

  /** Whether a person is watching stderr. */
  get isLive(): boolean {
    return this.options.stderr.isTTY === true
  }

  /** Whether a person is watching stdout. */
  get isWatched(): boolean {
    return this.options.stdout.isTTY === true
  }

  /**
   * Writes to stdout and resolves when it is written, so that fast work waits for a slow reader. `FatalError`
   * `OUTPUT_FAILED` when that fails; after the reader has gone away nothing happens.
   */
  data(text: string): Promise<void> {
    if (this.gone.signal.aborted) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.options.stdout.write(text, (error) => {
        if (error === null || error === undefined) return resolve()
        if (codeOf(error, '') === 'EPIPE' || codeOf(error, '') === 'ERR_STREAM_DESTROYED') {
          this.gone.abort()
          return resolve()
        }
        reject(
          new FatalError('OUTPUT_FAILED', `stdout cannot be written: ${messageOf(error)}`, { cause: error }),
        )
      })
    })
  }

  /** A line for people on stdout; left out where JSON is wanted. */
  say(line = ''): void {
    if (this.json) return
    if (this.isWatched && this.logAboveBars(line)) return
    const written = this.data(`${line}\n`)
    this.pending = Promise.all([this.pending, written]).then(
      () => undefined,
      (error: unknown) => {
        this.failure ??= error instanceof Error ? error : new Error(String(error))
      },
    )
  }

  /** A line for people on stderr. */
  note(line: string): void {
    if (this.logAboveBars(line)) return
    this.options.stderr.write(`${line}\n`)
  }

  /** A bar for work that takes a while. */
  progress(label: string): Progress {
    if (!this.isLive) return NO_PROGRESS
    this.bars ??= new MultiBar({
      stream: this.options.stderr as NodeJS.WriteStream,
      format: FORMAT,
      barsize: BAR_WIDTH,
      // What could be left behind by a killed process is not changed: the cursor, the wrapping of lines.
      hideCursor: false,
      linewrap: true,
      clearOnComplete: true,
      gracefulExit: false,
      emptyOnZero: true,
      fps: 10,
    })
    const bars = this.bars
    let bar: SingleBar | undefined
    let ended = false
    this.barCount++
    return {
      update: (done, total, detail = '') => {
        if (ended) return
        const payload = { label, detail: detail === '' ? '' : `  ${detail}` }
        bar ??= bars.create(Math.max(1, total), 0, payload)
        bar.setTotal(Math.max(1, total))
        bar.update(Math.min(done, Math.max(1, total)), payload)
      },
      end: () => {
        if (ended) return
        ended = true
        if (bar !== undefined) bars.remove(bar)
        if (--this.barCount === 0) this.removeBars()
      },
    }
  }

  /** Resolves when everything is written; fails with what could not be. Removes bars that are left. */
  async flush(): Promise<void> {
    this.removeBars()
    await this.pending
    if (this.failure !== undefined) throw this.failure
  }

  /** A heading. */
  bold(text: string): string {
    return this.styled('bold', text, this.options.stdout)
  }

  /** Something of less importance. */
  dim(text: string): string {
    return this.styled('dim', text, this.options.stdout)
  }

  /** A warning, on stderr. */
  yellow(text: string): string {
    return this.styled('yellow', text, this.options.stderr)
  }

  /** An error, on stderr. */
  red(text: string): string {
    return this.styled('red', text, this.options.stderr)
  }

  private styled(style: 'bold' | 'dim' | 'yellow' | 'red', text: string, stream: OutputStream): string {
    const wanted = this.options.colours && stream.isTTY === true
    return wanted ? styleText(style, text) : text
  }

  /** Whether there are bars, so that the line was put above them. */
  private logAboveBars(line: string): boolean {
    if (this.bars?.isActive !== true) return false
    this.bars.log(`${line}\n`)
    return true
  }

  private removeBars(): void {
    if (this.bars?.isActive === true) {
      // Lines that wait are written with an update only.
      this.bars.update()
      this.bars.stop()
    }
    this.bars = undefined
  }
}
