import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UsageReport } from '../../src/billing/api.ts';
import { call, deploy, invoke } from './http-client.ts';
import { runStrata, type ServerProcess, startServer } from './server-process.ts';

const PRICES = {
  currency: 'USD',
  decimals: 6,
  tariffs: { 'fc-2024': { tiers: [{ price: '0.000020' }] } },
};

let folder = '';
let server: ServerProcess;

const start = (): Promise<ServerProcess> =>
  startServer(
    [],
    { STRATA_LEDGER_PRICES_FILE: join(folder, 'prices.json'), STRATA_RECORDS_MAX_INVOCATIONS: '2' },
    { dataDir: join(folder, 'data') },
  );

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'strata-usage-'));
  writeFileSync(join(folder, 'prices.json'), JSON.stringify(PRICES));
  server = await start();
  await deploy(server, 'ok', 'exports.handler = async () => 1');
  await deploy(
    server,
    'bad',
    'exports.handler = async () => { console.log("seen"); throw new RangeError("no") }',
  );
}, 60_000);

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
}, 60_000);

const usage = async (query = '', headers = {}): Promise<UsageReport> => {
  const { status, json, text } = await call(server, 'GET', `/v1/usage${query}`, { headers });
  if (status !== 200) throw new Error(text);
  return json as UsageReport;
};

describe('usage over HTTP', () => {
  it('has what was invoked at once, by function, with money where there are prices', async () => {
    for (const name of ['ok', 'ok', 'bad']) await invoke(server, name, {});
    const { rows, total, currency } = await usage('?groupBy=function');
    expect(rows.map(({ function: name, invocations, failed }) => [name, invocations, failed])).toEqual([
      ['bad', 1, 1],
      ['ok', 2, 0],
    ]);
    expect(total.cuSeconds).toBeCloseTo(total.cpuSeconds, 9);
    expect([currency, total.amount]).toEqual([null, null]);
    const priced = await usage('?tariff=fc-2024&groupBy=day,version');
    expect(priced.currency).toEqual({ code: 'USD', decimals: 6 });
    expect(priced.total.cuSeconds).toBeGreaterThan(3 * 0.0075);
    expect(priced.rows).toHaveLength(1);
  });

  it('shows a tenant itself alone, and the operator all and what is idle', async () => {
    expect((await usage('', { 'Strata-Tenant': 'other' })).total.invocations).toBe(0);
    const all = await usage('?all=true&groupBy=tenant', { 'Strata-Tenant': 'other' });
    expect(all.rows.map(({ tenant }) => tenant)).toEqual(['default']);
    expect(all.operator?.every(({ tenant, gbSeconds }) => tenant === null && gbSeconds >= 0)).toBe(true);
    expect(all.operator?.length).toBeGreaterThan(0);
    const { text } = await call(server, 'GET', '/metrics');
    expect(text).toMatch(
      /strata_operator_memory_gb_seconds_total\{runtime="isolate",layer="runtime",use="kept"\} [0-9.]+/,
    );
    expect(text).toMatch(/strata_ledger_receipts_total\{outcome="stored"\} 3/);
  });

  it('refuses an unknown tariff, key, day or parameter with what there is', async () => {
    const bad = {
      'tariff=gold': /no tariff .*lambda/,
      'groupBy=colour': /groupBy has/,
      'from=yesterday': /give a day/,
      'colour=red': /unknown/,
      'format=xml': /format/,
    };
    for (const [query, detail] of Object.entries(bad)) {
      const reply = await call(server, 'GET', `/v1/usage?${query}`);
      expect(reply).toMatchObject({
        status: 400,
        json: { code: 'invalid_request', detail: expect.stringMatching(detail) },
      });
    }
  });

  it('comes as CSV, and so do receipts, which are lines of JSON otherwise', async () => {
    const csv = await call(server, 'GET', '/v1/usage?groupBy=function&format=csv');
    expect(csv.headers['content-type']).toMatch(/text\/csv/);
    expect(csv.text.split('\r\n')[1]).toMatch(/^bad,1,1,0\.\d+,0\.\d+,0\.\d+,,,cpu$/);
    const lines = (await call(server, 'GET', '/v1/usage/receipts')).text.trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).function)).toEqual(['ok', 'ok', 'bad']);
    const table = (await call(server, 'GET', '/v1/usage/receipts?format=csv')).text.trim().split('\r\n');
    expect(table).toHaveLength(4);
    expect(table[0]).toMatch(/^startedAt,invocationId,attempt,tenant/);
    expect((await call(server, 'GET', '/v1/usage/receipts?from=noon')).status).toBe(400);
    expect((await call(server, 'GET', '/v1/usage/receipts?to=2020-01-01')).text).toBe('');
  });

  it('keeps a receipt when memory has forgotten it, and over a restart, without its log', async () => {
    const reply = await invoke(server, 'bad', {});
    const path = `/v1/invocations/${reply.headers['strata-invocation-id']}`;
    const before = (await call(server, 'GET', path)).json as object;
    for (let at = 0; at < 3; at += 1) await invoke(server, 'ok', {});
    expect((await call(server, 'GET', path)).json).toEqual({ ...before, logTruncated: true });
    const total = (await usage()).total;
    await server.stop();
    server = await start();
    expect((await call(server, 'GET', path)).json).toEqual({ ...before, logTruncated: true });
    expect((await call(server, 'GET', `${path}/logs`)).json).toEqual({ logs: [], truncated: true });
    expect((await call(server, 'GET', path, { headers: { 'Strata-Tenant': 'other' } })).status).toBe(404);
    expect((await usage()).total).toEqual(total);
  }, 30_000);

  it('is shown by the command line', async () => {
    const { stdout } = await runStrata([
      '--url',
      server.url,
      'usage',
      '--group-by',
      'function',
      '--tariff',
      'fc-2024',
    ]);
    expect(stdout).toMatch(/tariff fc-2024: 75 CU/);
    expect(stdout).toMatch(/^ok +5 +0 /m);
    expect(stdout).toMatch(/^total +7 +2 /m);
    const csv = await runStrata(['--url', server.url, 'usage', '--csv']);
    expect(csv.stdout).toMatch(/^invocations,failed/);
    const id = String((await invoke(server, 'ok', {})).headers['strata-invocation-id']);
    const receipt = await runStrata(['--url', server.url, 'receipt', id]);
    expect(receipt.stdout).toMatch(new RegExp(`^invocation +${id}\\nfunction +ok@\\$LATEST of default`));
    const unknown = await runStrata(['--url', server.url, 'receipt', 'nope']);
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringMatching(/^not_found/) });
  }, 30_000);
});

describe('a damaged ledger', () => {
  it('keeps the server from starting, and is left as it is', async () => {
    const path = join(folder, 'damaged');
    const first = await startServer([], {}, { dataDir: path });
    await first.stop();
    const file = join(path, 'ledger.db');
    writeFileSync(file, 'not a database, for certain; '.repeat(500));
    copyFileSync(file, join(folder, 'copy'));
    await expect(startServer([], {}, { dataDir: path })).rejects.toThrow(
      /ledger\.db cannot be used: .*Restore it from a backup, or move it away/,
    );
    expect(readFileSync(file)).toEqual(readFileSync(join(folder, 'copy')));
  }, 60_000);
});
