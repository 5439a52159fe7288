#!/usr/bin/env node
// The program is in dist, which `npm ci` and `npm run build` make from src.
let main
try {
  ;({ main } = await import('../dist/src/cli/main.js'))
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND' || !error.message.includes('cli')) throw error
  console.error(
    'error: millrace is not built yet. Run: npm ci (or, after a change of its sources, npm run build)',
  )
  process.exit(1)
}
await main()
