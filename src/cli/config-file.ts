/** Reads configuration files: JSON where the name ends in `.json`, else YAML. */
import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { codeOf, ConfigError, messageOf } from '../errors.ts'

/** What the file holds, by key. `ConfigError` when it cannot be read or is no map of settings. */
export async function readConfigFile(path: string): Promise<ReadonlyMap<string, unknown>> {
  const text = await readText(path)
  const content = parseText(path, text)
  // An empty YAML file holds null.
  if (content === null || content === undefined) return new Map()
  if (typeof content !== 'object' || Array.isArray(content)) {
    throw new ConfigError([`${path}: holds no settings; write one a line, such as "window: 10m"`])
  }
  return new Map(Object.entries(content))
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = codeOf(error, '')
    if (code === 'ENOENT') throw new ConfigError([`${path}: no such file (--config)`])
    if (code === 'EISDIR') throw new ConfigError([`${path}: is a directory, not a file (--config)`])
    throw new ConfigError([`${path}: ${messageOf(error)}`])
  }
}

function parseText(path: string, text: string): unknown {
  const isJson = path.toLowerCase().endsWith('.json')
  try {
    return isJson ? (JSON.parse(text) as unknown) : (parse(text, { prettyErrors: true }) as unknown)
  } catch (error) {
    // The lines that follow repeat the file's text, which may hold secrets of something else.
    const [first] = messageOf(error).split('\n')
    throw new ConfigError([`${path}: is no ${isJson ? 'JSON' : 'YAML'}: ${withoutQuote(first ?? '')}`])
  }
}

/** Node's JSON errors quote the text around the mistake. */
function withoutQuote(message: string): string {
  return message.replace(/,? "[\s\S]*" is not valid JSON$/, '').replace(/,? \.\.\."[\s\S]*$/, '')
}
