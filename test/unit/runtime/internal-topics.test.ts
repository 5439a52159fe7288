import { describe, expect, it } from 'vitest'
import {
  changelogTopic,
  commitLogTopic,
  isInternalTopic,
  repartitionTopic,
} from '../../../src/runtime/internal-topics.ts'

describe('internal topics', () => {
  it('begin with the application and say what they are for', () => {
    expect(commitLogTopic('app', 3)).toBe('app-commits-3')
    expect(changelogTopic('app', 'counts')).toBe('app-counts-changelog')
    expect(repartitionTopic('app', 'by-room')).toBe('app-by-room-repartition')
  })

  it('are known as such', () => {
    for (const topic of [commitLogTopic('a-b', 0), changelogTopic('a-b', 'x'), repartitionTopic('a-b', 'y')])
      expect(isInternalTopic('a-b', topic)).toBe(true)
  })

  it('are not those of another application, nor topics that people named', () => {
    const others = ['other-commits-0', 'app', 'app-', 'app-late', 'app-dlq', 'app-commits-', 'app-commits-x']
    for (const topic of [...others, 'xapp-commits-0', 'application-commits-0', 'changelog', 'app-changelogs'])
      expect(isInternalTopic('app', topic)).toBe(false)
  })
})
