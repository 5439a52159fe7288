import { describe, expect, it } from 'vitest'
import { ConfigError } from '../../../src/errors.ts'
import { configTable, parseConfig, type StreamsConfigInput } from '../../../src/runtime/config.ts'

function problemsOf(input: unknown): readonly string[] {
  try {
    parseConfig(input as StreamsConfigInput)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('parseConfig', () => {
  it('needs no more than a name', () => {
    expect(parseConfig({ applicationId: 'app' })).toMatchObject({
      applicationId: 'app',
      commitIntervalMs: 100,
      outOfOrdernessMs: 0,
      idleTimeoutMs: 30_000,
      closeAfterSilenceMs: null,
      maxFutureSkewMs: 3_600_000,
      startFrom: 'earliest',
      onError: 'dead-letter',
      maxRecordBytes: 1_000_000,
    })
  })

  it('names the late and the dead-letter topic after the application, unless it is told', () => {
    expect(parseConfig({ applicationId: 'app' })).toMatchObject({
      lateTopic: 'app-late',
      deadLetterTopic: 'app-dlq',
    })
    expect(parseConfig({ applicationId: 'app', lateTopic: 'l', deadLetterTopic: 'd' })).toMatchObject({
      lateTopic: 'l',
      deadLetterTopic: 'd',
    })
  })

  it('takes null for what is not to happen', () => {
    const config = parseConfig({ applicationId: 'app', idleTimeoutMs: null, maxFutureSkewMs: null })
    expect(config.idleTimeoutMs).toBeNull()
    expect(config.maxFutureSkewMs).toBe(Infinity)
  })

  it('gives a configuration that nobody can change, and leaves what it was given alone', () => {
    const input = { applicationId: 'app' }
    const config = parseConfig(input)
    expect(Object.isFrozen(config)).toBe(true)
    expect(() => Object.assign(config, { commitIntervalMs: 5 })).toThrow(TypeError)
    expect(input).toEqual({ applicationId: 'app' })
  })

  it('tells all problems at once, each with the name of its option', () => {
    const problems = problemsOf({
      applicationId: 'no spaces',
      commitIntervalMs: 0,
      commitRecords: 1.5,
      onError: 'shrug',
      startFrom: 5,
      lateTopic: '',
      surprise: true,
    })
    for (const option of [
      'applicationId',
      'commitIntervalMs',
      'commitRecords',
      'onError',
      'startFrom',
      'lateTopic',
    ])
      expect(problems.filter((problem) => problem.startsWith(`${option}: `))).toHaveLength(1)
    expect(problems.some((problem) => problem.includes('surprise'))).toBe(true)
    expect(problems).toHaveLength(7)
  })

  it('tells contradictions, beside other problems too', () => {
    const silence = 'closeAfterSilenceMs needs idleTimeoutMs: silence is counted from there'
    const contradictory = {
      commitIntervalMs: 10_000,
      transactionTimeoutMs: 10_000,
      idleTimeoutMs: null,
      closeAfterSilenceMs: 5,
    }
    expect(problemsOf({ applicationId: 'app', ...contradictory })).toEqual([
      'commitIntervalMs (10000) must be less than transactionTimeoutMs (10000)',
      silence,
    ])
    const all = problemsOf({ applicationId: 'app', commitRecords: 0, ...contradictory })
    expect(all).toHaveLength(3)
    expect(all).toContain(silence)
  })

  it.each([
    ['commitIntervalMs', -1],
    ['outOfOrdernessMs', -1],
    ['outOfOrdernessMs', 0.5],
    ['idleTimeoutMs', 0],
    ['maxFutureSkewMs', NaN],
    ['maxRecordBytes', 100],
    ['sessionTimeoutMs', Infinity],
    ['stateFlushIntervalMs', '5'],
    ['rebalanceTimeoutMs', 1e15],
  ])('refuses %s: %s', (option, value) => {
    const [problem, ...others] = problemsOf({ applicationId: 'app', [option]: value })
    expect(problem).toMatch(new RegExp(`^${option}: `))
    expect(others).toEqual([])
  })

  it.each([undefined, null, 5, 'app', []])('refuses %j for a configuration', (input) => {
    expect(problemsOf(input).length).toBeGreaterThan(0)
  })
})

describe('configTable', () => {
  it('has a row for every option, with its default and what it means', () => {
    const rows = configTable()
    const config = parseConfig({ applicationId: 'app' })
    expect(rows.map((row) => row.name).sort()).toEqual(Object.keys(config).sort())
    for (const row of rows) expect(row.meaning).toMatch(/\.$|[a-z>]$/)
    const defaultOf = (name: string) => rows.find((row) => row.name === name)!.defaultValue
    expect(defaultOf('applicationId')).toBe('required')
    expect(defaultOf('commitIntervalMs')).toBe('100')
    expect(defaultOf('onError')).toBe('dead-letter')
    expect(defaultOf('closeAfterSilenceMs')).toBe('none')
    expect(defaultOf('lateTopic')).toBe('none')
  })
})
