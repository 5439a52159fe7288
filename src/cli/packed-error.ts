/** An error on its way from one thread to another, which loses classes and codes: both are put beside it. */
import { AssertionError } from '../assert.ts'
import { ConfigError, messageOf, MillraceError } from '../errors.ts'

/** What `describeFailure` needs to tell it as it would have where it happened. */
export interface PackedError {
  readonly kind: 'config' | 'millrace' | 'assertion' | 'other'
  readonly message: string
  readonly code: string | undefined
  readonly stack: string | undefined
  /** Of a `ConfigError`. */
  readonly problems: readonly string[]
}

/** Packs anything that was thrown. */
export function packError(thrown: unknown): PackedError {
  const { code, stack } = (thrown ?? {}) as { code?: unknown; stack?: unknown }
  return {
    kind: kindOf(thrown),
    message: messageOf(thrown),
    code: typeof code === 'string' ? code : undefined,
    stack: typeof stack === 'string' ? stack : undefined,
    problems: thrown instanceof ConfigError ? thrown.problems : [],
  }
}

/** An error that is told as the packed one would be. */
export function unpackError(packed: PackedError): Error {
  const error = bare(packed)
  if (packed.stack !== undefined) error.stack = packed.stack
  return error
}

function kindOf(thrown: unknown): PackedError['kind'] {
  if (thrown instanceof ConfigError) return 'config'
  if (thrown instanceof MillraceError) return 'millrace'
  return thrown instanceof AssertionError ? 'assertion' : 'other'
}

function bare({ kind, message, code, problems }: PackedError): Error {
  switch (kind) {
    case 'config':
      return new ConfigError(problems)
    case 'millrace':
      return new MillraceError(code ?? 'UNKNOWN', message)
    case 'assertion':
      return new AssertionError(message.replace(/^assertion failed: /, ''))
    case 'other':
      return code === undefined ? new Error(message) : Object.assign(new Error(message), { code })
  }
}
