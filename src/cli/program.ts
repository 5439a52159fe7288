/** The command line as commander parses it, made from the commands and the table of settings. */
import { Command as Parser, CommanderError, Option } from 'commander'
import { COMMAND_GROUPS, type Command } from './command.ts'
import { EXIT } from './failure.ts'
import { flagOf, GLOBAL_SETTINGS, settingOf, type SettingKey } from './settings.ts'

/** What was asked for. */
export interface CommandLine {
  readonly command: Command
  readonly args: readonly string[]
  readonly flags: ReadonlyMap<SettingKey, string | boolean>
}

/** Help, the version, or why the command line makes no sense. */
export interface Answer {
  readonly exitCode: number
  readonly out: string
  readonly err: string
}

const DESCRIPTION =
  'Continuous aggregation of sensor readings: windows by event time, exactly once, the same results for the same log.'

const EPILOGUE = `
Every setting can also come from the environment (MILLRACE_DATA_DIR) or a file (--config: dataDir: .millrace);
the command line goes before the environment, the environment before the file.

Exit codes: 0 done · 1 failed or interrupted · 2 wrong usage, nothing begun ·
130, 143 stopped at once by a second signal`

/** Parses `argv`, without the program's own name. Nothing is written and nothing ended here. */
export function parseCommandLine(
  commands: readonly Command[],
  argv: readonly string[],
  version: string,
): CommandLine | Answer {
  let parsed: CommandLine | undefined
  let [out, err] = ['', '']
  const program = new Parser('millrace')
    .description(DESCRIPTION)
    .version(version, '--version', 'Shows the version.')
    .helpOption('-h, --help', 'Shows help.')
    .helpCommand('help [command]', 'shows the help of a command')
    .addHelpText('after', EPILOGUE)
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(millrace --help shows what there is)')
    .exitOverride()
    .configureOutput({ writeOut: (text) => (out += text), writeErr: (text) => (err += text) })
  for (const key of GLOBAL_SETTINGS) program.addOption(optionFor(key))
  for (const command of commands) {
    addCommand(program, command, (args, flags) => (parsed = { command, args, flags }))
  }
  try {
    program.parse([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // commander ends help and version with 0, everything else is a mistake in the command line.
    return { exitCode: error.exitCode === 0 ? EXIT.done : EXIT.usage, out, err }
  }
  return parsed ?? { exitCode: EXIT.usage, out, err: err === '' ? program.helpInformation() : err }
}

function addCommand(
  program: Parser,
  command: Command,
  found: (args: readonly string[], flags: Map<SettingKey, string | boolean>) => void,
): void {
  const { name, argument, settings } = command
  const words = name.split(' ')
  const parser = (words.length > 1 ? groupOf(program, words[0]!) : program)
    .command(words.at(-1)!)
    .summary(command.summary)
    .description(command.description)
    .addHelpText('after', examplesOf(command))
    .showHelpAfterError(`(millrace ${name} --help shows what there is)`)
  if (argument !== undefined) {
    const text = argument.variadic ? `${argument.name}...` : argument.name
    parser.argument(argument.optional === true ? `[${text}]` : `<${text}>`, argument.help)
  }
  const options = [...settings, ...GLOBAL_SETTINGS].map((key) => ({ key, option: optionFor(key) }))
  for (const { option } of options.slice(0, settings.length)) parser.addOption(option)
  parser.action(() => {
    const values = parser.optsWithGlobals<Record<string, unknown>>()
    const flags = new Map<SettingKey, string | boolean>()
    for (const { key, option } of options) {
      const attribute = option.attributeName()
      if (parser.getOptionValueSourceWithGlobals(attribute) !== 'cli') continue
      flags.set(key, values[attribute] as string | boolean)
    }
    found(parser.args, flags)
  })
}

/** The parser of the commands that begin with this word. */
function groupOf(program: Parser, word: string): Parser {
  const existing = program.commands.find((command) => command.name() === word)
  if (existing !== undefined) return existing
  return program
    .command(word)
    .summary(COMMAND_GROUPS[word] ?? '')
    .description(COMMAND_GROUPS[word] ?? '')
    .helpCommand('help [command]', 'shows the help of a command')
    .showHelpAfterError(`(millrace ${word} --help shows what there is)`)
}

function optionFor(key: SettingKey): Option {
  const { help, placeholder, defaultText } = settingOf(key)
  const flag = flagOf(key)
  if (placeholder === undefined) return new Option(flag, help)
  const value = `${flag} <${placeholder}>`
  return new Option(value, defaultText === undefined ? help : `${help} Default: ${defaultText}.`)
}

function examplesOf({ examples }: Command): string {
  return `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}`
}
