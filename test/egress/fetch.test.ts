/**
 * fetch in isolates, over the HTTP API of a real server and through a real broker.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../e2e/http-client.ts';
import { descendants, gone } from '../hostile/processes.ts';
import { World } from './world.ts';

let world: World;
let base: string;

beforeAll(async () => {
  world = await World.open();
  base = `http://api.test:${world.upstream.port}`;
  world.names.zone['api.test'] = [['127.0.0.1']];
  const { port } = world.upstream;
  await world.fetcher('open', [`api.test:${port}`, `127.0.0.0/8:${port}`]);
  await world.fetcher('fresh', [`api.test:${port}`, `127.0.0.0/8:${port}`], { processModel: 'ephemeral' });
  await world.fetcher('closed', []);
});

afterAll(() => world.close());

describe.each(['open', 'fresh'])('a function (%s)', (name) => {
  it('reaches what it lists, by name and by address, and its receipt says what that came to', async () => {
    const { result, receipt } = await world.run(name, { url: `${base}/path?q=1` });
    expect(result.status).toBe(200);
    expect(JSON.parse(result.text ?? '')).toMatchObject({
      ...{ method: 'GET', url: '/path?q=1' },
      headers: { host: `api.test:${world.upstream.port}`, 'user-agent': 'Strata', connection: 'close' },
    });
    expect(receipt.network).toMatchObject({ requests: 1, refused: 0, refusals: [] });
    expect(receipt.network.sentBytes).toBeGreaterThan(50);
    expect(receipt.network.receivedBytes).toBeGreaterThan(result.text?.length ?? 0);
    const direct = await world.run(name, { url: `http://127.0.0.1:${world.upstream.port}/` });
    expect(direct.result.status).toBe(200);
  });

  it('sends bodies and reads answers of any size', async () => {
    const sent = await world.run(name, { url: base, init: { method: 'POST' }, size: 3_000_000 });
    expect(JSON.parse(sent.result.text ?? '')).toMatchObject({ method: 'POST', bytes: 3_000_000 });
    expect(sent.receipt.network.sentBytes).toBeGreaterThan(3_000_000);
    const read = await world.run(name, { url: `${base}/bytes?n=5000000`, count: true });
    expect(read.result).toEqual({ status: 200, bytes: 5_000_000 });
    expect(read.receipt.network.receivedBytes).toBeGreaterThan(5_000_000);
    expect(read.receipt.usage.maxMemoryMb).toBeLessThan(64);
  });

  it('without a list has no network, and is told so', async () => {
    const { result, receipt } = await world.run('closed', { url: base });
    expect(result.error).toMatchObject({ name: 'TypeError', code: 'network_denied' });
    expect(result.error?.message).toBe(
      'fetch failed: the function has no network, because its network.allow is empty',
    );
    expect(receipt.network).toMatchObject({ requests: 1, refused: 1 });
  });
});

it('calls that share an isolate have their own requests, answers and accounts', async () => {
  const { port } = world.upstream;
  await world.fetcher('shared', [`127.0.0.1:${port}`], { concurrency: 8, maxInstances: 1 });
  const calls = Array.from({ length: 8 }, (_, n) =>
    world.run(
      'shared',
      Array.from({ length: n + 1 }, (_, m) => ({ url: `http://127.0.0.1:${port}/${n}-${m}` })),
    ),
  );
  for (const [n, { result, receipt }] of (await Promise.all(calls)).entries()) {
    const answers = result as unknown as { text: string }[];
    const asked = answers.map(({ text }) => (JSON.parse(text) as { url: string }).url);
    expect(asked).toEqual(Array.from({ length: n + 1 }, (_, m) => `/${n}-${m}`));
    expect(receipt.network).toMatchObject({ requests: n + 1, refused: 0 });
  }
});

it('a function that takes all its places leaves those of others', async () => {
  const { port } = world.upstream;
  await world.fetcher('greedy', [`127.0.0.1:${port}`], { timeoutMs: 2_000 });
  const greedy = world.run('greedy', Array(200).fill({ url: `http://127.0.0.1:${port}/never` }));
  await expect.poll(() => world.upstream.open()).toBe(50);
  expect((await world.run('open', { url: base })).result.status).toBe(200);
  expect((await greedy).receipt.network).toMatchObject({ requests: 200, refused: 150 });
});

describe('an answer', () => {
  it('has its headers, each of them', async () => {
    const { result } = await world.run('open', { url: `${base}/cookies` });
    const named = (wanted: string): string[] =>
      (result.headers ?? []).filter(([name]) => name === wanted).map(([, value]) => value);
    expect([named('set-cookie'), named('x-list'), named('connection')]).toEqual([
      ['a=1', 'b=2'],
      ['1, 2'],
      [],
    ]);
  });

  it('that breaks off is an error like that of Node', async () => {
    const { result } = await world.run('open', { url: `${base}/breaks` });
    expect(result.error).toMatchObject({ name: 'TypeError', message: 'fetch failed' });
    expect(['UND_ERR_SOCKET', 'ECONNRESET', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH']).toContain(
      result.error?.code,
    );
  });

  it('may come after redirects, of which each is a request', async () => {
    const url = `${base}/to?url=${encodeURIComponent(`${base}/to?url=/end`)}`;
    const { result, receipt } = await world.run('open', { url });
    expect(result).toMatchObject({ status: 200, url: `${base}/end` });
    expect(receipt.network.requests).toBe(3);
  });

  it('of nobody is an error with the code of the system', async () => {
    const closed = await world.run('open', { url: `http://127.0.0.1:${world.upstream.port}/` });
    expect(closed.result.status).toBe(200);
    await world.fetcher('nobody', ['127.0.0.1:1', 'none.test:80']);
    expect((await world.run('nobody', { url: 'http://127.0.0.1:1/' })).result.error?.code).toBe(
      'ECONNREFUSED',
    );
    expect((await world.run('nobody', { url: 'http://none.test/' })).result.error?.code).toBe('ENOTFOUND');
  });
});

describe('waiting for the network', () => {
  it('costs no CPU time', async () => {
    const { port } = world.upstream;
    await world.fetcher('waits', [`127.0.0.1:${port}`], { timeoutMs: 1_500 });
    const { receipt } = await world.run('waits', { url: `http://127.0.0.1:${port}/never` });
    expect(receipt.error?.code).toBe('function_timeout');
    expect(receipt.usage.cpuMs).toBeLessThan(200);
    expect(receipt.usage.wallMs).toBeGreaterThan(1_400);
  });

  it('ends with the invocation, also on the other side', async () => {
    const { port } = world.upstream;
    await world.fetcher('short', [`api.test:${port}`, `127.0.0.1:${port}`], { timeoutMs: 300 });
    const { receipt } = await world.run('short', { url: `${base}/begins` });
    expect(receipt.error?.code).toBe('function_timeout');
    expect(receipt.network.requests).toBe(1);
    await expect.poll(() => world.upstream.open()).toBe(0);
    // The instance lives on, and nothing of the request comes back to it.
    expect((await world.run('short', { url: base })).result.status).toBe(200);
  });
});

describe('a list', () => {
  const put = (allow: unknown, spec: object = {}) =>
    call(world.server, 'PUT', '/v1/functions/refused', {
      body: {
        runtime: 'isolate',
        code: { source: 'exports.handler = () => 1' },
        network: { allow },
        ...spec,
      },
    });

  it.each([
    [['example.com'], 'has no port'],
    [['10.0.0.0/8:443'], 'egress.privateRanges'],
    [['169.254.169.254:80'], 'egress.privateRanges'],
    [['2130706433:80'], 'neither a name'],
    [Array(51).fill('a.com:443'), 'network.allow'],
  ])('%j is refused', async (allow, why) => {
    const reply = await put(allow);
    expect(reply.status).toBe(400);
    expect(reply.json).toMatchObject({ code: 'invalid_request', detail: expect.stringContaining(why) });
  });

  it('is shown as it counts', async () => {
    const reply = await put(['API.Example.com.:443', 'api.example.com:443']);
    expect(reply.json).toMatchObject({ network: { allow: ['api.example.com:443'] } });
  });
});

it('the broker has an empty environment, a user of its own, no capabilities and one descriptor to the server', () => {
  const broker = descendants(world.server.pid).find(({ pid }) =>
    readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('egress-broker.cjs\0'),
  );
  if (broker === undefined) throw new Error('there is no broker');
  const leaf = descendants(broker.pid).at(-1) ?? broker;
  expect(readFileSync(`/proc/${leaf.pid}/environ`, 'utf8')).toBe('');
  const status = readFileSync(`/proc/${leaf.pid}/status`, 'utf8');
  if (process.getuid?.() === 0) {
    expect(status).toMatch(/^Uid:\t65533\t65533\t65533\t65533$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^CapBnd:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
  }
  expect(readdirSync(`/proc/${leaf.pid}/fd`).length).toBeLessThan(40);
});

it('the broker ends with its server, however that ends', async () => {
  const other = await World.open();
  await other.fetcher('f', [`127.0.0.1:${other.upstream.port}`]);
  expect((await other.run('f', { url: `http://127.0.0.1:${other.upstream.port}/` })).result.status).toBe(200);
  const below = descendants(other.server.pid);
  expect(
    below.some(({ pid }) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('egress-broker')),
  ).toBe(true);
  other.server.signal('SIGKILL');
  expect(await gone(below)).toEqual([]);
  await other.close();
});

it('counts what functions did with the network', async () => {
  const { text } = await call(world.server, 'GET', '/metrics');
  expect(text).toMatch(/^strata_network_requests_total\{outcome="refused"\} [1-9]/m);
  expect(text).toMatch(/^strata_network_bytes_total\{direction="received"\} [1-9]/m);
});
