/**
 * Runs an example, or lists them: `npm run example [name]`.
 *
 * What lives in `examples/`: small programs to be read from top to bottom, each about one thing, written
 * against the public API as anybody would. What never does: anything that another example needs.
 */
const EXAMPLES: Readonly<Record<string, () => Promise<unknown>>> = {
  'first-topology': () => import('./first-topology.ts'),
  'late-and-chained-windows': () => import('./late-and-chained-windows.ts'),
  'rxjs-bridge': () => import('./rxjs-bridge.ts'),
  'processor-with-state': () => import('./processor-with-state.ts'),
  'error-policy': () => import('./error-policy.ts'),
  repartition: () => import('./repartition.ts'),
  'topology-test-driver': () => import('./topology-test-driver.ts'),
}

const name = process.argv[2]
const names = Object.keys(EXAMPLES).map((example) => `  npm run example ${example}`)
const list = `Examples, to be read in this order (after a change of one: npm run build):\n${names.join('\n')}`

if (name === undefined) {
  console.log(list)
} else if (Object.hasOwn(EXAMPLES, name)) {
  await EXAMPLES[name]!()
} else {
  console.error(`There is no example ${name}.\n${list}`)
  process.exitCode = 2
}
