import { describe, expect, it } from 'vitest'
import {
  AbortableError,
  FatalError,
  FencedError,
  RetriableError,
  UnknownOutcomeError,
} from '../../../../src/errors.ts'
import { decodeError, encodeError, encodeFrame, FrameReader } from '../../../../src/log/embedded/frames.ts'

const call = {
  id: 7,
  method: 'produce',
  args: [{ offset: 2n ** 60n, buffer: Buffer.from([1, 2, 3]), map: new Map([['a', null]]) }],
} as const

describe('frames', () => {
  it('come out as they went in, however the socket cuts them', () => {
    const frames = Buffer.concat([
      encodeFrame(call),
      encodeFrame({ id: 8, value: undefined }),
      encodeFrame(call),
    ])
    for (let size = 1; size <= frames.length; size += 1) {
      const reader = new FrameReader()
      const found: unknown[] = []
      for (let at = 0; at < frames.length; at += size)
        found.push(...reader.push(frames.subarray(at, at + size)))
      expect(found).toEqual([call, { id: 8, value: undefined }, call])
    }
  })

  it('keep buffers as buffers', () => {
    const [message] = new FrameReader().push(encodeFrame(call)) as [typeof call]
    expect(Buffer.isBuffer(message.args[0].buffer)).toBe(true)
  })

  it('refuse lengths and bytes that are not ours', () => {
    const protocol = expect.objectContaining({ name: 'FatalError', code: 'LOG_PROTOCOL' })
    expect(() => new FrameReader().push(Buffer.from('GET / HTTP/1.1'))).toThrow(protocol)
    expect(() => new FrameReader().push(Buffer.from([0, 0, 0, 2, 1, 1]))).toThrow(protocol)
  })

  it('carry errors by class, code and message', () => {
    const errors = [
      new RetriableError('A', 'a'),
      new FencedError('B', 'b'),
      new AbortableError('C', 'c'),
      new UnknownOutcomeError('D', 'd'),
      new FatalError('E', 'e'),
    ]
    for (const error of errors) {
      const back = decodeError(encodeError(error))
      expect(back).toBeInstanceOf(error.constructor)
      expect(back).toMatchObject({ name: error.name, code: error.code, message: error.message })
    }
    expect(decodeError(encodeError(new TypeError('defect')))).toMatchObject({
      name: 'FatalError',
      code: 'LOG_FAILED',
      message: 'defect',
    })
  })
})
