/**
 * The ops endpoint of an instance: what it does and how it is, for Prometheus and for whoever starts and stops
 * processes.
 *
 * What lives in `web/`: the HTTP server, the metrics and the judgement whether an instance is ready, all read from
 * status and events. What never does: anything that changes an application, its state or its log; anything about
 * sensors. The command line opens it and hands it the application.
 */
import type { Clock } from '../clock.ts'
import { AppMetrics } from './app-metrics.ts'
import { HttpServer, json, type Answer } from './http-server.ts'
import type { OwnCount } from './metric-table.ts'
import type { ObservedApp } from './observed-app.ts'
import { ReadinessWatch, type Readiness } from './readiness.ts'

export interface OpsEndpointSpec {
  /** Name or address to listen at. */
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  readonly clock: Clock
  /** Counts of the application's own stages that are metrics too. */
  readonly ownCounts: readonly OwnCount[]
  /** An answer failed; the endpoint goes on. */
  readonly onFailure: (error: unknown) => void
}

const NOT_STARTED: Readiness = {
  ready: false,
  code: 'APPLICATION_NOT_RUNNING',
  reason: 'the application has not been started',
}

/**
 * Answers `GET` of three paths:
 *
 * - `/metrics`: in the text format of Prometheus, always 200.
 * - `/health/live`: 200 while the process answers and the application has not failed, else 503.
 * - `/health/ready`: 200 when the instance does its share (readiness.ts), else 503; JSON says why.
 */
export class OpsEndpoint {
  private readonly server: HttpServer
  private readonly metrics: AppMetrics
  private readonly health: Health

  private constructor(server: HttpServer, metrics: AppMetrics, health: Health) {
    this.server = server
    this.metrics = metrics
    this.health = health
  }

  /**
   * Listens, and is alive and not ready until an application is observed. `FatalError` `HTTP_ADDRESS_UNUSABLE` where it
   * cannot listen.
   */
  static async open({ host, port, clock, ownCounts, onFailure }: OpsEndpointSpec): Promise<OpsEndpoint> {
    const health = new Health()
    const metrics = new AppMetrics({ clock, ownCounts, isReady: () => health.readiness.ready })
    const routes = new Map<string, () => Answer | Promise<Answer>>([
      [
        '/metrics',
        async () => ({ status: 200, contentType: metrics.contentType, body: await metrics.text() }),
      ],
      ['/health/live', () => (health.isLive ? json(200, { live: true }) : json(503, { live: false }))],
      ['/health/ready', () => json(health.readiness.ready ? 200 : 503, health.readiness)],
    ])
    const server = await HttpServer.open({ host, port, clock, routes, onFailure })
    return new OpsEndpoint(server, metrics, health)
  }

  /** Where it listens: `http://127.0.0.1:9464`. */
  get origin(): string {
    return this.server.origin
  }

  /** Tells of this application from now on; to be called once, before it runs. */
  observe(observed: ObservedApp): void {
    this.metrics.observe(observed)
    this.health.observe(observed.app)
  }

  /** Stops listening; answers under way get half a second. Idempotent, never rejects. */
  close(): Promise<void> {
    return this.server.close()
  }
}

/** How the application is, or that there is none yet. */
class Health {
  private app: ObservedApp['app'] | undefined
  private watch: ReadinessWatch | undefined

  observe(app: ObservedApp['app']): void {
    this.app = app
    this.watch = new ReadinessWatch(app)
  }

  get isLive(): boolean {
    return this.app?.state !== 'failed'
  }

  get readiness(): Readiness {
    return this.watch?.readiness ?? NOT_STARTED
  }
}
