/**
 * What functions and the servers that they reach do to get further than they may, or to be more than they should.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { deploy } from '../e2e/http-client.ts';
import { startRaw, type Upstream } from './upstream.ts';
import { World } from './world.ts';

let world: World;
let port: number;
let base: string;
const raws: Upstream[] = [];

const LIMITS = {
  STRATA_EGRESS_MAX_RECEIVED_BYTES: '2000000',
  STRATA_EGRESS_MAX_SENT_BYTES: '1000000',
  STRATA_EGRESS_REQUEST_TIMEOUT_MS: '1500',
  STRATA_EGRESS_CONNECT_TIMEOUT_MS: '1000',
  STRATA_EGRESS_MAX_REQUESTS: '1500',
  STRATA_EGRESS_MAX_REQUESTS_AT_ONCE_PER_FUNCTION: '20',
};

beforeAll(async () => {
  world = await World.open(LIMITS);
  ({ port } = world.upstream);
  base = `http://api.test:${port}`;
  world.names.zone['api.test'] = [['127.0.0.1']];
  await world.fetcher('f', [`api.test:${port}`, `127.0.0.1:${port}`]);
  // Names alone: nothing at a private address may be reached by them.
  await world.fetcher('names', ['*:*', '*.evil.test:*']);
});

afterAll(() => world.close());

/** After each attack an ordinary request of the same function works, and nothing is left at the upstream. */
afterEach(async () => {
  expect((await world.run('f', { url: base })).result.status).toBe(200);
  await expect.poll(() => world.upstream.open()).toBe(0);
  for (const raw of raws.splice(0)) await raw.close();
});

const raw = async (name: string, answer: Parameters<typeof startRaw>[0]): Promise<Upstream> => {
  const upstream = await startRaw(answer);
  raws.push(upstream);
  await world.fetcher(name, [`api.test:${upstream.port}`, `127.0.0.1:${upstream.port}`]);
  return upstream;
};

describe('addresses in disguise', () => {
  it.each([
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '127.0.0.1.',
    '%31%32%37.0.0.1',
    '\uff11\uff12\uff17.0.0.1',
    '0',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '169.254.169.254',
    '2852039166',
    '[::ffff:169.254.169.254]',
    '[fd00:ec2::254]',
    '168.63.129.16',
    '100.100.100.200',
    '10.0.0.1',
    '192.168.0.1',
    '224.0.0.1',
    '255.255.255.255',
  ])('%s is refused although every host is allowed', async (host) => {
    const { result, receipt } = await world.run('names', { url: `http://${host}:${port}/` });
    expect(result.error?.code).toBe('network_denied');
    expect(receipt.network).toMatchObject({ requests: 1, refused: 1, sentBytes: 0 });
    expect(world.upstream.seen).not.toContain('GET /disguise');
  });

  it.each(['127.1', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]'])(
    '%s is the address that it is, where that is allowed',
    async (host) => {
      const { result } = await world.run('f', { url: `http://${host}:${port}/same` });
      expect(result.status).toBe(200);
    },
  );
});

