import { describe, expect, it } from 'vitest'
import { TopologyError } from '../../../src/errors.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'
import { nodeOf, type OperatorNode } from '../../../src/topology/topology.ts'
import { FakeStage, recordOf, runOperator } from '../../support/fake-stage.ts'

const positive = (_key: string, value: number): boolean => value > 0
const even = (_key: string, value: number): boolean => value % 2 === 0

/** Which of the branch nodes take a value. */
function takers(nodes: readonly OperatorNode[], value: number): string[] {
  const stage = new FakeStage()
  return nodes
    .filter((node) => runOperator(stage, node.build(stage)).work(recordOf('k', value)).length > 0)
    .map(({ name }) => name)
}

describe('BranchedKStream', () => {
  it('answers the branches by name, each a stage under the stream that was split', () => {
    const builder = new StreamsBuilder()
    const branches = builder
      .stream<string, number>('in')
      .split({ name: 'sign', onError: 'skip' })
      .branch(positive, 'up')
      .branch(even, 'even')
      .defaultBranch('rest')
    expect(Object.keys(branches)).toEqual(['up', 'even', 'rest'])
    for (const name of Object.keys(branches)) branches[name]!.to(`out-${name}`)
    const topology = builder.build()
    const nodes = ['sign-up', 'sign-even', 'sign-rest'].map((name) => nodeOf(topology, name) as OperatorNode)
    expect(nodes.map(({ operator, parents, policy }) => [operator, parents, policy.onError])).toEqual(
      Array(3).fill(['branch', ['source-01'], 'skip']),
    )
    expect(nodeOf(topology, 'sink-05').parents).toEqual(['sign-up'])
    expect([1, 2, -2, -1].map((value) => takers(nodes, value))).toEqual([
      ['sign-up'],
      ['sign-up'],
      ['sign-even'],
      ['sign-rest'],
    ])
  })

  it('lets records end that no branch takes, where there is no default', () => {
    const builder = new StreamsBuilder()
    const branches = builder.stream<string, number>('in').split().branch(positive, 'up').noDefaultBranch()
    expect(Object.keys(branches)).toEqual(['up'])
    const topology = builder.build()
    expect(takers([nodeOf(topology, 'branch-up-02') as OperatorNode], -1)).toEqual([])
  })

  it('calls the default branch "default"', () => {
    const branches = new StreamsBuilder().stream<string, number>('in').split().defaultBranch()
    expect(Object.keys(branches)).toEqual(['default'])
  })

  it('keeps names apart from what objects inherit', () => {
    const branches = new StreamsBuilder()
      .stream<string, number>('in')
      .split()
      .branch(positive, 'constructor')
      .branch(even, '__proto__')
      .noDefaultBranch()
    expect(Object.keys(branches)).toEqual(['constructor', '__proto__'])
  })

  it('refuses two branches of one name', () => {
    const builder = new StreamsBuilder()
    builder.stream<string, number>('in').split().branch(positive, 'up').branch(even, 'up').noDefaultBranch()
    expect(() => builder.build()).toThrow(TopologyError)
    expect(() => builder.build()).toThrow('a split has two branches named "up"')
  })
})
