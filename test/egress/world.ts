/**
 * A real server whose functions may reach servers on loopback, and names that a test decides about.
 *
 * Owns all of them from start to end. Functions are deployed and invoked over HTTP.
 */
import { readFileSync } from 'node:fs';
import type { Receipt } from '../../src/core/receipt.ts';
import { call, deploy, invoke } from '../e2e/http-client.ts';
import { type ServerProcess, startServer } from '../e2e/server-process.ts';
import { descendants } from '../hostile/processes.ts';
import { type NameServer, startNameServer } from './name-server.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** What a function answers that fetches what its event says. */
export interface Fetched {
  readonly status?: number;
  readonly url?: string;
  readonly text?: string;
  readonly bytes?: number;
  readonly headers?: [string, string][];
  readonly error?: {
    readonly name: string;
    readonly message: string;
    readonly code?: string;
    readonly cause?: string;
    readonly limit?: { readonly kind: string; readonly configured: number };
  };
}

export interface Answered {
  readonly result: Fetched;
  readonly receipt: Receipt;
}

const FETCHER = `exports.handler = async (event) => {
  const one = async ({ url, init = {}, size, count }) => {
    try {
      if (size) init.body = new Uint8Array(size);
      const r = await fetch(url, init);
      if (count) {
        let bytes = 0;
        for await (const chunk of r.body) bytes += chunk.length;
        return { status: r.status, bytes };
      }
      return { status: r.status, url: r.url, headers: [...r.headers], text: await r.text() };
    } catch (e) {
      const { code, message, limit } = e.cause ?? {};
      return { error: { name: e.name, message: e.message, code, cause: message, limit } };
    }
  };
  return Array.isArray(event) ? Promise.all(event.map(one)) : one(event);
};`;

export class World {
  readonly server: ServerProcess;
  readonly names: NameServer;
  readonly upstream: Upstream;

  static async open(egress: Readonly<Record<string, string>> = {}): Promise<World> {
    const [names, upstream] = await Promise.all([startNameServer(), startUpstream()]);
    const server = await startServer([], {
      STRATA_CONTAINER_MODE: 'off',
      STRATA_EGRESS_PRIVATE_RANGES: '127.0.0.0/8',
      STRATA_EGRESS_DNS_SERVERS: names.address,
      ...egress,
    });
    return new World(server, names, upstream);
  }

  private constructor(server: ServerProcess, names: NameServer, upstream: Upstream) {
    this.server = server;
    this.names = names;
    this.upstream = upstream;
  }

  /** A function that fetches; the ports of other upstreams are to be listed, too. */
  async fetcher(
    name: string,
    allow: readonly string[],
    spec: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    await deploy(this.server, name, FETCHER, {
      timeoutMs: 20_000,
      cpuMs: 10_000,
      network: { allow },
      ...spec,
    });
  }

  async run(name: string, event: unknown, tenant = 'default'): Promise<Answered> {
    const headers = { 'Strata-Tenant': tenant };
    const reply = await invoke(this.server, name, event, headers);
    const id = String(reply.headers['strata-invocation-id']);
    const record = await call(this.server, 'GET', `/v1/invocations/${id}`, { headers });
    return { result: reply.json as Fetched, receipt: record.json as Receipt };
  }

  brokerPid(): number {
    const found = descendants(this.server.pid).filter(({ pid }) => {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return command.includes('egress-broker.cjs\0') && !command.startsWith('/usr/bin/unshare');
    });
    const pid = found.at(-1)?.pid;
    if (pid === undefined) throw new Error('there is no broker');
    return pid;
  }

  async close(): Promise<void> {
    await this.server.stop();
    await Promise.all([this.names.close(), this.upstream.close()]);
  }
}
