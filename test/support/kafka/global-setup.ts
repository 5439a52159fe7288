/** A global setup of vitest: one broker and one registry for the whole run, started when a test asks. */
import { ASK_AT, serveShared, SharedServers } from './shared-servers.ts'

/** Returns what ends them. */
export async function setup(): Promise<() => Promise<void>> {
  const servers = new SharedServers()
  const port = await serveShared(servers)
  return async () => {
    delete process.env[ASK_AT]
    port.close()
    await servers.stop()
  }
}
