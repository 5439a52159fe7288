/** Requests to the coordinator of a group or of a transactional id. */
import { RetriableError } from '../../../errors.ts'
import type { ChannelSet } from '../transport/channel-set.ts'
import type { Answer, ApiCall } from '../wire/api-call.ts'
import type { CoordinatorType } from '../wire/cluster-calls.ts'
import { coordinatorMoved, kafkaError } from '../wire/error-code.ts'
import type { Cluster } from './cluster.ts'

/** Whose coordinator, and over which channels it is asked. */
export interface CoordinatorRoute {
  readonly cluster: Cluster
  readonly channels: ChannelSet
  readonly type: CoordinatorType
  readonly id: string
}

/**
 * The coordinator's answer. `RetriableError` when it cannot be reached, or is not the coordinator any more as one of
 * the answer's codes tells: the next call looks for it again.
 */
export async function askCoordinator<Request, Response extends Answer>(
  { cluster, channels, type, id }: CoordinatorRoute,
  api: ApiCall<Request, Response>,
  request: Request,
  codesOf: (answer: Response) => readonly number[],
  timeoutMs?: number,
): Promise<Response> {
  const address = await cluster.coordinator(type, id)
  let answer: Response
  try {
    answer = await channels.to(address).call(api, request, timeoutMs)
  } catch (error) {
    if (error instanceof RetriableError) cluster.forgetCoordinator(type, id)
    throw error
  }
  const moved = codesOf(answer).find(coordinatorMoved)
  if (moved !== undefined) {
    cluster.forgetCoordinator(type, id)
    throw kafkaError(moved, `${api.name} of ${type} ${id}`)
  }
  return answer
}
