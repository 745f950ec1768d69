/**
 * Where faults strike: a real server, perhaps an engine of its own, and the functions of the load.
 *
 * Owns them from start to end. Never asks the server about itself but by HTTP, as an operator does.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Tier } from '../../src/core/spec.ts';
import type { PoolsView } from '../../src/pool/api.ts';
import { openPrivateEngine, type PrivateEngine } from '../container/private-engine.ts';
import { call } from '../e2e/http-client.ts';
import { type ServerPlace, type ServerProcess, startServer } from '../e2e/server-process.ts';
import {
  type Remains,
  remainsOf,
  type SeenContainer,
  type SeenProcess,
  type Watched,
} from '../hostile/remains.ts';
import { type Kind, secretOf, TENANTS } from './kinds.ts';

export interface WorldOptions {
  readonly kinds: readonly Kind[];
  /** With containers on an engine of its own. */
  readonly containers?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** In front of the server's command; the data folder is given to it first. */
  readonly through?: readonly string[];
  /** A data folder that is there already; else the world makes one, and removes it. */
  readonly dataDir?: string;
}

/** Records of everything that a run does, and pools that are small enough to be emptied. */
const SETTINGS = {
  STRATA_LOG_LEVEL: 'warn',
  STRATA_RECORDS_MAX_INVOCATIONS: '50000',
  ...{ STRATA_ISOLATE_PRISTINE_HOSTS: '1', STRATA_ISOLATE_MAX_PRISTINE_HOSTS: '2' },
  ...{ STRATA_CONTAINER_PRISTINE: '1', STRATA_CONTAINER_MAX_PRISTINE: '1' },
};

const FILLED_LIMIT_MS = 30_000;
const LOOK_INTERVAL_MS = 25;

export class World {
  server: ServerProcess;
  readonly engine: PrivateEngine | null;
  readonly dataDir: string;
  readonly #options: WorldOptions;
  readonly #env: Readonly<Record<string, string>>;
  readonly #folders: readonly string[];

  static async open(options: WorldOptions): Promise<World> {
    const own = await mkdtemp(join(tmpdir(), 'strata-chaos-'));
    const runDir = await mkdtemp(join(tmpdir(), 'strata-run-'));
    const dataDir = options.dataDir ?? own;
    const engine = options.containers === true ? await openPrivateEngine() : null;
    try {
      await engine?.load(['nodejs24', 'python3']);
      const containers =
        engine === null
          ? { STRATA_CONTAINER_MODE: 'off' }
          : { STRATA_CONTAINER_MODE: 'required', DOCKER_HOST: engine.host, STRATA_CONTAINER_RUN_DIR: runDir };
      const env = { ...SETTINGS, ...containers, ...options.env };
      const server = await startServer([], env, placeOf(options, dataDir));
      const world = new World({ ...options, dataDir }, env, server, engine, [own, runDir]);
      await world.deploy();
      await world.filled();
      return world;
    } catch (thrown) {
      await engine?.close();
      throw thrown;
    }
  }

  private constructor(
    options: WorldOptions & { readonly dataDir: string },
    env: Readonly<Record<string, string>>,
    server: ServerProcess,
    engine: PrivateEngine | null,
    folders: readonly string[],
  ) {
    this.#options = options;
    this.#env = env;
    this.#folders = folders;
    this.dataDir = options.dataDir;
    this.server = server;
    this.engine = engine;
  }

  get kinds(): readonly Kind[] {
    return this.#options.kinds;
  }

  get tiers(): readonly Tier[] {
    return this.engine === null ? ['isolate'] : ['isolate', 'container'];
  }

  get watched(): Watched {
    const { runDir } = { runDir: this.#env.STRATA_CONTAINER_RUN_DIR };
    return {
      pid: this.server.pid,
      metrics: () => this.metrics(),
      engineHost: this.engine?.host ?? null,
      ...(runDir === undefined ? {} : { runDir }),
    };
  }

  remains(): Promise<Remains> {
    return remainsOf(this.watched);
  }

  async hosts(): Promise<readonly SeenProcess[]> {
    return (await remainsOf({ ...this.watched, engineHost: null })).processes.filter(
      ({ role }) => role === 'host',
    );
  }

  async containers(): Promise<readonly SeenContainer[]> {
    return (await this.remains()).containers;
  }

  async metrics(): Promise<string> {
    return (await call(this.server, 'GET', '/metrics')).text;
  }

  async pools(): Promise<PoolsView> {
    return (await call(this.server, 'GET', '/v1/pools')).json as PoolsView;
  }

  /** Every function of the load for every tenant. */
  async deploy(): Promise<void> {
    for (const kind of this.kinds) {
      for (const tenant of TENANTS) {
        const body = { ...kind.spec, env: { SECRET: secretOf(tenant) } };
        const headers = { 'Strata-Tenant': tenant, 'Content-Type': 'application/json' };
        const reply = await call(this.server, 'PUT', `/v1/functions/${kind.name}`, { body, headers });
        if (reply.status >= 300) throw new Error(`${kind.name} could not be deployed: ${reply.text}`);
      }
    }
  }

  /** Waits, within bounds, until the pools have what they keep for everybody and nothing is under way. Answers whether. */
  async filled(limitMs = FILLED_LIMIT_MS): Promise<boolean> {
    const endMs = performance.now() + limitMs;
    for (;;) {
      const { tiers, queued } = await this.pools();
      const missing = Object.values(tiers).some(({ slots, sandboxes, stock }) => {
        const pristine = sandboxes.filter(({ tenant, state }) => tenant === null && state === 'ready').length;
        const wanted = stock === undefined ? 1 : stock.warm + stock.cold;
        return slots.starting + slots.draining + slots.busy > 0 || pristine < wanted;
      });
      if (!missing && queued === 0) return true;
      if (performance.now() > endMs) return false;
      await delay(LOOK_INTERVAL_MS);
    }
  }

  /** The same server again, on the same data and the same port. */
  async startAgain(): Promise<void> {
    const place = placeOf(this.#options, this.dataDir);
    this.server = await startServer(['--port', String(this.server.port)], this.#env, place);
  }

  async close(): Promise<void> {
    await this.server.stop();
    await this.engine?.close();
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true });
  }
}

const placeOf = ({ through }: WorldOptions, dataDir: string): ServerPlace =>
  through === undefined ? { dataDir } : { dataDir, through: [...through, dataDir] };
