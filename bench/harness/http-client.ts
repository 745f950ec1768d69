/**
 * A client with one kept-alive connection that times each request: the same one for every subject over HTTP.
 *
 * The interval runs from handing the request to Node's HTTP client until the last byte of the answer is read.
 */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { systemClock } from '../../src/ports/clock.ts';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly elapsedMs: number;
}

const REQUEST_TIMEOUT_MS = 60_000;

export class Client {
  readonly #base: URL;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(base: string) {
    this.#base = new URL(base);
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    return this.#send('GET', path, null, headers);
  }

  post(path: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    return this.#send('POST', path, body, headers);
  }

  put(path: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    return this.#send('PUT', path, body, headers);
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(
    method: string,
    path: string,
    body: string | null,
    headers: Readonly<Record<string, string>>,
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const startedMs = systemClock.nowMs();
      const outgoing = request(
        {
          agent: this.#agent,
          host: this.#base.hostname,
          port: this.#base.port,
          method,
          path,
          timeout: REQUEST_TIMEOUT_MS,
          headers:
            body === null
              ? headers
              : {
                  'content-type': 'application/json',
                  'content-length': Buffer.byteLength(body),
                  ...headers,
                },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
          incoming.on('error', reject);
          incoming.on('end', () =>
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              body: Buffer.concat(chunks).toString('utf8'),
              elapsedMs: systemClock.nowMs() - startedMs,
            }),
          );
        },
      );
      outgoing.on('timeout', () =>
        outgoing.destroy(new Error(`${method} ${path} had no answer in ${REQUEST_TIMEOUT_MS} ms`)),
      );
      outgoing.on('error', reject);
      outgoing.end(body ?? undefined);
    });
  }
}
