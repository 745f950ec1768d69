/**
 * HTTP for end-to-end tests: calls with node:http, which sends what it is told, and raw bytes for what it will not.
 */
import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import type { ServerProcess } from './server-process.ts';

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  /** The parsed body of a JSON answer; undefined otherwise. */
  readonly json: unknown;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends one request, a string or bytes as they are and anything else as JSON, over a connection of its own. */
export const call = async (
  server: ServerProcess,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Reply> => {
  const { body, headers } = options;
  const request = http.request(server.url, { method, path, headers: { ...headers }, agent: false });
  const answered = once(request, 'response') as Promise<[http.IncomingMessage]>;
  request.end(
    typeof body === 'string' || Buffer.isBuffer(body) || body === undefined ? body : JSON.stringify(body),
  );
  const [response] = await answered;
  const text = Buffer.concat(await response.toArray()).toString();
  const isJson = /[/+]json/.test(response.headers['content-type'] ?? '');
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
};

/** Deploys one CommonJS file; fails the test unless it worked. */
export const deploy = async (
  server: ServerProcess,
  name: string,
  source: string,
  spec: Readonly<Record<string, unknown>> = {},
): Promise<Reply> => {
  const reply = await call(server, 'PUT', `/v1/functions/${name}`, {
    body: { runtime: 'isolate', code: { source }, ...spec },
  });
  if (reply.status >= 300) throw new Error(`deploy of ${name} failed: ${reply.text}`);
  return reply;
};

export const invoke = (
  server: ServerProcess,
  name: string,
  event: unknown = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> => call(server, 'POST', `/v1/functions/${name}/invocations`, { body: event, headers });

/** Writes bytes to the socket as they are, and answers all that comes back until the server closes. */
export const exchange = async (server: ServerProcess, bytes: string | Buffer): Promise<string> => {
  const socket = connect(server.port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  // A reset behind the answer changes nothing about the answer.
  socket.on('error', () => {});
  socket.write(bytes);
  await once(socket, 'close');
  return Buffer.concat(chunks).toString();
};