describe('names that change', () => {
  it.each([
    ['a private address', ['10.1.2.3']],
    ['loopback', ['127.0.0.1']],
    ['loopback among public ones', ['192.0.43.10', '127.0.0.1']],
    ['the address of the metadata service', ['169.254.169.254']],
    ['IPv4 in IPv6', ['::ffff:7f00:1']],
    ['loopback of IPv6', ['::1']],
  ])('to %s are refused, and where to is not told', async (_what, addresses) => {
    const name = `n${Math.abs(addresses.join().length)}-${addresses.length}.evil.test`;
    world.names.zone[name] = [addresses];
    const { result } = await world.run('names', { url: `http://${name}:${port}/` });
    expect(result.error?.code).toBe('network_denied');
    for (const address of addresses) expect(JSON.stringify(result)).not.toContain(address);
  });

  it('are resolved once for a request: what was checked is what is connected to', async () => {
    // Had it been asked a second time, the connection would have gone to where nobody listens.
    world.names.zone['twice.test'] = [['127.0.0.1'], ['127.0.0.2']];
    await world.fetcher('twice', [`twice.test:${port}`, `127.0.0.1:${port}`]);
    const asked = world.names.asked.length;
    const first = await world.run('twice', { url: `http://twice.test:${port}/` });
    expect(first.result.status).toBe(200);
    expect(world.names.asked.slice(asked)).toEqual(['twice.test']);
    const second = await world.run('twice', { url: `http://twice.test:${port}/` });
    expect(second.result.error?.code).toBe('network_denied');
  });

  it('that never come cost their request its time, and others nothing', async () => {
    world.names.zone['silent.evil.test'] = [];
    const silent = world.run('names', Array(15).fill({ url: `http://silent.evil.test:${port}/` }));
    const beside = await world.run('f', { url: base });
    expect(beside.result.status).toBe(200);
    const { result } = await silent;
    const codes = (result as unknown as { error: { code: string } }[]).map(({ error }) => error.code);
    expect(new Set(codes)).toEqual(new Set(['ETIMEOUT']));
  });

  it('carry nothing out when they are not listed', async () => {
    const asked = world.names.asked.length;
    await world.run(
      'f',
      Array.from({ length: 20 }, (_, n) => ({ url: `http://secret-${n}.exfil.test/` })),
    );
    expect(world.names.asked.slice(asked)).toEqual([]);
  });
});

describe('redirects', () => {
  it.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://2852039166/',
    'http://[::ffff:169.254.169.254]/',
    'http://127.0.0.1:1/',
    'http://127.0.0.2/',
  ])('to %s are refused like requests', async (to) => {
    const { result, receipt } = await world.run('f', { url: `${base}/to?url=${encodeURIComponent(to)}` });
    expect(result.error?.code).toBe('network_denied');
    expect(receipt.network).toMatchObject({ requests: 2, refused: 1 });
  });

  it.each(['file:///etc/passwd', 'data:text/plain,x', 'gopher://a/'])('to %s lead nowhere', async (to) => {
    const { result } = await world.run('f', { url: `${base}/to?url=${encodeURIComponent(to)}` });
    expect(result.error?.name).toBe('TypeError');
  });

  it('in a circle end', async () => {
    // Without a place to go a redirect leads to itself.
    const { result, receipt } = await world.run('f', { url: `${base}/to?url=` });
    expect(result.error?.limit).toMatchObject({ kind: 'networkRedirects', configured: 5 });
    expect(receipt.network.requests).toBe(6);
  });
});

describe('a request that would be two', () => {
  it.each([
    [{ headers: { 'x-a': 'b\r\nHost: c' } }],
    [{ method: 'GET / HTTP/1.1\r\nHost: c\r\n\r\nGET' }],
    [{ headers: { 'x\r\ny': 'b' } }],
  ])('%j never leaves the function', async (init) => {
    const { result, receipt } = await world.run('f', { url: base, init });
    expect(result.error?.name).toBe('TypeError');
    expect(receipt.network.requests).toBe(0);
  });

  it('has one Host, whatever is asked for', async () => {
    const init = { headers: { host: 'other.test', 'transfer-encoding': 'chunked', connection: 'upgrade' } };
    const { result } = await world.run('f', { url: base, init });
    const { headers } = JSON.parse(result.text ?? '{}') as { headers: Record<string, string> };
    expect(headers.host).toBe(`api.test:${port}`);
    expect([headers['transfer-encoding'], headers.connection]).toEqual([undefined, 'close']);
  });
});

