/** HTML that cannot be broken by what it shows: texts are escaped, only what was made here is markup. */

/** A piece of markup. */
export class Html {
  readonly text: string

  /** `text` is markup already; made by `html` only. */
  constructor(text: string) {
    this.text = text
  }
}

/** What can stand in a template. */
export type HtmlValue = Html | readonly Html[] | string | number

/** Markup with values; texts and numbers are escaped, also for attributes in double quotes. */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  const text = parts.reduce((sum, part, index) => sum + markupOf(values[index - 1] ?? '') + part)
  return new Html(text)
}

/** Nothing. */
export const EMPTY = new Html('')

function markupOf(value: HtmlValue): string {
  if (value instanceof Html) return value.text
  if (typeof value === 'string' || typeof value === 'number') return escaped(String(value))
  return value.map(({ text }) => text).join('')
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
    .replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
      return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
    })
}
