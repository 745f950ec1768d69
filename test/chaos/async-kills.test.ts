/**
 * A server under asynchronous load, killed with SIGKILL at seeded points and started again over the same folder.
 *
 * Points are counted in what can be seen from outside: answers 202, runs, webhooks. Afterwards every id that was given out
 * has ended, once; what is delivered at most once ran at most once; a record for another function brought one invocation;
 * each attempt has one receipt, and the usage of the day is the sum of those. STRATA_ASYNC_KILLS is how many kills there
 * are, more with STRATA_CHAOS=full; STRATA_ASYNC_SEED another order of them.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReceiptLine, UsageReport } from '../../src/billing/api.ts';
import { seededRandom } from '../../src/ports/random.ts';
import { call, deploy } from '../e2e/http-client.ts';
import { type ServerProcess, startServer } from '../e2e/server-process.ts';

const KILLS = Number(process.env.STRATA_ASYNC_KILLS ?? (process.env.STRATA_CHAOS === 'full' ? 10 : 4));
const SEED = Number(process.env.STRATA_ASYNC_SEED ?? 1);
const CLIENTS = 3;
const POINTS = ['accepted', 'ran', 'hooked'] as const;
type Point = (typeof POINTS)[number];
/** How many of each are seen before the kill, at most. */
const WITHIN: Readonly<Record<Point, number>> = { accepted: 60, ran: 6, hooked: 6 };
const NAMES = ['steady', 'flaky', 'once', 'hooked', 'chained'] as const;

const ENVIRONMENT = {
  STRATA_EGRESS_PRIVATE_RANGES: '127.0.0.1',
  STRATA_ASYNC_RETRY_DELAY_MS: '10',
  STRATA_ASYNC_MAX_RETRY_DELAY_MS: '200',
  STRATA_ASYNC_MAX_INTERRUPTIONS: '1000',
  STRATA_LOG_LEVEL: 'warn',
  STRATA_ISOLATE_PRISTINE_HOSTS: '1',
};

let dataDir: string;
let witness: http.Server;
let base: string;
/** Seen by the witness: the requests of functions and the webhooks, by path. */
const seen = new Map<string, number>();
let onPoint: (point: Point) => void = () => {};
const accepted = new Map<string, { readonly name: (typeof NAMES)[number]; readonly n: number }>();

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'strata-kills-'));
  witness = http.createServer((request, response) => {
    const key = `${request.url}${request.headers['strata-webhook-id'] ?? ''}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
    request.resume();
    response.end('{}');
    onPoint(request.url === '/hook' ? 'hooked' : 'ran');
  });
  await once(witness.listen(0, '127.0.0.1'), 'listening');
  base = `127.0.0.1:${(witness.address() as AddressInfo).port}`;
});

afterAll(async () => {
  witness.close();
  await rm(dataDir, { recursive: true, force: true });
});

const deployAll = async (server: ServerProcess): Promise<void> => {
  const network = { allow: [base] };
  const fetching = `exports.handler = async ({ n }) => { await fetch('http://${base}/ran/' + n); return n * 2; }`;
  await deploy(server, 'sink', 'exports.handler = () => 1');
  await deploy(server, 'steady', 'exports.handler = ({ n }) => n * 2');
  await deploy(
    server,
    'flaky',
    'exports.handler = () => { if (Math.random() < 0.5) throw new Error("no"); }',
  );
  await deploy(server, 'once', fetching, { network, async: { delivery: 'at-most-once' } });
  await deploy(server, 'hooked', 'exports.handler = () => 1', {
    async: { onSuccess: { webhook: `http://${base}/hook` } },
  });
  await deploy(server, 'chained', 'exports.handler = () => 1', {
    async: { onSuccess: { function: 'sink' } },
  });
};

let number = 0;

/** Sends one event after the other until the server is gone. */
const client = async (server: ServerProcess): Promise<void> => {
  for (;;) {
    number += 1;
    const n = number;
    const name = NAMES[n % NAMES.length] ?? 'steady';
    try {
      const url = `/v1/functions/${name}/invocations?mode=async`;
      const reply = await call(server, 'POST', url, { body: { n } });
      if (reply.status !== 202) throw new Error(`${reply.status} ${reply.text}`);
      accepted.set((reply.json as { invocationId: string }).invocationId, { name, n });
      onPoint('accepted');
    } catch (error) {
      if (error instanceof Error && 'code' in error) return;
      throw error;
    }
  }
};

