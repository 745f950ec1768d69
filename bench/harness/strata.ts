/**
 * The server under measurement, started as a user starts it, and the few calls of its HTTP API that benches make.
 *
 * Every call is checked: an answer that is not the expected one ends the bench.
 */
import { join } from 'node:path';
import type { Start } from '../../src/core/receipt.ts';
import type { FunctionSpecInput, Runtime } from '../../src/core/spec.ts';
import type { PoolsView, TierView } from '../../src/pool/api.ts';
import { eventually, type Scope, startChild } from './children.ts';
import { removeContainersOf } from './containers.ts';
import { Client, type Reply } from './http-client.ts';
import { REPOSITORY_ROOT } from './machine.ts';

const READY_TIMEOUT_MS = 60_000;

/** Containers that no subject uses would only take the machine's time while they start. */
export const ISOLATES_ONLY: Readonly<Record<string, string>> = { STRATA_CONTAINER_MODE: 'off' };
/** The defaults otherwise; peers write no line a request, so neither does Strata unless a bench asks for it. */
export const QUIET: Readonly<Record<string, string>> = { STRATA_LOG_LEVEL: 'warn', ...ISOLATES_ONLY };
export const WITH_CONTAINERS: Readonly<Record<string, string>> = { ...QUIET, STRATA_CONTAINER_MODE: 'auto' };

/** A pool as the API shows it to a tenant: with its own sandboxes and nobody's. */
export type PoolView = TierView & { readonly otherSandboxes: number };

export class Strata {
  readonly url: string;
  readonly pid: number;
  readonly client: Client;

  private constructor(url: string, pid: number, client: Client) {
    this.url = url;
    this.pid = pid;
    this.client = client;
  }

  static async start(scope: Scope, settings: Readonly<Record<string, string>> = QUIET): Promise<Strata> {
    const dataFolder = scope.temporaryFolder();
    scope.own({ close: () => removeContainersOf(dataFolder) });
    const main = join(REPOSITORY_ROOT, 'src/main.ts');
    const args = [main, 'serve', '--port', '0', '--data-dir', dataFolder];
    const child = startChild(scope, process.execPath, args, {
      env: { ...cleanEnvironment(), STRATA_CONTAINER_MODE: 'off', ...settings },
    });
    const [url] = await child.waitFor(/http:\/\/127\.0\.0\.1:\d+/);
    const client = scope.own(new Client(url));
    await eventually('/readyz answers 200', READY_TIMEOUT_MS, async () =>
      (await client.get('/readyz')).status === 200 ? true : null,
    );
    return new Strata(url, child.pid, client);
  }

  async deploy(name: string, spec: FunctionSpecInput, tenant = 'default'): Promise<void> {
    const reply = await this.client.put(`/v1/functions/${name}`, JSON.stringify(spec), {
      'strata-tenant': tenant,
    });
    if (reply.status !== 200 && reply.status !== 201) throw unexpected(`deploying ${name}`, reply);
  }

  invoke(name: string, event: unknown, options: { tenant?: string; start?: Start } = {}): Promise<Reply> {
    return this.client.post(invocationPath(name), JSON.stringify(event), {
      ...(options.tenant === undefined ? {} : { 'strata-tenant': options.tenant }),
      ...(options.start === undefined ? {} : { 'strata-require-start': options.start }),
    });
  }

  async pools(tenant?: string): Promise<PoolsView> {
    const reply = await this.client.get('/v1/pools', tenant === undefined ? {} : { 'strata-tenant': tenant });
    if (reply.status !== 200) throw unexpected('reading the pools', reply);
    return JSON.parse(reply.body) as PoolsView;
  }

  async pool(runtime: Runtime, tenant?: string): Promise<PoolView> {
    const { tiers } = await this.pools(tenant);
    const pool = tiers[runtime];
    if (pool === undefined)
      throw new Error(`the server has no pool for ${runtime}, but ${Object.keys(tiers).join(', ')}`);
    return pool as PoolView;
  }
}

/** Without what the caller's shell says to a Strata of its own. */
const cleanEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('STRATA_')));

export const invocationPath = (name: string): string => `/v1/functions/${name}/invocations`;

export const unexpected = (what: string, reply: Reply): Error =>
  new Error(`${what}: status ${reply.status}, body ${reply.body.slice(0, 500)}`);
