/** When a windowed aggregation sends results on. */
export type EmitStrategy = 'onWindowClose' | 'onWindowUpdate'

/** The strategies by name, in Kafka Streams' form. */
export const EmitStrategy = {
  /** One final result per key and window, when the window closes. The default. */
  onWindowClose: (): EmitStrategy => 'onWindowClose',
  /** A result for every record that was counted, in canonical order, and nothing at the close. */
  onWindowUpdate: (): EmitStrategy => 'onWindowUpdate',
} as const
