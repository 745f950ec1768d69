/**
 * Answers a request whose body has not come yet and is not wanted.
 *
 * The answer goes out at once, so that whoever looks for it while sending need not send the rest, and its end is held
 * back while the body goes by and is forgotten: a client that only looks when it has sent everything would meet a closed
 * connection instead. Bounded by bytes here and by the request timeout of the server; memory stays at one chunk.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A client that sends more than this after its refusal loses the connection. */
const DISCARD_MAX_BYTES = 32 * 1024 * 1024;

/** Connections whose answer is out while the body still comes. */
const ANSWERED = new WeakSet<Socket>();
/** Connections that end behind their answer. */
const ENDING = new WeakSet<Socket>();

/** Sends the whole answer; its length must be among its headers. */
export const answerAhead = (
  request: IncomingMessage,
  response: ServerResponse,
  answer: { readonly status: number; readonly headers: readonly string[]; readonly body: Uint8Array },
): void => {
  const { socket } = request;
  ANSWERED.add(socket);
  if (answer.headers.includes('Connection')) ENDING.add(socket);
  response.writeHead(answer.status, [...answer.headers]);
  response.write(answer.body);
  void discardBody(request).then(() => {
    ANSWERED.delete(socket);
    response.end();
    // What is past the bound is not waited for.
    if (request.complete === false) socket.destroySoon();
  });
};

/** Whether the request under way on this connection has been answered: nothing more may be said about it. */
export const isAnsweredAhead = (socket: Socket): boolean => ANSWERED.has(socket);

/** Whether this connection ends behind an answer that was given: Node still reads what its client sent ahead. */
export const isEnding = (socket: Socket): boolean => ENDING.has(socket);

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
