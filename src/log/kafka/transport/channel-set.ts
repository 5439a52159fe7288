/** Channels to any number of brokers, for one purpose. */
import { addressText, Channel, type Address, type ChannelParts } from './channel.ts'

/** One channel for each address, made when it is first asked for. */
export class ChannelSet {
  private readonly parts: ChannelParts
  private readonly channels = new Map<string, Channel>()
  private closed = false

  constructor(parts: ChannelParts) {
    this.parts = parts
  }

  to(address: Address): Channel {
    const key = addressText(address)
    let channel = this.channels.get(key)
    if (channel === undefined) {
      channel = new Channel(this.parts, address)
      this.channels.set(key, channel)
      if (this.closed) channel.close()
    }
    return channel
  }

  /** Closes all channels, also those that are asked for later. Idempotent. */
  close(): void {
    this.closed = true
    for (const channel of this.channels.values()) channel.close()
  }
}
