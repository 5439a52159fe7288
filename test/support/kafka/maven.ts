/**
 * Kafka and a schema registry out of Maven's artifacts. Maven is asked once; the class path it found and the
 * unpacked registry are kept under node_modules/.cache, so that a later start needs no Maven. Where artifacts
 * come from is the business of Maven's own settings.
 */
import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'

/** The Kafka that is started where no address is given. */
export const KAFKA_VERSION = '4.1.1'
const REGISTRY_VERSION = '2.6.13.Final'
const PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1'
const OLDEST_JAVA = 17

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>millrace</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    ${dependency('org.apache.kafka', 'kafka_2.13', KAFKA_VERSION)}
    ${dependency('org.apache.kafka', 'kafka-tools', KAFKA_VERSION)}
    ${dependency('org.slf4j', 'slf4j-simple', '1.7.36')}
  </dependencies>
</project>
`

function dependency(group: string, artifact: string, version: string): string {
  const [open, close] = ['<dependency>', '</dependency>']
  return `${open}<groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>${close}`
}

/** Why no JVM can be started here, or null where it can: Java 17 or later, and Maven or what it found before. */
export function missingForJava(): string | null {
  const java = spawnSync(javaProgram(), ['-version'], { encoding: 'utf8' })
  if (java.error !== undefined || java.status !== 0) return 'java does not run'
  const major = Number(/version "(?:1\.)?(\d+)/.exec(java.stderr)?.[1] ?? 0)
  if (major < OLDEST_JAVA) return `Java ${OLDEST_JAVA} or later is needed, java is ${major}`
  if (readClassPath() !== null) return null
  const maven = spawnSync('mvn', ['-version'], { encoding: 'utf8' })
  return maven.error === undefined && maven.status === 0 ? null : 'mvn does not run'
}

/** The program `java`: of JAVA_HOME where that is set. */
export function javaProgram(): string {
  return javaTool('java')
}

/** A program of the JDK, such as `keytool`. */
export function javaTool(name: string): string {
  const home = process.env['JAVA_HOME']
  const own = home === undefined ? '' : path.join(home, 'bin', name)
  return existsSync(own) ? own : name
}

/** The class path of Kafka's broker and tools. Asks Maven where it is not known, or a part of it is gone. */
export async function kafkaClassPath(): Promise<string> {
  const known = readClassPath()
  if (known !== null) return known
  await making(kafkaFolder(), async (folder) => {
    const pom = path.join(folder, 'pom.xml')
    writeFileSync(pom, POM)
    const output = `-Dmdep.outputFile=${path.join(folder, 'classpath.txt')}`
    await run('mvn', ['-q', '-B', '-f', pom, `${PLUGIN}:build-classpath`, output])
  })
  const found = readClassPath()
  if (found === null) throw new Error('Maven named a class path with parts that do not exist')
  return found
}

/** The folder of the unpacked registry; its program is the jar that `registryJar` names. */
export async function registryJar(): Promise<string> {
  const folder = path.join(cacheFolder(), `registry-${REGISTRY_VERSION}`)
  const jar = path.join(folder, `apicurio-registry-app-${REGISTRY_VERSION}-runner.jar`)
  if (existsSync(jar)) return jar
  await making(folder, async (making) => {
    const artifact = `io.apicurio:apicurio-registry-app:${REGISTRY_VERSION}:tar.gz:all`
    await run('mvn', ['-q', '-B', `${PLUGIN}:copy`, `-Dartifact=${artifact}`, `-DoutputDirectory=${making}`])
    const archive = readdirSync(making).find((name) => name.endsWith('.tar.gz'))
    if (archive === undefined) throw new Error(`Maven copied no ${artifact}`)
    await run('tar', ['-xzf', path.join(making, archive), '-C', making])
    rmSync(path.join(making, archive))
  })
  return jar
}

/** Runs a program to its end; rejects with what it said where it failed. */
export function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    const hear = (chunk: Buffer): void => void (said += chunk.toString())
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(said)
      else reject(new Error(`${program} ${args[0] ?? ''} ended with ${code}:\n${said.slice(-4000)}`))
    })
  })
}

function readClassPath(): string | null {
  const folder = kafkaFolder()
  const file = path.join(folder, 'classpath.txt')
  if (!existsSync(file) || readFileSync(path.join(folder, 'pom.xml'), 'utf8') !== POM) return null
  const classPath = readFileSync(file, 'utf8').trim()
  return classPath.split(path.delimiter).every((part) => existsSync(part)) ? classPath : null
}

function kafkaFolder(): string {
  return path.join(cacheFolder(), `kafka-${KAFKA_VERSION}`)
}

/** Where what Maven found and built is kept, out of the way of sources and build. */
export function cacheFolder(): string {
  return path.join(packageFolder(), 'node_modules', '.cache', 'millrace')
}

/** The folder of package.json. This file runs from the sources and from the build; both lie below it. */
export function packageFolder(): string {
  let folder = import.meta.dirname
  while (!existsSync(path.join(folder, 'package.json'))) {
    const parent = path.dirname(folder)
    if (parent === folder) throw new Error(`no package.json above ${import.meta.dirname}`)
    folder = parent
  }
  return folder
}

/** Makes a folder that is either complete or absent, whoever else makes it at the same time. */
export async function making(target: string, fill: (folder: string) => Promise<void>): Promise<void> {
  mkdirSync(path.dirname(target), { recursive: true })
  const folder = mkdtempSync(`${target}-`)
  try {
    await fill(folder)
    rmSync(target, { recursive: true, force: true })
    renameSync(folder, target)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
