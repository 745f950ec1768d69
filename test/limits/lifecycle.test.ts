/**
 * Restarts and violent deaths: of a host from outside, and of the server itself.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../e2e/http-client.ts';
import { descendants, gone, leaves } from '../hostile/processes.ts';
import { type Bench, eventually, openBench } from './bench.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Served {
  readonly child: ChildProcess;
  readonly url: string;
  readonly port: number;
  readonly ended: Promise<void>;
}

/** A real server on a data folder of the caller's: the folder has to outlive it. */
const serve = async (dataDir: string): Promise<Served> => {
  const args = [path.join(ROOT, 'src/main.ts'), 'serve', '--port', '0', '--data-dir', dataDir];
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, args, { env: { PATH }, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let text = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const found = /listens on (http:\/\/\S+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    void ended.then(() => reject(new Error(`the server ended: ${text}`)));
  });
  return { child, url, port: Number(new URL(url).port), ended };
};

const request = (served: Served, method: string, url: string, body?: unknown) =>
  call(
    {
      ...served,
      pid: served.child.pid ?? 0,
      stdout: () => '',
      stderr: () => '',
      signal: () => {},
      logged: async () => {},
      stop: async () => {},
      ended: served.ended as never,
    },
    method,
    url,
    { body },
  );

describe('a server', () => {
  let dataDir: string;
  const running: Served[] = [];
  const start = async (): Promise<Served> => {
    const served = await serve(dataDir);
    running.push(served);
    return served;
  };

  beforeAll(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'strata-lifecycle-'));
  });

  afterAll(async () => {
    for (const { child, ended } of running) {
      child.kill('SIGKILL');
      await ended;
    }
    await rm(dataDir, { recursive: true, force: true });
  });

  it('keeps its functions over SIGTERM and over SIGKILL, and leaves no process behind', async () => {
    const source = 'exports.handler = (event) => ({ echo: event, mode: process.env.MODE });';
    const spec = { runtime: 'isolate', code: { source }, env: { MODE: 'kept' }, labels: { a: 'b' } };
    const first = await start();
    expect((await request(first, 'PUT', '/v1/functions/kept', spec)).status).toBe(201);
    const stored = (await request(first, 'GET', '/v1/functions/kept')).json;
    for (const signal of ['SIGTERM', 'SIGKILL', 'SIGTERM'] as const) {
      const served = running.at(-1);
      if (served === undefined) throw new Error('no server runs');
      const reply = await request(served, 'POST', '/v1/functions/kept/invocations', { signal });
      expect(reply.json).toEqual({ echo: { signal }, mode: 'kept' });
      expect((await request(served, 'GET', '/v1/functions/kept')).json).toEqual(stored);
      const hosts = descendants(served.child.pid ?? -1);
      expect(hosts.length).toBeGreaterThan(0);
      served.child.kill(signal);
      await served.ended;
      expect(await gone(hosts)).toEqual([]);
      await start();
    }
  });

  it('that is killed while a function spins takes the spinning host along', async () => {
    const served = running.at(-1);
    if (served === undefined) throw new Error('no server runs');
    const spin =
      'class Spin extends Error { get name() { for (;;); } } exports.handler = () => { (async () => { throw new Spin(); })(); return new Promise(() => {}); };';
    const spec = { runtime: 'isolate', code: { source: spin }, timeoutMs: 60_000, cpuMs: 60_000 };
    await request(served, 'PUT', '/v1/functions/spin', spec);
    const invoking = request(served, 'POST', '/v1/functions/spin/invocations').catch(() => 'broken off');
    // Answers come in the order of the requests only within a connection; the pool says when it runs.
    for (let busy = 0; busy === 0; ) {
      const { json } = await request(served, 'GET', '/v1/pools');
      busy = (json as { tiers: { isolate: { slots: { busy: number } } } }).tiers.isolate.slots.busy;
    }
    const hosts = descendants(served.child.pid ?? -1);
    expect(hosts.length).toBeGreaterThan(0);
    served.child.kill('SIGKILL');
    await served.ended;
    expect(await invoking).toBe('broken off');
    expect(await gone(hosts)).toEqual([]);
  });
});

describe('a host that is killed from outside', () => {
  let bench: Bench;

  beforeAll(async () => {
    bench = await openBench({ isolate: { pristineHosts: 1 } });
  });

  afterAll(() => bench.executor.close());

  /** Kills every host, and resolves when the executor has noticed each of the deaths. */
  const killHosts = async (): Promise<void> => {
    const before = new Set(bench.pool().sandboxes.map(({ id }) => id));
    for (const { pid, name } of leaves(process.pid)) if (name !== 'esbuild') process.kill(pid, 'SIGKILL');
    const noticed = () =>
      !bench.pool().sandboxes.some(({ id, state }) => state !== 'starting' && before.has(id));
    expect(await eventually(10_000, noticed)).toBe(true);
  };

  it('blames neither what ran alone in it nor what waited, and service goes on', async () => {
    const waits =
      'exports.handler = (event) => new Promise((resolve) => setTimeout(resolve, event.ms, "waited"));';
    await bench.deploy('waits', waits, { timeoutMs: 30_000 });
    await bench.deploy(
      'spins',
      'exports.handler = (event) => { if (event.calm) return "calm"; for (;;); };',
      {
        ...{ timeoutMs: 30_000, cpuMs: 30_000 },
      },
    );
    expect(await bench.result('waits', { ms: 1 })).toBe('waited');
    expect(await bench.result('spins', { calm: true })).toBe('calm');
    const waiting = bench.invoke('waits', { ms: 20_000 });
    const spinning = bench.invoke('spins');
    // A second short wait in the same host is answered after the first one has been seen to wait.
    await bench.deploy('other', waits, { timeoutMs: 30_000 });
    await bench.result('other', { ms: 30 });
    await killHosts();
    expect((await waiting).receipt.error?.code).toBe('sandbox_lost');
    const spun = (await spinning).receipt;
    expect(spun.error?.code).toBe('sandbox_lost');

    expect(await bench.result('waits', { ms: 1 })).toBe('waited');
    expect(await bench.result('spins', { calm: true })).toBe('calm');
    const { free, busy, starting, draining, total } = bench.pool().slots;
    expect(free + busy + starting + draining).toBe(total);
    expect(busy).toBe(0);
  });

  it('blames nobody when two ran in it', async () => {
    const source = 'exports.handler = (event) => { if (event.calm) return "calm"; for (;;); };';
    for (const name of ['one', 'two']) {
      await bench.deploy(name, source, { timeoutMs: 30_000, cpuMs: 30_000 });
      await bench.result(name, { calm: true });
    }
    const running = [bench.invoke('one'), bench.invoke('two')];
    await bench.deploy('other-two', 'exports.handler = () => 1;', { timeoutMs: 30_000 });
    await bench.result('other-two');
    await killHosts();
    for (const answer of await Promise.all(running)) {
      expect(answer.receipt.error?.code).toBe('sandbox_lost');
    }
    expect(await bench.result('one', { calm: true })).toBe('calm');
    expect(await bench.result('two', { calm: true })).toBe('calm');
  });

  it('is replaced when it was idle, and nobody notices', async () => {
    await bench.executor.ready();
    const ready = () => bench.pool().sandboxes.filter(({ state }) => state === 'ready');
    const before = ready().map(({ id }) => id);
    await killHosts();
    expect(await bench.result('one', { calm: true })).toBe('calm');
    await bench.executor.ready();
    const after = ready().map(({ id }) => id);
    expect(after.filter((id) => before.includes(id))).toEqual([]);
  });
});
