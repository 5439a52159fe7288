import { describe, expect, it } from 'vitest'
import { BadValue, listenAddress } from '../../../src/cli/setting-values.ts'

describe('an address to listen at', () => {
  it.each([
    ['127.0.0.1:9464', '127.0.0.1', 9_464],
    ['localhost:0', 'localhost', 0],
    ['0.0.0.0:65535', '0.0.0.0', 65_535],
    ['[::1]:80', '::1', 80],
    ['my-host.example:8080', 'my-host.example', 8_080],
  ])('is a host and a port: %s', (text, host, port) => {
    expect(listenAddress().parse(text)).toEqual({ host, port })
  })

  it.each([
    ...['9464', ':9464', '127.0.0.1', '127.0.0.1:', '127.0.0.1:x', '127.0.0.1:65536', '127.0.0.1:-1'],
    ...['::1:80', '[::1]', 'http://127.0.0.1:80', '127.0.0.1:80/', '127.0.0.1:80 ', 'a b:80', '', '[]:80'],
  ])('is not %j', (text) => {
    expect(() => listenAddress().parse(text)).toThrow(BadValue)
  })
})
