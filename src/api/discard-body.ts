/**
 * Reads the rest of a refused body and forgets it.
 *
 * A client that is still sending reads no answer: it meets a closed connection and reports that instead. Bounded by
 * bytes here and by the request timeout of the server; memory stays at one chunk.
 */
import type { IncomingMessage } from 'node:http';

/** A client that sends more than this after its refusal loses the connection. */
const DISCARD_MAX_BYTES = 32 * 1024 * 1024;

/** Resolves when the body has ended, broken off, or gone past what is read for politeness. */
export const discardBody = (request: IncomingMessage, maxBytes = DISCARD_MAX_BYTES): Promise<void> =>
  new Promise((resolve) => {
    if (request.complete || request.destroyed) {
      resolve();
      return;
    }
    let discarded = 0;
    const onData = (chunk: Buffer): void => {
      discarded += chunk.length;
      if (discarded > maxBytes) finish();
    };
    const finish = (): void => {
      request.off('data', onData);
      for (const event of ENDS) request.off(event, finish);
      resolve();
    };
    for (const event of ENDS) request.on(event, finish);
    // Whoever read it before has stopped, and may have left it paused.
    request.unpipe();
    request.on('data', onData);
    request.resume();
  });

const ENDS = ['end', 'error', 'close'] as const;
