/** Repartition topics: who sends what to whom. */
import { RepartitionChannel, type Message } from './channel.ts'
import type { RepartitionNode } from './graph.ts'
import { originKey, type ChannelPlan, type Origin } from './plan.ts'

/** All channels behind repartitions, found by repartition, partition and origin. */
export class Network {
  private readonly channels = new Map<string, RepartitionChannel>()

  /** Adds the receiving end. */
  connect(plan: ChannelPlan, partition: number): RepartitionChannel {
    const channel = new RepartitionChannel(plan)
    this.channels.set(`${plan.input} ${partition} ${originKey(plan.origin)}`, channel)
    return channel
  }

  /** Sends a record. */
  send(to: RepartitionNode, partition: number, origin: Origin, message: Message): void {
    this.channel(to, partition, origin).send(message)
  }

  /** Tells every partition how far an origin is. */
  mark(to: RepartitionNode, partitions: number, origin: Origin, watermarkMs: number, position: number): void {
    for (let partition = 0; partition < partitions; partition += 1) {
      this.channel(to, partition, origin).mark(watermarkMs, position)
    }
  }

  private channel(to: RepartitionNode, partition: number, origin: Origin): RepartitionChannel {
    const channel = this.channels.get(`${to.name} ${partition} ${originKey(origin)}`)
    if (channel === undefined) throw new Error(`no channel of ${to.name} from ${originKey(origin)}`)
    return channel
  }
}