describe('an upstream', () => {
  it('without end is cut off at the limit of bytes', async () => {
    const { result, receipt } = await world.run('f', { url: `${base}/endless`, count: true });
    expect(result.error).toMatchObject({
      code: 'network_limit',
      limit: { kind: 'networkReceivedBytes', configured: 2_000_000 },
    });
    expect(receipt.network.receivedBytes).toBeLessThan(4_000_000);
    expect(receipt.network.refused).toBe(1);
  });

  it('that nobody reads is held back', async () => {
    const source = `exports.handler = async ({ url }) => { const r = await fetch(url); await new Promise((f) => setTimeout(f, 500)); return r.status; };`;
    await deploy(world.server, 'unread', source, { network: { allow: [`127.0.0.1:${port}`] } });
    const { receipt } = await world.run('unread', { url: `http://127.0.0.1:${port}/endless` });
    expect(receipt.error).toBeNull();
    expect(receipt.network.receivedBytes).toBeLessThan(1_000_000);
  });

  it('that sends a byte at a time is cut off at the limit of time', async () => {
    const upstream = await raw('slow', (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n');
      const timer = setInterval(() => socket.write('x'), 50);
      socket.on('close', () => clearInterval(timer));
    });
    const { result } = await world.run('slow', { url: `http://api.test:${upstream.port}/` });
    expect(result.error).toMatchObject({
      code: 'network_limit',
      limit: { kind: 'networkTimeMs', configured: 1_500 },
    });
  });

  it('that sends its head a byte at a time, or nothing, is cut off', async () => {
    const upstream = await raw('slow-head', (socket) => {
      const timer = setInterval(() => socket.write('H'), 50);
      socket.on('close', () => clearInterval(timer));
    });
    const slow = await world.run('slow-head', { url: `http://api.test:${upstream.port}/` });
    // The first letter is right and the second is not: the parser may say so before.
    expect(slow.result.error?.name).toBe('TypeError');
    const silent = await world.run('f', { url: `${base}/never` });
    expect(silent.result.error?.limit?.kind).toBe('networkTimeMs');
  });

  it.each([
    ['one header that is very long', `x: ${'y'.repeat(200_000)}\r\n`],
    ['very many headers', 'x: y\r\n'.repeat(40_000)],
    ['a status line that is very long', ''],
  ])('with %s is cut off', async (what, headers) => {
    const status = what.startsWith('a status') ? 'O'.repeat(500_000) : 'OK';
    const upstream = await raw('bomb', (socket) => {
      socket.end(`HTTP/1.1 200 ${status}\r\n${headers}\r\nbody`);
    });
    const { result } = await world.run('bomb', { url: `http://api.test:${upstream.port}/` });
    if (what.startsWith('a status')) expect(result.text ?? result.error?.code).toBeDefined();
    else expect(result.error).toMatchObject({ code: 'network_limit', limit: { kind: 'networkHeaderBytes' } });
  });

  it.each([
    ['a status', 'HTTP/1.1 200 ', 'x'],
    ['spaces', 'HTTP/1.1 200 OK\r\nx:', ' '],
    ['empty lines', '', '\r\n'],
    ['an extension of a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;', 'x'],
    ['the size of a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', '0'],
  ])('that sends %s without end is cut off, and every byte is counted', async (_what, begins, goesOn) => {
    const upstream = await raw('framing', (socket) => {
      socket.write(begins);
      const chunk = Buffer.from(goesOn.repeat(30_000));
      const more = (): void => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', more);
      more();
    });
    const { result, receipt } = await world.run('framing', { url: `http://api.test:${upstream.port}/` });
    expect(result.error).toMatchObject({
      code: 'UND_ERR_SOCKET',
      cause: expect.stringContaining('no part of'),
    });
    expect(receipt.network.receivedBytes).toBeGreaterThan(500_000);
    expect(receipt.network.receivedBytes).toBeLessThan(2_000_000);
  });

  it('with a status that no frame holds ends nobody else', async () => {
    const pid = world.brokerPid();
    const upstream = await raw('status', (socket) => {
      socket.end(`HTTP/1.1 200 ${'\u0001'.repeat(60_000)}\r\ncontent-length: 1\r\n\r\na`);
    });
    const beside = world.run('f', { url: `${base}/begins` });
    const { result } = await world.run('status', { url: `http://api.test:${upstream.port}/` });
    expect(result).toMatchObject({ status: 200, text: 'a' });
    // By its time, as it would have without the other.
    expect((await beside).result.error?.code).toBe('network_limit');
    expect(world.brokerPid()).toBe(pid);
  });

  it('that cannot be connected is told about without addresses', async () => {
    world.names.zone['closed.test'] = [['127.0.0.9']];
    await world.fetcher('closed', ['closed.test:*', '127.0.0.0/8:*']);
    const refused = await world.run('closed', { url: 'http://closed.test:9/' });
    expect(refused.result.error).toMatchObject({ code: 'ECONNREFUSED', cause: 'connect ECONNREFUSED' });
    const noTls = await world.run('f', { url: `https://api.test:${port}/` });
    expect(noTls.result.error?.cause).toBe('SSL routines: wrong version number');
  });

  it('with no end of answers before the answer is cut off', async () => {
    const upstream = await raw('early', (socket) => {
      const timer = setInterval(
        () => socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'.repeat(100)),
        5,
      );
      socket.on('close', () => clearInterval(timer));
    });
    const { result } = await world.run('early', { url: `http://api.test:${upstream.port}/` });
    expect(result.error?.code).toBe('UND_ERR_SOCKET');
  });

  it('that makes a chunk of each byte is no faster for it', async () => {
    const upstream = await raw('chunks', (socket) => {
      socket.end(
        `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(100_000)}0\r\n\r\n`,
      );
    });
    const { result } = await world.run('chunks', { url: `http://api.test:${upstream.port}/`, count: true });
    expect(result).toEqual({ status: 200, bytes: 100_000 });
  });

  it.each([
    ['nothing', ''],
    ['no HTTP', 'SSH-2.0-OpenSSH_9\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
    [
      'length and chunks',
      'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a bad chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'],
    ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n'],
    [
      'a second answer',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nb',
    ],
  ])('that answers with %s does no harm', async (what, bytes) => {
    const upstream = await raw('odd', (socket) => void socket.end(bytes));
    const { result } = await world.run('odd', { url: `http://api.test:${upstream.port}/` });
    if (what === 'a second answer') expect(result.text).toBe('a');
    else if (what === 'length and chunks') expect(result.error ?? result.text).toBeDefined();
    else expect(result.error).toMatchObject({ name: 'TypeError', message: 'fetch failed' });
  });
});

describe('a function', () => {
  it('that sends more than it may is cut off', async () => {
    const { result, receipt } = await world.run('f', {
      url: base,
      init: { method: 'POST' },
      size: 1_500_000,
    });
    expect(result.error).toMatchObject({ code: 'network_limit', limit: { kind: 'networkSentBytes' } });
    expect(receipt.network.refused).toBe(1);
  });

  it('that asks a thousand times at once gets as many as may be, and the others are told', async () => {
    const events = Array.from({ length: 1_000 }, (_, n) => ({ url: `${base}/many?${n}` }));
    const { result, receipt } = await world.run('f', events);
    const answers = result as unknown as {
      status?: number;
      error?: { code: string; limit: { kind: string } };
    }[];
    const good = answers.filter(({ status }) => status === 200).length;
    const limited = answers.filter(({ error }) => error?.code === 'network_limit').length;
    // Places that become free while the others are still being asked for are taken again.
    expect(good + limited).toBe(1_000);
    expect(good).toBeGreaterThanOrEqual(20);
    expect(good).toBeLessThan(500);
    expect(answers.find(({ error }) => error !== undefined)?.error?.limit.kind).toBe('networkRequestsAtOnce');
    expect(receipt.network).toMatchObject({ requests: 1_000, refused: limited });
    expect(receipt.network.refusals).toHaveLength(10);
  });

  it('that asks again and again comes to the end of what one invocation may', async () => {
    const source = `exports.handler = async ({ url }) => { let n = 0; try { for (;; n += 1) await fetch(url).catch((e) => { if (e.cause.limit) throw e; }); } catch (e) { return { n, limit: e.cause.limit }; } };`;
    await deploy(world.server, 'again', source, {
      timeoutMs: 30_000,
      cpuMs: 20_000,
      network: { allow: ['no.test:80'] },
    });
    const { result } = await world.run('again', { url: 'http://other.test/' });
    expect(result).toMatchObject({ n: 1_500, limit: { kind: 'networkRequests', configured: 1_500 } });
  });

  it.each([
    ['a body byte by byte', ''],
    ['parts of a byte by patching', 'Math.min = () => 1;'],
  ])('that sends %s breaks no protocol', async (_what, patch) => {
    const source = `exports.handler = async ({ url }) => { ${patch} let n = 0; const one = new Uint8Array(1); const body = new ReadableStream({ pull(c) { n += 1; if (n > 120000) c.close(); else c.enqueue(one); } }); try { const r = await fetch(url, { method: 'POST', body }); return (await r.json()).bytes; } catch (e) { return e.cause?.limit?.kind; } };`;
    const allow = [`127.0.0.1:${port}`];
    await deploy(world.server, 'bytewise', source, { timeoutMs: 10_000, cpuMs: 8_000, network: { allow } });
    const { receipt, result } = await world.run('bytewise', { url: `http://127.0.0.1:${port}/` });
    expect(receipt.error).toBeNull();
    // Where the machine is busy its time may be over first.
    expect([120_000, 'networkTimeMs']).toContain(result);
  });

  it('that leaves requests behind without waiting leaves nothing', async () => {
    const source = `exports.handler = ({ url }) => { for (let i = 0; i < 15; i += 1) fetch(url).catch(() => {}); return 'done'; };`;
    await deploy(world.server, 'leaves', source, { network: { allow: [`127.0.0.1:${port}`] } });
    for (let round = 0; round < 5; round += 1) {
      const { receipt } = await world.run('leaves', { url: `http://127.0.0.1:${port}/never` });
      expect(receipt.error).toBeNull();
    }
    await expect.poll(() => world.upstream.open()).toBe(0);
  });

  it.each([
    ['a URL of wide characters', '({ url: "http://a.test/" + "\\u6f22".repeat(84000) })'],
    [
      'headers that JSON escapes',
      '({ url: "http://a.test/", init: { headers: { a: "\\"\\\\".repeat(20000) } } })',
    ],
    [
      'a hundred thousand headers',
      '({ url: "http://a.test/", init: { headers: Array.from({ length: 100000 }, (_, i) => ["a" + i, ""]) } })',
    ],
  ])('with %s breaks no protocol', async (_what, expression) => {
    const source = `exports.handler = async () => { const { url, init } = ${expression}; try { await fetch(url, init); } catch (e) { return e.cause?.code ?? e.message; } };`;
    await deploy(world.server, 'wide', source, {
      memoryMb: 128,
      timeoutMs: 10_000,
      cpuMs: 8_000,
      network: { allow: ['a.test:80'] },
    });
    const { receipt, result } = await world.run('wide', {});
    expect(receipt.error).toBeNull();
    expect(['network_limit', 'ERR_INVALID_REQUEST', 'ENOTFOUND']).toContain(result);
  });
});

describe('a broker that is killed', () => {
  it('fails the requests under way with an error of their own, and the next one works', async () => {
    const pid = world.brokerPid();
    const waiting = world.run('f', [{ url: `${base}/never` }, { url: `${base}/begins` }]);
    await expect.poll(() => world.upstream.open()).toBe(2);
    process.kill(pid, 'SIGKILL');
    const { result, receipt } = await waiting;
    const errors = (result as unknown as { error: { code: string; message: string } }[]).map(
      ({ error }) => error,
    );
    expect(errors.map(({ code }) => code)).toEqual(['network_unavailable', 'network_unavailable']);
    expect(errors[0]?.message).toContain('the egress broker ended during the request');
    expect(receipt.error).toBeNull();
    expect(receipt.network.refused).toBe(2);
    expect((await world.run('f', { url: base })).result.status).toBe(200);
    expect(world.brokerPid()).not.toBe(pid);
  });

  it('again and again comes back each time', async () => {
    for (let round = 0; round < 3; round += 1) {
      process.kill(world.brokerPid(), 'SIGKILL');
      const { result } = await world.run('f', { url: base });
      // It may have been asked before its death was seen.
      expect([200, 'network_unavailable']).toContain(result.status ?? result.error?.code);
      expect((await world.run('f', { url: base })).result.status).toBe(200);
    }
  });
});
