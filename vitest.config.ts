import { defineConfig } from 'vitest/config'

// The chaos tests take minutes each and load the machine: `npm run test:chaos` runs them, and nothing else.
const chaos = process.env['CHAOS'] === '1'

export default defineConfig({
  test: {
    include: [chaos ? 'test/chaos/**/*.test.ts' : 'test/**/*.test.ts'],
    exclude: chaos ? [] : ['test/chaos/**'],
    globalSetup: ['test/support/build.ts', 'test/support/kafka/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
  },
})
