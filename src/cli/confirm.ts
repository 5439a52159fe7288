/** Asks before something is done that cannot be taken back. */
import { createInterface } from 'node:readline/promises'
import type { CommandContext } from './command.ts'

/** Whether the next line of stdin is `word`; the end of stdin is a no. `toDo`: `to remove all this`. */
export async function confirmed(
  { terminal, stdin, signal }: Pick<CommandContext, 'terminal' | 'stdin' | 'signal'>,
  word: string,
  toDo: string,
): Promise<boolean> {
  terminal.note(`Type ${word} ${toDo}:`)
  const lines = createInterface({ input: stdin, signal })
  try {
    for await (const line of lines) return line.trim() === word
    return false
  } finally {
    lines.close()
  }
}
