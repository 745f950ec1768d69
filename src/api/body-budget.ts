/**
 * How much of the memory bodies may take: one budget over all requests, given back when each is answered.
 *
 * Owns the count of bytes received and not answered for yet. Looks only at bodies that announce more than a small
 * size or none at all, so that the usual request pays two comparisons. Never reads a refused body into memory: what
 * still comes of it is read and forgotten, so that the caller sees the answer, and the connection closes then.
 * Invariant: the bytes counted are those of bodies whose responses are open; a body alone is always taken, because
 * the limit of its route bounds it.
 */
import { Transform } from 'node:stream';
import type { FastifyReply, FastifyRequest, RequestPayload } from 'fastify';
import { StrataError } from '../core/errors.ts';

/** Bodies that announce at most this are not counted. */
const SMALL_BYTES = 64 * 1024;

const RETRY_AFTER_MS = 1_000;

/** Whether a body is worth looking at before it is read: its announced length is large, or it has none. */
export const isLargeBody = (request: FastifyRequest): boolean => {
  const { headers } = request.raw;
  if (headers['transfer-encoding'] !== undefined) return true;
  const length = headers['content-length'];
  return length !== undefined && length.length > 4 && Number(length) > SMALL_BYTES;
};

export class BodyBudget {
  readonly #maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * The body to read instead: the same bytes, counted until the reply is closed.
   * @throws StrataError `overloaded` when it is known to go beyond the budget; the stream fails so when it does later.
   */
  admit(request: FastifyRequest, reply: FastifyReply, payload: RequestPayload): RequestPayload {
    const announced = Number(request.headers['content-length'] ?? 0);
    const maxBytes = request.routeOptions.bodyLimit;
    // The reader refuses it for its length and reads none of it.
    if (announced > maxBytes) return payload;
    this.#refuse(announced, 0);
    let held = 0;
    const release = (): void => {
      this.#usedBytes -= held;
      held = 0;
    };
    const forget = (): void => {
      release();
      payload.unpipe(counted);
      payload.resume();
    };
    const counted = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        try {
          this.#refuse(chunk.length, held);
        } catch (refusal) {
          done(refusal as StrataError);
          return;
        }
        held += chunk.length;
        this.#usedBytes += chunk.length;
        done(null, chunk);
        // The reader has refused it now, and only lets the rest go by.
        if (held > maxBytes) forget();
      },
    });
    counted.once('error', forget);
    reply.raw.once('close', forget);
    payload.once('error', (error) => counted.destroy(error));
    return payload.pipe(counted);
  }

  /** @param ownBytes what the body holds already; with nothing but that counted, it is alone. */
  #refuse(bytes: number, ownBytes: number): void {
    const observed = this.#usedBytes + bytes;
    if (observed <= this.#maxBytes || this.#usedBytes === ownBytes) return;
    throw new StrataError(
      'overloaded',
      `The bodies of unanswered requests would take ${observed} bytes with this one; server.maxBodyBytesInFlight ` +
        `allows ${this.#maxBytes}. Retry later, or send less at once.`,
      {
        limit: { kind: 'bodyBytesInFlight', configured: this.#maxBytes, observed },
        retryAfterMs: RETRY_AFTER_MS,
      },
    );
  }
}
