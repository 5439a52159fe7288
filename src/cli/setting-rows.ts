/** Rows of the table of settings, and how they are written down. */
import { onOff, type ValueKind } from './setting-values.ts'

/** A row of the table. */
export interface Setting<T> {
  readonly kind: ValueKind<T>
  /** What it is when nobody says; `undefined`: nothing. */
  readonly defaultText: string | undefined
  /** One sentence, with units. */
  readonly help: string
  /** What stands for the value in help; a switch has none. */
  readonly placeholder: string | undefined
  /** Name of the flag without dashes, where it is not the key's. */
  readonly flag: string | undefined
  readonly oneShot: boolean
}

/** What a row may have besides. */
type Extra = Partial<Pick<Setting<unknown>, 'flag' | 'oneShot'>>

/** A setting that always has a value. */
export function given<T>(
  kind: ValueKind<T>,
  placeholder: string,
  defaultText: string,
  help: string,
  extra: Extra = {},
): Setting<T> {
  return { kind, placeholder, defaultText, help, flag: extra.flag, oneShot: extra.oneShot ?? false }
}

/** A setting that may be left out. */
export function optional<T>(
  kind: ValueKind<T>,
  placeholder: string,
  help: string,
  extra: Extra = {},
): Setting<T | undefined> {
  return {
    kind,
    placeholder,
    defaultText: undefined,
    help,
    flag: extra.flag,
    oneShot: extra.oneShot ?? false,
  }
}

/** A switch. */
export function toggle(defaultText: 'true' | 'false', help: string, extra: Extra = {}): Setting<boolean> {
  const { flag, oneShot } = extra
  return { kind: onOff(), placeholder: undefined, defaultText, help, flag, oneShot: oneShot ?? false }
}
