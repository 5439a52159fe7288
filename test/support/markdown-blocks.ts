/** The fenced code blocks of a Markdown text, and how output is compared with one. */

export interface FencedBlock {
  /** The first word behind the fence; empty where there is none. */
  readonly language: string
  /** The other words: `run`. */
  readonly marks: readonly string[]
  readonly code: string
  /** Number of the first line of the code in the text, from 1. */
  readonly line: number
  /** The block that follows, when it is one of `text`: the output that this one has to have. */
  readonly output: string | undefined
}

/** What opens a block: at most the indentation of a list, three marks or more, words without such marks. */
const OPENING = /^([ \t]*)(`{3,}|~{3,})[ \t]*([^`]*)$/

/** All fenced blocks, in order. Throws for one that is not closed. */
export function fencedBlocks(markdown: string): readonly FencedBlock[] {
  const lines = markdown.split(/\r?\n/)
  const blocks: Omit<FencedBlock, 'output'>[] = []
  for (let at = 0; at < lines.length; at++) {
    const [, indent, fence, words] = OPENING.exec(lines[at]!) ?? []
    if (indent === undefined || fence === undefined || words === undefined) continue
    const first = at + 1
    const isEnd = (line: string): boolean => closes(line.trim(), fence)
    const length = lines.slice(first).findIndex(isEnd)
    if (length < 0) throw new Error(`line ${at + 1}: the code block is not closed`)
    const code = lines.slice(first, first + length).map((line) => without(indent, line))
    const [language = '', ...marks] = words.trim().split(/\s+/)
    blocks.push({ language, marks, code: code.map((line) => `${line}\n`).join(''), line: first + 1 })
    at = first + length
  }
  return blocks.map((block, index) => {
    const next = blocks[index + 1]
    return { ...block, output: next?.language === 'text' ? next.code : undefined }
  })
}

/** A closing fence is of the same mark, at least as long, with nothing behind it. */
function closes(line: string, fence: string): boolean {
  return line.length >= fence.length && line === fence[0]!.repeat(line.length)
}

/** The line without the indentation that its whole block has. */
function without(indent: string, line: string): string {
  return line.startsWith(indent) ? line.slice(indent.length) : line.trimStart()
}

/**
 * A pattern for the whole output. `…` stands for anything within a line, and alone on a line for any number
 * of whole lines; white space at the ends of lines, and empty lines at both ends, do not matter: see
 * `comparable`. Throws for a text that every output would match.
 */
export function outputPattern(expected: string): RegExp {
  if (/^[…\s]*$/.test(expected)) throw new Error('an expected output says something beside …')
  const lines = comparable(expected)
    .slice(0, -1)
    .split('\n')
    .map((line) => (line.trim() === '…' ? '(?:.*\\n)*' : `${linePattern(line)}\\n`))
  return new RegExp(`^${lines.join('')}$`)
}

function linePattern(line: string): string {
  return line.split('…').map(literally).join('.*')
}

/** Output as it is compared. */
export function comparable(output: string): string {
  const lines = output.split(/\r?\n/).map((line) => line.trimEnd())
  const isFilled = (line: string): boolean => line !== ''
  return `${lines.slice(lines.findIndex(isFilled), lines.findLastIndex(isFilled) + 1).join('\n')}\n`
}

function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
