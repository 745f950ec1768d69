/**
 * The server under attack, as its clients see it: HTTP, and raw bytes for what no client would send.
 *
 * Owns connections and nothing else; knows no case and judges nothing. All requests go to the address that it was
 * given.
 */
import { connect } from 'node:net';
import type { GuestError, LimitReport } from '../core/errors.ts';
import type { LogLine, Receipt } from '../core/receipt.ts';
import type { FunctionSpecInput } from '../core/spec.ts';
import { systemClock } from '../ports/clock.ts';

/** The tenants of an attack: who tries, and who is beside. */
export const ATTACKER = 'strata-attacker';
export const NEIGHBOUR = 'strata-neighbour';

/** One raw answer is read up to here. */
const RAW_MAX_BYTES = 1_000_000;
/** A server that holds a raw connection longer than this has not refused it. */
const RAW_LIMIT_MS = 30_000;

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body of a JSON answer; undefined otherwise. */
  readonly json: unknown;
}

/** A problem document as far as attacks look at it. */
export interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly limit?: LimitReport | null;
  readonly error?: GuestError | null;
}

export interface Request {
  readonly tenant?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text and bytes go as they are, anything else as JSON. */
  readonly body?: unknown;
}

export interface Invoked extends Reply {
  readonly invocationId: string;
  /** The layer that it started from; empty when it never started. */
  readonly start: string;
}

export interface TargetOptions {
  readonly url: string;
  readonly fetch: typeof fetch;
}

export class Target {
  readonly url: string;
  readonly #fetch: typeof fetch;

  constructor({ url, fetch }: TargetOptions) {
    this.url = url;
    this.#fetch = fetch;
  }

  async request(method: string, path: string, request: Request = {}): Promise<Reply> {
    const { tenant = ATTACKER, headers, body } = request;
    const asIs = typeof body === 'string' || body instanceof Uint8Array || body === undefined;
    const response = await this.#fetch(new URL(path, this.url), {
      method,
      redirect: 'manual',
      headers: {
        'Strata-Tenant': tenant,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: (asIs ? body : JSON.stringify(body)) as string }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parsed(text) };
  }

  deploy(name: string, spec: FunctionSpecInput, tenant: string = ATTACKER): Promise<Reply> {
    return this.request('PUT', `/v1/functions/${name}`, { tenant, body: spec });
  }

  async invoke(name: string, event: unknown = {}, request: Request = {}): Promise<Invoked> {
    const path = `/v1/functions/${name}/invocations`;
    const reply = await this.request('POST', path, { ...request, body: JSON.stringify(event) });
    return {
      ...reply,
      invocationId: reply.headers.get('Strata-Invocation-Id') ?? '',
      start: reply.headers.get('Strata-Start') ?? '',
    };
  }

  delete(name: string, tenant: string = ATTACKER): Promise<Reply> {
    return this.request('DELETE', `/v1/functions/${name}`, { tenant });
  }

  /** The receipt of an invocation; null when the server has none for this tenant. */
  async receipt(invocationId: string, tenant: string = ATTACKER): Promise<Receipt | null> {
    const { status, json } = await this.request('GET', `/v1/invocations/${invocationId}`, { tenant });
    return status === 200 ? (json as Receipt) : null;
  }

  async logs(invocationId: string, tenant: string = ATTACKER): Promise<readonly LogLine[]> {
    const { json } = await this.request('GET', `/v1/invocations/${invocationId}/logs`, { tenant });
    return (json as { logs?: readonly LogLine[] }).logs ?? [];
  }

  /**
   * Sends these bytes over a connection of its own, piece after piece, and answers what comes back until the server
   * closes; `half` closes the writing side behind them, `everyMs` waits before each piece but the first.
   * @throws Error when the server holds the connection and says nothing for too long.
   */
  async raw(
    pieces: string | Uint8Array | readonly (string | Uint8Array)[],
    half = false,
    everyMs = 0,
  ): Promise<string> {
    const { hostname, port } = new URL(this.url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    const chunks: Buffer[] = [];
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > RAW_MAX_BYTES) socket.destroy();
    });
    // A reset behind the answer changes nothing about the answer.
    socket.on('error', () => {});
    let held = false;
    socket.setTimeout(RAW_LIMIT_MS, () => {
      held = true;
      socket.destroy();
    });
    const closed = new Promise<void>((resolve) => {
      socket.on('close', () => resolve());
    });
    const list = typeof pieces === 'string' || pieces instanceof Uint8Array ? [pieces] : pieces;
    for (const [at, piece] of list.entries()) {
      if (socket.destroyed) break;
      if (at > 0 && everyMs > 0) await Promise.race([pause(everyMs), closed]);
      await new Promise<void>((resolve) => {
        if (socket.destroyed) resolve();
        else socket.write(piece, () => resolve());
      });
    }
    if (half) socket.end();
    await closed;
    if (held) throw new Error(`the server held a connection open and silent for ${RAW_LIMIT_MS} ms`);
    return Buffer.concat(chunks).toString('latin1');
  }
}

const pause = (delayMs: number): Promise<void> =>
  new Promise((resolve) => void systemClock.setTimer(delayMs, resolve));

/** The problem document of an answer; null when it is none. */
export const problemOf = ({ json }: Reply): Problem | null => {
  const { code, detail } = (json ?? {}) as Partial<Problem>;
  return typeof code === 'string' && typeof detail === 'string' ? (json as Problem) : null;
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
