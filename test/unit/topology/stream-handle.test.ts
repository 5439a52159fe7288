import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { GraphBuilder } from '../../../src/topology/graph-builder.ts'
import { withSerdes, type StreamHandle } from '../../../src/topology/stream-handle.ts'

function handle(known: Partial<StreamHandle<unknown, unknown>>): StreamHandle<unknown, unknown> {
  const streamOf = (): never => {
    throw new Error('not asked for')
  }
  return {
    graph: new GraphBuilder(),
    node: 'n',
    key: undefined,
    value: undefined,
    rekeyed: true,
    streamOf,
    ...known,
  }
}

describe('withSerdes', () => {
  const int = Serdes.int32() as never
  const double = Serdes.double() as never

  it('prefers the serdes given, then those known, then text keys and JSON values', () => {
    const known = handle({ key: int, value: int })
    expect(withSerdes(known, { key: double })).toMatchObject({ key: double, value: int })
    expect(withSerdes(known, {})).toMatchObject({ key: int, value: int })
    const guessed = withSerdes(handle({}), {})
    expect([guessed.key!.name, guessed.value!.name]).toEqual(['string', 'json'])
  })

  it('leaves the rest of the handle as it was', () => {
    const before = handle({})
    expect(withSerdes(before, {})).toMatchObject({ graph: before.graph, node: 'n', rekeyed: true })
  })
})
