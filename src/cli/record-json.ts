/** Records as JSON lines: nothing lost, whatever bytes they hold. */
import type { RecordCursor } from '../log/record-cursor.ts'
import type { RecordHeader } from '../log/record-batch-builder.ts'

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of UTF-8 bytes; `undefined` for bytes that are none. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return undefined
  }
}

/**
 * The record at which the cursor stands, as one line of JSON without its end:
 * `{"topic","partition","offset","timestamp","key","value","headers"}`. Key: text or null; `keyBase64` instead where it
 * is no UTF-8. Value: JSON as it stands in the record, digit for digit; else text; else `valueBase64`. Headers: an
 * object of texts, or pairs where a name repeats; a header that is no UTF-8 is `{"base64":…}`. `shown` is what to show
 * as the value, where that is not what the record has.
 */
export function recordAsJson(
  topic: string,
  partition: number,
  cursor: RecordCursor,
  shown = cursor.value(),
): string {
  const place = `"topic":${JSON.stringify(topic)},"partition":${partition},"offset":${offsetAsJson(cursor.offset)}`
  const key = bytesAsJson('key', cursor.key(), false)
  const value = bytesAsJson('value', shown, true)
  return `{${place},"timestamp":${cursor.timestampMs},${key},${value},"headers":${headersAsJson(cursor.headers())}}`
}

/** A number where JSON's readers keep it exactly, else text. */
export function offsetAsJson(offset: bigint): string {
  return offset <= BigInt(Number.MAX_SAFE_INTEGER) ? String(offset) : `"${offset}"`
}

function bytesAsJson(name: string, bytes: Buffer | null, mayBeJson: boolean): string {
  if (bytes === null) return `"${name}":null`
  const text = textOf(bytes)
  if (text === undefined) return `"${name}Base64":"${bytes.toString('base64')}"`
  return `"${name}":${mayBeJson && isJson(text) ? onOneLine(text) : JSON.stringify(text)}`
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Within texts JSON has no line breaks, so those that are there are space between values. */
function onOneLine(json: string): string {
  return json.replaceAll(/[\r\n]+/g, ' ').trim()
}

/** As described at `recordAsJson`. */
export function headersAsJson(headers: readonly RecordHeader[]): string {
  const pairs = headers.map(({ key, value }) => [JSON.stringify(key), headerValueAsJson(value)] as const)
  const repeats = new Set(headers.map(({ key }) => key)).size < headers.length
  if (repeats) return `[${pairs.map(([key, value]) => `[${key},${value}]`).join(',')}]`
  return `{${pairs.map(([key, value]) => `${key}:${value}`).join(',')}}`
}

function headerValueAsJson(value: Buffer | null): string {
  if (value === null) return 'null'
  const text = textOf(value)
  return text === undefined ? `{"base64":"${value.toString('base64')}"}` : JSON.stringify(text)
}
