/**
 * Answers and errors of this API as bytes on a connection.
 *
 * Owns the headers that all of them have. Names of headers go out as they are written here: one `writeHead` and one
 * `end`, past Fastify.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { answerAhead } from '../discard-body.ts';
import type { LambdaAnswer } from './call.ts';
import type { LambdaError } from './errors.ts';

export const REQUEST_ID = 'x-amzn-RequestId';

const JSON_TYPE = 'application/json';
const MS_PER_SECOND = 1_000;

export const send = (reply: FastifyReply, requestId: string, answer: LambdaAnswer): FastifyReply => {
  const bytes = bytesOf(answer.body);
  const headers = [REQUEST_ID, requestId];
  for (const [name, value] of Object.entries(answer.headers ?? {})) headers.push(name, value);
  if (answer.headers?.['Content-Type'] === undefined && answer.body !== null)
    headers.push('Content-Type', JSON_TYPE);
  if (answer.status !== 204) headers.push('Content-Length', String(bytes.length));
  reply.hijack();
  reply.raw.writeHead(answer.status, headers);
  reply.raw.end(bytes);
  return reply;
};

const bytesOf = (body: LambdaAnswer['body']): Uint8Array => {
  if (body === null) return Buffer.alloc(0);
  return body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
};

export const sendError = (
  request: FastifyRequest,
  reply: FastifyReply,
  requestId: string,
  error: LambdaError,
): FastifyReply => {
  const body = Buffer.from(JSON.stringify(error.body));
  const headers = [REQUEST_ID, requestId, 'x-amzn-ErrorType', error.type, 'Content-Type', JSON_TYPE];
  headers.push('Content-Length', String(body.length));
  if (error.retryAfterMs !== null)
    headers.push('Retry-After', String(Math.max(1, Math.ceil(error.retryAfterMs / MS_PER_SECOND))));
  if (reply.hasHeader('Connection')) headers.push('Connection', 'close');
  reply.hijack();
  // A body that nobody reads any more goes by behind the answer.
  if (request.raw.complete === false)
    answerAhead(request.raw, reply.raw, { status: error.status, headers, body });
  else reply.raw.writeHead(error.status, headers).end(body);
  return reply;
};
