/**
 * The answer of `InvokeWithResponseStream` as an event stream.
 *
 * Owns the events; a library encodes them. A function's result is complete before the first byte goes out, because the
 * sandboxes give results as a whole: the stream is cut into parts, and not sooner for it.
 */
import { EventStreamCodec } from '@smithy/eventstream-codec';

const CHUNK_BYTES = 128 * 1024;

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'),
  (text) => Buffer.from(text),
);

export interface Completion {
  readonly ErrorCode?: string;
  readonly ErrorDetails?: string;
  readonly LogResult?: string;
}

export const streamOf = (payload: Uint8Array, completion: Completion): Uint8Array => {
  const events: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += CHUNK_BYTES)
    events.push(event('PayloadChunk', 'application/octet-stream', payload.subarray(at, at + CHUNK_BYTES)));
  events.push(event('InvokeComplete', 'application/json', Buffer.from(JSON.stringify(completion))));
  return Buffer.concat(events);
};

const event = (type: string, contentType: string, body: Uint8Array): Uint8Array =>
  codec.encode({
    headers: {
      ':message-type': { type: 'string', value: 'event' },
      ':event-type': { type: 'string', value: type },
      ':content-type': { type: 'string', value: contentType },
    },
    body,
  });