/** Loads the server until the point is reached so often, then kills it. */
const killAt = async (server: ServerProcess, point: Point, times: number): Promise<void> => {
  let left = times;
  onPoint = (reached) => {
    if (reached !== point) return;
    left -= 1;
    if (left === 0) server.signal('SIGKILL');
  };
  await Promise.all(Array.from({ length: CLIENTS }, () => client(server)));
  await server.ended;
  onPoint = () => {};
};

interface Row {
  readonly id: string;
  readonly function: string;
  readonly status: string;
  readonly attempts: number;
  readonly result: Uint8Array | null;
}

const rows = (): Row[] => {
  const database = new DatabaseSync(path.join(dataDir, 'queue.db'));
  try {
    return database
      .prepare('SELECT id, function, status, attempts, result FROM invocations')
      .all() as unknown as Row[];
  } finally {
    database.close();
  }
};

const receiptsOf = async (server: ServerProcess): Promise<ReceiptLine[]> => {
  const { text } = await call(server, 'GET', '/v1/usage/receipts');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ReceiptLine);
};

/** Each attempt that the queue has counted has one receipt; no receipt is of anything else. */
const expectBilledOnce = (receipts: readonly ReceiptLine[], all: readonly Row[]): void => {
  const keys = receipts.map(({ invocationId, attempt }) => `${invocationId}/${attempt}`);
  expect(new Set(keys).size).toBe(keys.length);
  const billed = new Set(keys);
  for (const { id, attempts, function: name, status } of all) {
    const counted = Array.from({ length: attempts }, (_, index) => `${id}/${index + 1}`);
    expect(
      counted.filter((key) => !billed.has(key)),
      `${name} ${id} is ${status}`,
    ).toEqual([]);
    for (const key of counted) billed.delete(key);
    // What may not run again is billed also when the queue was killed before it could count it.
    if (name === 'once' && attempts === 0) billed.delete(`${id}/1`);
  }
  expect([...billed]).toEqual([]);
};

const FINAL = ['succeeded', 'failed', 'cancelled', 'expired'];

describe('a server that is killed under asynchronous load', () => {
  it('loses nothing that it accepted, bills nothing twice, and runs nothing twice that may run once', async () => {
    const random = seededRandom(SEED);
    for (let kill = 0; kill < KILLS; kill += 1) {
      const point = POINTS[random.nonce() % POINTS.length] ?? 'accepted';
      const server = await startServer([], ENVIRONMENT, { dataDir });
      if (kill === 0) await deployAll(server);
      await killAt(server, point, 1 + (random.nonce() % WITHIN[point]));
    }
    const last = await startServer([], ENVIRONMENT, { dataDir });
    const depth = /strata_async_queue_depth\{state="\w+"\} [1-9]/;
    await expect
      .poll(async () => depth.exec((await call(last, 'GET', '/metrics')).text)?.[0], { timeout: 30_000 })
      .toBeUndefined();
    const receipts = await receiptsOf(last);
    const usage = await call(last, 'GET', '/v1/usage?from=2020-01-01&to=2030-01-01');
    await last.stop();

    const all = rows();
    expectBilledOnce(receipts, all);
    expect((usage.json as UsageReport).total.invocations).toBe(receipts.length);
    const byId = new Map(all.map((row) => [row.id, row]));
    expect(accepted.size).toBeGreaterThan(KILLS);
    for (const [id, { name, n }] of accepted) {
      const row = byId.get(id);
      expect(FINAL, `${name} ${id}`).toContain(row?.status);
      if (name === 'once') expect(row?.attempts).toBeLessThanOrEqual(1);
      if (name === 'steady') {
        expect(row?.status).toBe('succeeded');
        expect(JSON.parse(Buffer.from(row?.result ?? []).toString())).toBe(n * 2);
      }
      if (name === 'hooked') expect(seen.get(`/hook${id}`), id).toBeGreaterThanOrEqual(1);
    }
    const runs = [...seen].filter(([key]) => key.startsWith('/ran/'));
    expect(runs.filter(([, count]) => count > 1)).toEqual([]);
    expect(runs.length).toBeGreaterThan(0);
    const chained = all.filter((row) => row.function === 'chained' && row.status === 'succeeded');
    expect(all.filter((row) => row.function === 'sink')).toHaveLength(chained.length);
  }, 300_000);
});
