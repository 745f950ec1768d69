/**
 * The network of functions in containers: what clients of each language get through the proxy, and what they do not.
 */
import { once } from 'node:events';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeContainers, ENGINE_HOST } from '../container/availability.ts';
import { CERTIFICATE, KEY } from './certificate.ts';
import { type Ran, run, runner } from './containers.ts';
import { World } from './world.ts';

let world: World;
let port: number;
let base: string;
let secure: https.Server;
let securePort: number;

const python = (code: string, event = {}): Promise<Ran> => run(world, 'python', code, event);
const node = (code: string, event = {}): Promise<Ran> => run(world, 'node', code, event);

await describeContainers('a function in a container', ['nodejs24', 'python3', 'provided'], () => {
  beforeAll(async () => {
    world = await World.open({
      ...{ DOCKER_HOST: ENGINE_HOST, STRATA_CONTAINER_MODE: 'required' },
      ...{ STRATA_EGRESS_MAX_SENT_BYTES: '3000000', STRATA_QUEUE_TIMEOUT_MS: '30000' },
    });
    ({ port } = world.upstream);
    base = `http://api.test:${port}`;
    world.names.zone['api.test'] = [['127.0.0.1']];
    world.names.zone['tls.test'] = [['127.0.0.1']];
    secure = https.createServer({ key: KEY, cert: CERTIFICATE }, (request, response) => {
      request.resume();
      request.on('end', () => response.end(`secure ${request.headers.host}`));
    });
    secure.listen(0, '127.0.0.1');
    await once(secure, 'listening');
    securePort = (secure.address() as AddressInfo).port;
    const allow = [
      `api.test:${port}`,
      `tls.test:${securePort}`,
      `127.0.0.1:${port}`,
      `127.0.0.1:${securePort}`,
    ];
    const env = { NODE_EXTRA_CA: CERTIFICATE };
    for (const name of ['node', 'python', 'provided'] as const) {
      const runtime = name === 'node' ? 'nodejs24' : name === 'python' ? 'python3' : 'provided';
      await runner(world, name, runtime, allow, { env });
      await runner(world, `${name}-without`, runtime, []);
    }
  });
  afterAll(async () => {
    secure.closeAllConnections();
    secure.close();
    await world.close();
  });

  describe('in Node', () => {
    it('fetches, also over TLS with the name verified by itself, and is billed for it', async () => {
      const { result, receipt } = await node(`
        const r = await fetch('${base}/a?b=1', { method: 'POST', body: 'hello', headers: { 'x-own': '1' } });
        return { status: r.status, ...(await r.json()) };`);
      expect(result).toMatchObject({ status: 200, method: 'POST', url: '/a?b=1', text: 'hello', bytes: 5 });
      expect((result as { headers: unknown }).headers).toMatchObject({
        host: `api.test:${port}`,
        'x-own': '1',
      });
      const { requests, refused, sentBytes, receivedBytes } = receipt.network;
      expect([requests, refused]).toEqual([1, 0]);
      expect(sentBytes).toBeGreaterThan(100);
      expect(receivedBytes).toBeGreaterThan(100);
    });

    it('asks with http.request and https.request', async () => {
      const { result } = await node(`
        const get = (module, url, options) => new Promise((resolve) =>
          require(module).get(url, options, async (r) => resolve(r.statusCode + ' ' + (await r.toArray()).join('')))
            .on('error', (e) => resolve(e.code)));
        return Promise.all([
          get('http', '${base}/one', {}),
          get('https', 'https://tls.test:${securePort}/', { ca: process.env.NODE_EXTRA_CA }),
          get('https', 'https://tls.test:${securePort}/', {}),
        ]);`);
      const [plain, good, bad] = result as string[];
      expect(plain).toContain('200 {"method":"GET","url":"/one"');
      expect(good).toBe(`200 secure tls.test:${securePort}`);
      expect(bad).toMatch(/SELF_SIGNED/);
    });

    it('streams bodies both ways, larger than any buffer between', async () => {
      const { result, receipt } = await node(`
        const part = new Uint8Array(65536);
        const body = new ReadableStream({ start() { this.n = 0 }, pull(c) { c.enqueue(part); if (++this.n === 40) c.close(); } });
        const up = await (await fetch('${base}/', { method: 'POST', body, duplex: 'half' })).json();
        let down = 0;
        for await (const chunk of (await fetch('${base}/bytes?n=20000000')).body) down += chunk.length;
        return [up.bytes, down];`);
      expect(result).toEqual([40 * 65_536, 20_000_000]);
      expect(receipt.network.receivedBytes).toBeGreaterThan(20_000_000);
    });

    it('is told why it may not, and the receipt says it as well', async () => {
      const { result, receipt } = await node(`
        const tell = (url) => fetch(url).then((r) => r.status, (e) => require('util').inspect(e));
        const plain = await new Promise((resolve) => require('http').get('http://other.test/x', async (r) =>
          resolve([r.statusCode, JSON.parse((await r.toArray()).join(''))])));
        return [plain, await tell('http://other.test/'), await tell('https://other.test/')];`);
      const [plain, ...others] = result as unknown[];
      const message = 'other.test:80 is not in network.allow of the function';
      expect(plain).toEqual([403, { code: 'network_denied', message, refused: true, limit: null }]);
      for (const other of others) expect(other).toContain('403');
      expect(receipt.network).toMatchObject({ requests: 3, refused: 3, sentBytes: 0, receivedBytes: 0 });
      expect(receipt.network.refusals[0]).toEqual({
        ...{ code: 'network_denied', target: 'other.test:80', detail: message },
      });
    });

    it('starts a Node of its own that knows the way as well', async () => {
      const { result } = await node(`
        const { execFileSync } = require('child_process');
        return new Promise((resolve) => require('child_process').execFile(process.execPath,
          ['-e', "fetch('${base}/child').then((r) => r.text()).then(console.log)"], (e, out, err) => resolve(out || err)));`);
      expect(result).toContain('"url":"/child"');
    });

    it('has no variable, no proxy and no listener without a list', async () => {
      const { result, receipt } = await run(
        world,
        'node-without',
        `const code = await new Promise((resolve) => require('net').connect(9002, '127.0.0.1').on('error', (e) => resolve(e.code)));
        const names = Object.keys(process.env).filter((name) => /proxy/i.test(name));
        return [code, names, await fetch('${base}').catch((e) => e.cause.code)];`,
      );
      expect(result).toEqual(['ECONNREFUSED', [], expect.stringMatching(/EAI_AGAIN|ENOTFOUND/)]);
      expect(receipt.network.requests).toBe(0);
    });
  });

  describe('in Python', () => {
    it('opens URLs with urllib, over TLS too', async () => {
      const { result, receipt } = await python(
        `
plain = json.load(urllib.request.urlopen("${base}/path?q=1", b"body"))
trusting = ssl.create_default_context(cadata=event["ca"])
secure = urllib.request.urlopen("https://tls.test:${securePort}/", context=trusting).read().decode()
try:
    urllib.request.urlopen("https://tls.test:${securePort}/")
except urllib.error.URLError as error:
    unknown = str(error.reason)
answer = [plain["method"], plain["url"], plain["text"], plain["headers"], secure, unknown]`,
        { ca: CERTIFICATE },
      );
      expect((result as unknown[]).slice(0, 3)).toEqual(['POST', '/path?q=1', 'body']);
      expect((result as unknown[])[3]).toMatchObject({ host: `api.test:${port}`, connection: 'close' });
      expect((result as unknown[])[4]).toBe(`secure tls.test:${securePort}`);
      expect((result as unknown[])[5]).toMatch(/CERTIFICATE_VERIFY_FAILED/);
      expect(receipt.network).toMatchObject({ requests: 3, refused: 0 });
    });

    it('is told why it may not', async () => {
      const { result, receipt } = await python(`
try:
    urllib.request.urlopen("http://other.test/")
except urllib.error.HTTPError as error:
    answer = [error.code, json.load(error)]
try:
    urllib.request.urlopen("https://other.test/")
except OSError as error:
    answer.append(str(error))`);
      expect(result).toEqual([
        403,
        expect.objectContaining({ code: 'network_denied' }),
        expect.stringContaining('403 Forbidden'),
      ]);
      expect(receipt.network.refusals.map(({ target }) => target)).toEqual([
        'other.test:80',
        'other.test:443',
      ]);
    });

    it('has no proxy without a list', async () => {
      const code = `
try:
    socket.create_connection(PROXY)
except OSError as error:
    answer = [type(error).__name__, [name for name in os.environ if "proxy" in name.lower()]]`;
      expect((await run(world, 'python-without', code)).result).toEqual(['ConnectionRefusedError', []]);
    });
  });

  describe('with a program of its own', () => {
    it('uses curl', async () => {
      const { result, receipt } = await run(
        world,
        'provided',
        `curl -sS -d sent ${base}/curl; echo; curl -sSk https://tls.test:${securePort}/; echo; curl -s -o /dev/null -w '%{http_code}' http://no.test/`,
      );
      const [plain, tls, refused] = (result as { out: string }).out.split('\n');
      expect(JSON.parse(plain ?? '')).toMatchObject({ method: 'POST', url: '/curl', text: 'sent' });
      expect([tls, refused]).toEqual([`secure tls.test:${securePort}`, '403']);
      expect(receipt.network).toMatchObject({ requests: 3, refused: 1 });
    });

    it('has no proxy without a list', async () => {
      const { result } = await run(world, 'provided-without', `env | grep -ic proxy; curl -sS ${base} 2>&1`);
      expect((result as { out: string }).out).toMatch(/^0\ncurl: \(6\)/);
    });
  });

  describe('of either process model', () => {
    it.each(['resident', 'ephemeral'] as const)(
      '%s reaches what it lists, again and again',
      async (processModel) => {
        for (const runtime of ['nodejs24', 'python3'] as const) {
          const name = `${processModel}-${runtime}`;
          await runner(world, name, runtime, [`api.test:${port}`, `127.0.0.1:${port}`], { processModel });
          const code =
            runtime === 'nodejs24'
              ? `return (await fetch('${base}/again')).status`
              : `answer = urllib.request.urlopen("${base}/again").status`;
          for (let n = 0; n < (processModel === 'resident' ? 25 : 3); n += 1) {
            const { result, receipt } = await run(world, name, code);
            expect(result).toBe(200);
            expect(receipt.network).toMatchObject({ requests: 1, refused: 0 });
          }
        }
      },
    );
  });
});
