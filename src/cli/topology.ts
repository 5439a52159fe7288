/** `millrace topology`: what the application consists of, and the page of it that is kept in the repository. */
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { codeOf, ConfigError, FatalError } from '../errors.ts'
import { sensorTopology } from '../sensors/sensor-topology.ts'
import { describeAsText, describeTopology, type TopologyDescription } from '../topology/describe.ts'
import { describeAsMermaid } from '../topology/mermaid.ts'
import { AGGREGATOR_SETTINGS, aggregatorProblems, topologyOptions } from './aggregator.ts'
import type { Command } from './command.ts'
import { EXIT } from './failure.ts'

/** The page's name, at the top of the repository. */
const PAGE = 'topology.md'

/** The command. */
export const topologyCommand: Command = {
  name: 'topology',
  summary: 'what the application consists of',
  description:
    'Describes the topology that run would run with these settings: sources, stages, stores, sinks. ' +
    '--write and --check ' +
    `make ${PAGE} with the default settings, and tell whether it is still right.`,
  settings: ['topologyFormat', 'check', 'write', ...AGGREGATOR_SETTINGS],
  examples: ['millrace topology --format mermaid', 'millrace topology --check'],
  check(settings) {
    const { check, write } = settings.values
    return [
      ...aggregatorProblems(settings),
      ...(check && write ? ['--check and --write: one or the other'] : []),
    ]
  },
  async run({ settings, terminal, packageRoot }) {
    const file = path.join(packageRoot, PAGE)
    if (settings.write) {
      await writeFile(file, topologyPage())
      terminal.say(`Wrote ${file}.`)
      return EXIT.done
    }
    if (settings.check) {
      if ((await readPage(file)) === topologyPage()) {
        terminal.say(`${PAGE} is as the topology is.`)
        return EXIT.done
      }
      throw new FatalError(
        'TOPOLOGY_PAGE_STALE',
        `${file} is not as the topology is. Run: millrace topology --write`,
      )
    }
    const description = describeTopology(sensorTopology(topologyOptions(settings)))
    await terminal.data(render(description, terminal.json ? 'json' : settings.topologyFormat))
    return EXIT.done
  },
}

/** The page, made from the topology with its default settings. */
export function topologyPage(): string {
  return render(describeTopology(sensorTopology()), 'markdown')
}

async function readPage(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (codeOf(error, '') === 'ENOENT') return ''
    throw new ConfigError([`${file} cannot be read: ${String(error)}`])
  }
}

function render(description: TopologyDescription, format: 'text' | 'mermaid' | 'json' | 'markdown'): string {
  switch (format) {
    case 'text':
      return describeAsText(description)
    case 'mermaid':
      return describeAsMermaid(description)
    case 'json':
      return `${JSON.stringify(description, null, 2)}\n`
    case 'markdown':
      return [
        '# Topology of the sensor application',
        '',
        'Generated from the code with its default settings. To make it anew: `npx millrace topology --write`.',
        '',
        '```mermaid',
        describeAsMermaid(description).trimEnd(),
        '```',
        '',
        'The same as text:',
        '',
        '```text',
        describeAsText(description).trimEnd(),
        '```',
        '',
      ].join('\n')
  }
}
