/** The files for Docker, as far as they can be checked without it: what they name exists. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { COMMANDS } from '../src/cli/main.ts'
import { flagOf, GLOBAL_SETTINGS, SETTINGS, type SettingKey } from '../src/cli/settings.ts'
import { KAFKA_VERSION } from './support/kafka/maven.ts'

interface Service {
  readonly image?: string
  readonly build?: string
  readonly command?: readonly string[]
  readonly volumes?: readonly string[]
  readonly depends_on?: Readonly<Record<string, unknown>>
}

const textOf = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')
const compose = parse(textOf('docker-compose.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}
const ours = Object.entries(compose.services).filter(([, { build }]) => build !== undefined)

describe('docker-compose.yml', () => {
  it('has a broker, a registry, a generator and two aggregators with state of their own', () => {
    const names = ['aggregator-1', 'aggregator-2', 'generator', 'kafka', 'registry', 'tools']
    expect(Object.keys(compose.services).sort()).toEqual(names)
    const [first, second] = [compose.services['aggregator-1'], compose.services['aggregator-2']]
    expect(first?.command).toEqual(second?.command)
    expect(first?.volumes).not.toEqual(second?.volumes)
  })

  it('runs the Kafka that the tests run', () => {
    expect(compose.services['kafka']?.image).toBe(`apache/kafka:${KAFKA_VERSION}`)
  })

  it('names only services and volumes that it has', () => {
    for (const { depends_on: needed = {}, volumes = [] } of Object.values(compose.services)) {
      for (const service of Object.keys(needed)) expect(compose.services).toHaveProperty(service)
      for (const volume of volumes) expect(compose.volumes).toHaveProperty(volume.split(':')[0]!)
    }
  })

  it.each(ours.filter(([name]) => name !== 'tools'))(
    '%s is called with options that exist',
    (_name, service) => {
      const [called, ...args] = service.command ?? []
      const command = COMMANDS.find(({ name }) => name === called)
      expect(command).toBeDefined()
      const keys: readonly SettingKey[] = [...GLOBAL_SETTINGS, ...command!.settings]
      for (const arg of args) {
        const [flag, value = ''] = arg.split(/=(.*)/)
        const key = keys.find((candidate) => flagOf(candidate) === flag)
        expect(key, arg).toBeDefined()
        expect(() => SETTINGS[key!].kind.parse(value), arg).not.toThrow()
      }
    },
  )
})

describe('the Dockerfile', () => {
  it('copies what the package has', () => {
    const copied = [...textOf('Dockerfile').matchAll(/--from=build \/app\/(\S+)/g)].map(([, path]) => path!)
    expect(copied.length).toBeGreaterThan(4)
    const made = ['node_modules', 'dist/src']
    for (const path of copied.filter((name) => !made.includes(name))) {
      expect(existsSync(new URL(`../${path}`, import.meta.url)), path).toBe(true)
    }
  })
})
