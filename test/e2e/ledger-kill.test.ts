/**
 * SIGKILL of a server under load, at seeded points: what the ledger has then.
 *
 * The load counts what was answered; the next server on the same folder tells what it knows.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ReceiptLine, UsageReport } from '../../src/billing/api.ts';
import { seededRandom } from '../../src/ports/random.ts';
import { call, deploy, invoke } from './http-client.ts';
import { type ServerProcess, startServer } from './server-process.ts';

const KILLS = 2;
const CALLERS = 8;
const BATCH_ROWS = 20;

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** Invokes until the server is gone, which is killed when so many have been answered. @returns their ids. */
const loadAndKill = async (server: ServerProcess, kill: number): Promise<string[]> => {
  const answered: string[] = [];
  let killed = false;
  const caller = async (): Promise<void> => {
    while (!killed) {
      try {
        const reply = await invoke(server, 'work', {});
        if (reply.status === 200) answered.push(String(reply.headers['strata-invocation-id']));
      } catch {
        // The server is gone: this one has no answer, and may have a receipt or none.
      }
      if (answered.length < kill || killed) continue;
      killed = true;
      server.signal('SIGKILL');
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  await server.ended;
  return answered;
};

const receiptsOf = async (server: ServerProcess): Promise<ReceiptLine[]> => {
  const { text } = await call(server, 'GET', '/v1/usage/receipts');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ReceiptLine);
};

const totalOf = async (server: ServerProcess): Promise<UsageReport['total']> => {
  const { json } = await call(server, 'GET', '/v1/usage?from=2020-01-01&to=2030-01-01');
  return (json as UsageReport).total;
};

describe.each([
  ['batched', 11],
  ['before-answer', 12],
] as const)('a server that is killed under load, ledger.durability %s', (durability, seed) => {
  it('has billed nothing twice, and lost no more than it says', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'strata-ledger-kill-'));
    folders.push(dataDir);
    const random = seededRandom(seed);
    const start = () =>
      startServer(
        [],
        {
          STRATA_LEDGER_DURABILITY: durability,
          STRATA_LEDGER_FLUSH_INTERVAL_MS: '100',
          STRATA_LEDGER_BATCH_ROWS: String(BATCH_ROWS),
          STRATA_LOG_LEVEL: 'warn',
        },
        { dataDir },
      );
    let server = await start();
    await deploy(server, 'work', 'exports.handler = async () => 1', { concurrency: 8 });
    const answered: string[] = [];
    let known = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      answered.push(...(await loadAndKill(server, 20 + (random.nonce() % 150))));
      server = await start();
      const receipts = await receiptsOf(server);
      const ids = new Set(receipts.map(({ invocationId }) => invocationId));
      expect(ids.size).toBe(receipts.length);
      const lost = answered.filter((id) => !ids.has(id));
      const mayLose = durability === 'batched' ? (kill + 1) * (BATCH_ROWS + CALLERS) : 0;
      expect(lost.length).toBeLessThanOrEqual(mayLose);
      // The sums are those of the receipts, to the nanosecond, and what was once told stays.
      const total = await totalOf(server);
      expect(total.invocations).toBe(receipts.length);
      expect(total.exact.cpuNs).toBe(
        String(receipts.reduce((sum, { exact }) => sum + BigInt(exact.cpuNs), 0n)),
      );
      expect(total.exact.memoryMbUs).toBe(
        String(receipts.reduce((sum, { exact }) => sum + BigInt(exact.memoryMbUs), 0n)),
      );
      expect(total.invocations).toBeGreaterThanOrEqual(known);
      known = total.invocations;
    }
    await server.stop();
  }, 60_000);
});
