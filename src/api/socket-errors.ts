/**
 * Requests that never become one: what Node's parser refuses is answered as a problem, straight to the socket.
 *
 * Malformed requests, conflicting lengths (smuggling), headers over Node's limit and requests that arrive too
 * slowly end here. The connection is closed in every case, because where the next request would begin is unknown; where
 * nothing has come at all, nothing is answered. Invariant: requests before the bad one get their own answers first, so
 * that nobody takes the refusal for the answer to something that was executed.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { StrataError } from '../core/errors.ts';
import { problemHeaders, problemOf } from './native/problem.ts';

export const answerClientError = (
  error: Error & { code?: string },
  socket: Socket,
  requestTimeoutMs: number,
): void => {
  // On a connection that was opened ahead and never used nobody has asked anything. An answer there would be taken for
  // that to the first request, which may be under way: it is closed as an idle connection is.
  const unused = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && socket.bytesRead === 0;
  if (error.code === 'ECONNRESET' || !socket.writable || unused) {
    socket.destroy();
    return;
  }
  if (refused.has(socket)) return;
  refused.add(socket);
  const text = responseText(clientErrorOf(error, requestTimeoutMs));
  whenAnswered(socket, () => {
    if (socket.writable) socket.end(text, () => socket.destroy());
    else socket.destroy();
  });
};

/** What still comes on a connection is refused again with every piece of it; the first time counts. */
const refused = new WeakSet<Socket>();

/** The answer that is open on a connection; Node shows it nowhere else, and puts the next one there when it ends. */
type AnsweringSocket = Socket & { readonly _httpMessage?: ServerResponse | null };

const whenAnswered = (socket: AnsweringSocket, then: () => void): void => {
  const { _httpMessage: answer = null } = socket;
  // One whose request has not come as a whole is what is refused: it gets no other answer.
  if (answer === null || answer.destroyed || !answer.req.complete) then();
  else answer.once('close', () => whenAnswered(socket, then));
};

const clientErrorOf = (error: Error & { code?: string }, requestTimeoutMs: number): StrataError => {
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    return new StrataError('invalid_request', 'The headers are larger than 16 KiB; send smaller ones.');
  }
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new StrataError(
      'invalid_request',
      `The request did not arrive in time: whole requests have ${requestTimeoutMs} ms, headers may have less.`,
    );
  }
  return new StrataError(
    'invalid_request',
    `The request is not valid HTTP/1.1: ${error.message.slice(0, 200)}.`,
  );
};

const responseText = (error: StrataError): string => {
  const body = JSON.stringify(problemOf(error));
  const headers = problemHeaders(error);
  let text = `HTTP/1.1 ${error.status} Bad Request\r\n`;
  for (let at = 0; at < headers.length; at += 2) text += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return `${text}Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
};
