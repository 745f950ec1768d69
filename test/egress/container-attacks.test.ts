/**
 * What functions in containers and the servers that they reach do to get further than they may, or to be more than they
 * should: raw bytes to the proxy, and connections that outlive what they were made for.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { describeContainers, ENGINE_HOST } from '../container/availability.ts';
import { type Ran, run, runner } from './containers.ts';
import { startRaw, type Upstream } from './upstream.ts';
import { World } from './world.ts';

let world: World;
let port: number;
let host: string;
const raws: Upstream[] = [];

const LIMITS = {
  STRATA_EGRESS_MAX_RECEIVED_BYTES: '8000000',
  STRATA_EGRESS_MAX_SENT_BYTES: '1000000',
  STRATA_EGRESS_REQUEST_TIMEOUT_MS: '1500',
  STRATA_EGRESS_CONNECT_TIMEOUT_MS: '1000',
  STRATA_EGRESS_MAX_REQUESTS: '300',
  STRATA_EGRESS_MAX_REQUESTS_AT_ONCE_PER_FUNCTION: '20',
};

const python = (code: string, event = {}): Promise<Ran> => run(world, 'python', code, event);

/** A server of raw bytes that the function `raw` may reach. */
const raw = async (answer: Parameters<typeof startRaw>[0]): Promise<Upstream> => {
  const upstream = await startRaw(answer);
  raws.push(upstream);
  await runner(world, 'raw', 'python3', [`127.0.0.1:${upstream.port}`, `127.0.0.1:${port}`]);
  return upstream;
};

await describeContainers('the proxy of a container', ['nodejs24', 'python3'], () => {
  beforeAll(async () => {
    world = await World.open({
      DOCKER_HOST: ENGINE_HOST,
      STRATA_CONTAINER_MODE: 'required',
      STRATA_QUEUE_TIMEOUT_MS: '30000',
      ...LIMITS,
    });
    ({ port } = world.upstream);
    host = `api.test:${port}`;
    world.names.zone['api.test'] = [['127.0.0.1']];
    await runner(world, 'python', 'python3', [host, `127.0.0.1:${port}`]);
    await runner(world, 'names', 'python3', ['*:*', '*.evil.test:*']);
  });
  afterAll(() => world.close());

  /** After each attack an ordinary request works in the same container, and nothing is left at the upstream. */
  afterEach(async () => {
    const { result } = await python(`answer = urllib.request.urlopen("http://${host}/after").status`);
    expect(result).toBe(200);
    await expect.poll(() => world.upstream.open()).toBe(0);
    for (const upstream of raws.splice(0)) await upstream.close();
  });

  describe('refuses', () => {
    it.each([
      ['127.0.0.1', 80],
      ['127.1', 80],
      ['2130706433', 80],
      ['0x7f000001', 443],
      ['[::1]', 80],
      ['[::ffff:7f00:1]', 80],
      ['169.254.169.254', 80],
      ['[fd00:ec2::254]', 80],
      ['10.0.0.1', 5432],
      ['0.0.0.0', 80],
      ['metadata.evil.test', 80],
    ])('%s although every host is allowed, in either form', async (name, at) => {
      world.names.zone['metadata.evil.test'] = [['169.254.169.254']];
      const { result, receipt } = await run(
        world,
        'names',
        `
answer = [ask("CONNECT ${name}:${at} HTTP/1.1\\r\\n\\r\\n"), ask("GET http://${name}:${at}/ HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")]`,
      );
      for (const text of result as string[]) {
        expect(text).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
        expect(text).toContain('"code":"network_denied"');
        if (name.endsWith('test')) expect(text).not.toContain('169.254');
      }
      expect(receipt.network).toMatchObject({ requests: 2, refused: 2, sentBytes: 0, receivedBytes: 0 });
    });

    it('what is not listed, and does not even ask for its address', async () => {
      const asked = world.names.asked.length;
      const { result, receipt } = await python(`
answer = [status(ask(f"CONNECT secret-{n}.exfil.test:443 HTTP/1.1\\r\\n\\r\\n")) for n in range(20)]`);
      expect(new Set(result as number[])).toEqual(new Set([403]));
      expect(world.names.asked.slice(asked)).toEqual([]);
      expect(receipt.network).toMatchObject({ requests: 20, refused: 20 });
      expect(receipt.network.refusals).toHaveLength(10);
      expect(receipt.network.refusals[0]?.target).toBe('secret-0.exfil.test:443');
    });

    it('a name that has changed since it was last asked for', async () => {
      world.names.zone['twice.test'] = [['127.0.0.1'], ['127.0.0.2']];
      await runner(world, 'twice', 'python3', [`twice.test:${port}`, `127.0.0.1:${port}`]);
      const { result } = await run(
        world,
        'twice',
        `
answer = [status(ask("GET http://twice.test:${port}/ HTTP/1.1\\r\\n\\r\\n")) for _ in range(2)]`,
      );
      expect(result).toEqual([200, 403]);
    });

    it('redirects to what is not allowed, like requests', async () => {
      const { result } = await python(`
try:
    urllib.request.urlopen("http://${host}/to?url=http://169.254.169.254/latest/")
except urllib.error.HTTPError as error:
    answer = [error.code, json.load(error)["code"]]`);
      expect(result).toEqual([403, 'network_denied']);
    });

    it.each([
      ['nothing', '\\r\\n\\r\\n', 400],
      ['a path alone', 'GET / HTTP/1.1\\r\\n\\r\\n', 400],
      ['another scheme', 'GET https://HOST/ HTTP/1.1\\r\\n\\r\\n', 400],
      ['credentials', 'GET http://user@HOST/ HTTP/1.1\\r\\n\\r\\n', 400],
      ['another version', 'GET http://HOST/ HTTP/2.0\\r\\n\\r\\n', 400],
      [
        'two lengths',
        'POST http://HOST/ HTTP/1.1\\r\\nContent-Length: 1\\r\\nContent-Length: 2\\r\\n\\r\\nab',
        400,
      ],
      [
        'a length and chunks',
        'POST http://HOST/ HTTP/1.1\\r\\nContent-Length: 5\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n',
        400,
      ],
      ['an odd encoding', 'POST http://HOST/ HTTP/1.1\\r\\nTransfer-Encoding: xchunked\\r\\n\\r\\n', 400],
      ['a folded line', 'GET http://HOST/ HTTP/1.1\\r\\nA: b\\r\\n c: d\\r\\n\\r\\n', 400],
      ['a bare line end', 'GET http://HOST/ HTTP/1.1\\r\\nA: b\\nc: d\\r\\n\\r\\n', 400],
      ['a bare carriage return', 'GET http://HOST/ HTTP/1.1\\r\\nA: b\\rc: d\\r\\n\\r\\n', 400],
      ['a zero byte', 'GET http://HOST/ HTTP/1.1\\r\\nA: b\\0\\r\\n\\r\\n', 400],
      ['a space before the colon', 'GET http://HOST/ HTTP/1.1\\r\\nContent-Length : 1\\r\\n\\r\\n', 400],
      ['no port', 'CONNECT api.test HTTP/1.1\\r\\n\\r\\n', 400],
      ['a port that is none', 'CONNECT api.test:0 HTTP/1.1\\r\\n\\r\\n', 400],
      ['a path behind the port', 'CONNECT HOST/x HTTP/1.1\\r\\n\\r\\n', 400],
      ['two hosts', 'CONNECT a.test:80:HOST HTTP/1.1\\r\\n\\r\\n', 400],
      ['an escaped host', 'CONNECT %61pi.test:80 HTTP/1.1\\r\\n\\r\\n', 400],
      ['a very long host', `CONNECT ${'a'.repeat(400)}:80 HTTP/1.1\\r\\n\\r\\n`, 400],
      ['bytes of TLS', '\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\r\\n\\r\\n', 400],
    ])('%s', async (_what, head, expected) => {
      const seen = world.upstream.seen.length;
      const { result } = await python(`answer = status(ask("${head.replaceAll('HOST', host)}"))`);
      expect(result).toBe(expected);
      expect(world.upstream.seen.length).toBe(seen);
    });

    it('heads that are too large', async () => {
      const { result } = await python(`
answer = [ask("GET http://${host}/ HTTP/1.1\\r\\nA: " + "b" * n + "\\r\\n\\r\\n")[:12] for n in (15000, 17000, 5000000)]`);
      expect((result as string[]).slice(0, 2)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 431']);
    });
  });

  describe('passes on one request of a connection', () => {
    it('and writes its head anew: the host that was asked for, the path alone, and the end of the connection', async () => {
      const { result } = await python(`
head = "GET http://${host}/p?q#f HTTP/1.1\\r\\nHost: other.test\\r\\nProxy-Authorization: x\\r\\nProxy-Connection: keep-alive\\r\\n"
head += "Connection: keep-alive\\r\\nX-Own: 1\\r\\n\\r\\n"
answer = json.loads(ask(head).split("\\r\\n\\r\\n", 1)[1])`);
      expect(result).toMatchObject({
        url: '/p?q',
        headers: { host, connection: 'close', 'x-own': '1' },
      });
      expect(Object.keys((result as { headers: object }).headers)).toHaveLength(3);
    });

    it.each([
      ['without a body', 'GET http://HOST/first HTTP/1.1\\r\\n\\r\\n'],
      ['with a length', 'POST http://HOST/first HTTP/1.1\\r\\nContent-Length: 4\\r\\n\\r\\nbody'],
      [
        'with chunks',
        'POST http://HOST/first HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n2;x=y\\r\\nbo\\r\\n2\\r\\ndy\\r\\n0\\r\\nT: r\\r\\n\\r\\n',
      ],
    ])('%s, and a second one behind it reaches nobody', async (_what, first) => {
      const { result, receipt } = await python(
        `answer = ask("${first}GET http://${host}/second HTTP/1.1\\r\\n\\r\\n")`.replace('HOST', host),
      );
      expect(result).toContain('"url":"/first"');
      expect(world.upstream.seen).not.toContain('GET /second');
      expect(world.upstream.seen).not.toContain(`GET http://${host}/second`);
      expect(receipt.network.requests).toBe(1);
    });

    it('to a server that would take more, too: the next request is not for it', async () => {
      let text = '';
      const upstream = await raw((socket) => {
        socket.on('data', (chunk: Buffer) => {
          text += chunk.toString('latin1');
        });
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
      const { result } = await run(
        world,
        'raw',
        `
connection = connect("GET http://127.0.0.1:${upstream.port}/ HTTP/1.1\\r\\n\\r\\n")
first = connection.recv(1000).decode()
connection.sendall(b"GET http://127.0.0.1:${port}/secret HTTP/1.1\\r\\nCookie: secret\\r\\n\\r\\n")
answer = [first[-2:], read(connection).decode()]`,
      );
      expect(result).toEqual(['ok', '<reset>']);
      expect(text).not.toContain('secret');
    });
  });

  describe('ends', () => {
    it('connections with the invocation, whatever they were about', async () => {
      const { result, receipt } = await python(`
KEPT["open"] = [
    connect("CONNECT ${host} HTTP/1.1\\r\\n\\r\\n"),
    connect("GET http://${host}/never HTTP/1.1\\r\\n\\r\\n"),
    connect("GET http://${host}/endless HTTP/1.1\\r\\n\\r\\n"),
    connect("GET http://${host}/half"),
]
KEPT["open"][2].recv(1)
answer = KEPT["open"][0].recv(1000).decode()`);
      expect(result).toMatch(/^HTTP\/1\.1 200 /);
      expect(receipt.network.requests).toBe(3);
      await expect.poll(() => world.upstream.open()).toBe(0);
      const after = await python(`
def use(connection):
    try:
        connection.sendall(b"GET /stolen HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
        time.sleep(0.05)
        connection.sendall(b" ")
        return len(read(connection)) < 200000 and "over"
    except OSError as error:
        return "over"
answer = [use(connection) for connection in KEPT["open"]]`);
      expect(after.result).toEqual(['over', 'over', 'over', 'over']);
      expect(after.receipt.network.requests).toBe(0);
      expect(world.upstream.seen).not.toContain('GET /stolen');
    });

    it('what an earlier invocation left to ask later', async () => {
      await python(`
def later():
    time.sleep(0.3)
    KEPT["later"] = ask("GET http://${host}/later HTTP/1.1\\r\\n\\r\\n")
threading.Thread(target=later).start()`);
      await expect
        .poll(async () => {
          const { result, receipt } = await python('answer = KEPT.get("later")');
          return result === null ? null : receipt.network.requests;
        })
        .toBe(0);
    });

    it('with the function that is killed for its time', async () => {
      await runner(world, 'slow', 'python3', [`127.0.0.1:${port}`], { timeoutMs: 500 });
      const failed = run(
        world,
        'slow',
        `ask("GET http://127.0.0.1:${port}/never HTTP/1.1\\r\\n\\r\\n"); time.sleep(20)`,
      );
      await expect(failed).rejects.toThrow('function_timeout');
      await expect.poll(() => world.upstream.open()).toBe(0);
    });

    it('a request while the code is loaded: there is nothing to answer for it', async () => {
      const source = `import urllib.request, urllib.error
try:
    urllib.request.urlopen("http://${host}/loading")
except urllib.error.HTTPError as error:
    FOUND = [error.code, error.read().decode()]
def handler(event, context):
    return FOUND`;
      await runner(world, 'loading', 'python3', [host], { code: { source } });
      const { result, receipt } = await run(world, 'loading', '');
      expect(result).toEqual([503, expect.stringContaining('ask in the handler')]);
      expect(receipt.network.requests).toBe(0);
    });
  });

  describe('holds back', () => {
    it('a server without end that nobody reads', async () => {
      const { receipt } = await python(`
connection = socket.socket()
connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
connection.connect(PROXY)
connection.sendall(b"GET http://${host}/endless HTTP/1.1\\r\\n\\r\\n")
connection.recv(1)
time.sleep(0.7)`);
      expect(receipt.network.receivedBytes).toBeLessThan(1_500_000);
      expect(receipt.network.receivedBytes).toBeGreaterThan(100_000);
    });

    it('a server without end at the limit of bytes, and does not make it look complete', async () => {
      const { result, receipt } = await python(`
data = read(connect("GET http://${host}/endless HTTP/1.1\\r\\n\\r\\n"))
answer = [data.endswith(b"<reset>"), len(data)]`);
      expect((result as unknown[])[0]).toBe(true);
      expect((result as number[])[1]).toBeLessThan(8_100_000);
      expect(receipt.network).toMatchObject({ refused: 1 });
      expect(receipt.network.refusals[0]?.code).toBe('network_limit');
    });

    it('a function that sends more than it may', async () => {
      const { result, receipt } = await python(`
try:
    connection = connect("POST http://${host}/ HTTP/1.1\\r\\nContent-Length: 9000000\\r\\n\\r\\n")
    for _ in range(900):
        connection.sendall(b"x" * 10000)
    answer = "sent"
except OSError as error:
    answer = "cut"`);
      expect(result).toBe('cut');
      expect(receipt.network.sentBytes).toBeLessThan(1_300_000);
      expect(receipt.network.refusals[0]?.code).toBe('network_limit');
    });

    it('a server that takes nothing', async () => {
      const upstream = await raw((socket) => socket.pause());
      const { result } = await run(
        world,
        'raw',
        `
connection = connect("CONNECT 127.0.0.1:${upstream.port} HTTP/1.1\\r\\n\\r\\n")
connection.recv(1000)
connection.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
connection.settimeout(0.5)
sent = 0
try:
    while True:
        sent += connection.send(b"x" * 65536)
except OSError as error:
    answer = [sent, type(error).__name__]`,
      );
      // The rest lies in the kernels' buffers on the way; the server counts what it was given at most.
      expect((result as [number])[0]).toBeLessThan(20_000_000);
    });

    it('a server that is slow beyond the limit of time', async () => {
      const { result } = await python(`
answer = ask("GET http://${host}/never HTTP/1.1\\r\\n\\r\\n")`);
      expect(result).toBe('<reset>');
    });

    it('a hundred connections at once: as many as may be, and the others are told', async () => {
      const { result, receipt } = await python(`
found = []
def one(n):
    found.append(status(ask(f"GET http://${host}/many?{n} HTTP/1.1\\r\\n\\r\\n")))
threads = [threading.Thread(target=one, args=(n,)) for n in range(40)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
held = [connect("CONNECT ${host} HTTP/1.1\\r\\n\\r\\n") for _ in range(100)]
first = [status(connection.recv(1000).decode("latin1")) for connection in held[:60]]
for connection in held[:60]:
    connection.close()
rest = [status(connection.recv(1000).decode("latin1")) for connection in held[60:]]
answer = [sorted(set(found)), sorted(set(first)), len(rest), sorted(set(rest) - {200, 429})]`);
      const [found, first, rest, odd] = result as [number[], number[], number, number[]];
      expect(found).toContain(200);
      expect(first).toEqual([200, 429]);
      expect([rest, odd]).toEqual([40, []]);
      expect(receipt.network.requests).toBe(140);
    });

    it('more requests than an invocation may make', async () => {
      const { result } = await python(`
answer = [status(ask("CONNECT no.test:1 HTTP/1.1\\r\\n\\r\\n")) for _ in range(310)]`);
      expect((result as number[]).slice(0, 300)).toEqual(Array(300).fill(403));
      expect((result as number[]).slice(300)).toEqual(Array(10).fill(429));
    });

    it('heads that never end, and others come past them', async () => {
      const { result } = await python(`
KEPT["slow"] = [connect("GET http://${host}/slow HTTP/1.1\\r\\nA: b") for _ in range(50)]
answer = [status(ask("GET http://${host}/past HTTP/1.1\\r\\n\\r\\n")) for _ in range(10)]`);
      expect(result).toEqual(Array(10).fill(200));
    });

    it('a hundred thousand tiny pieces', async () => {
      const upstream = await raw((socket) => {
        socket.write('ready');
        socket.pipe(socket);
      });
      const { result } = await run(
        world,
        'raw',
        `
connection = connect("CONNECT 127.0.0.1:${upstream.port} HTTP/1.1\\r\\n\\r\\n")
connection.recv(1000)
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
connection.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
connection.recv(5)
got = [0]
def take():
    while part := connection.recv(65536):
        got[0] += len(part)
reader = threading.Thread(target=take)
reader.start()
for _ in range(50000):
    connection.send(b"x")
connection.shutdown(socket.SHUT_WR)
reader.join(10)
answer = got[0]`,
      );
      expect(result).toBe(50_000);
    });
  });

  describe('passes on the end', () => {
    it('of what the function sends, and the answer still comes', async () => {
      const upstream = await raw((socket) => {
        let bytes = 0;
        socket.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
        });
        // Node's own sockets would answer the end with an end of theirs.
        (socket as unknown as { allowHalfOpen: boolean }).allowHalfOpen = true;
        socket.on('end', () => setTimeout(() => socket.end(`${bytes} bytes`), 50));
      });
      const { result } = await run(
        world,
        'raw',
        `
connection = connect("CONNECT 127.0.0.1:${upstream.port} HTTP/1.1\\r\\n\\r\\n")
connection.recv(1000)
connection.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
time.sleep(0.2)
connection.sendall(b"x" * 300000)
connection.shutdown(socket.SHUT_WR)
answer = read(connection).decode()`,
      );
      expect(result).toBe('300000 bytes');
    });

    it('of what the server sends', async () => {
      const upstream = await raw((socket) => void socket.end('all of it'));
      const { result } = await run(
        world,
        'raw',
        `
connection = connect("CONNECT 127.0.0.1:${upstream.port} HTTP/1.1\\r\\n\\r\\n")
connection.recv(1000)
connection.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
answer = read(connection).decode()`,
      );
      expect(result).toBe('all of it');
    });

    it('of a broker that is killed', async () => {
      const pid = world.brokerPid();
      const waiting = python(`
tunnel = connect("CONNECT ${host} HTTP/1.1\\r\\n\\r\\n")
tunnel.recv(1000)
begun = connect("GET http://${host}/begins HTTP/1.1\\r\\n\\r\\n")
answer = [read(tunnel).decode(), read(begun).decode("latin1").endswith("<reset>")]`);
      await expect.poll(() => world.upstream.open()).toBe(2);
      process.kill(pid, 'SIGKILL');
      const { result, receipt } = await waiting;
      expect(result).toEqual(['<reset>', true]);
      expect(receipt.network.refusals.map(({ code }) => code)).toEqual([
        'network_unavailable',
        'network_unavailable',
      ]);
      const next = await python(`answer = status(ask("GET http://${host}/ HTTP/1.1\\r\\n\\r\\n"))`);
      expect([200, 503]).toContain(next.result);
    });
  });

  it('keeps the agent small, whatever passed', async () => {
    const { result } = await python(`
def pull(n):
    read(connect("GET http://${host}/bytes?n=90000 HTTP/1.1\\r\\n\\r\\n"))
threads = [threading.Thread(target=pull, args=(n,)) for n in range(20)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
answer = dict(line.split(":\\t", 1) for line in open("/proc/1/status").read().splitlines())["VmRSS"]`);
    expect(Number.parseInt(String(result).trim(), 10)).toBeLessThan(8_000);
  });

  it('serves invocations that overlap, and what is under way when one ends goes on for another', async () => {
    const source = `exports.handler = async ({ ms, url }) => {
      const r = await fetch(url).catch((e) => { throw new Error(require('util').inspect(e)); });
      const reader = r.body.getReader();
      await reader.read();
      await new Promise((f) => setTimeout(f, ms));
      let rest = 0;
      for (let part; !(part = await reader.read()).done; ) rest += part.value.length;
      return rest;
    };`;
    const upstream = await startRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 200001\r\n\r\nx');
      setTimeout(() => socket.end('y'.repeat(200_000)), 600);
    });
    raws.push(upstream);
    await runner(world, 'both', 'nodejs24', [`api.test:${upstream.port}`, host, '127.0.0.0/8:*'], {
      ...{ code: { source }, concurrency: 4 },
    });
    const url = `http://api.test:${upstream.port}/`;
    await run(world, 'both', '', { ms: 0, url: `http://api.test:${port}/` });
    const long = run(world, 'both', '', { ms: 0, url });
    const short = Array.from({ length: 5 }, () =>
      run(world, 'both', '', { ms: 50, url: `http://api.test:${port}/bytes?n=10` }),
    );
    for (const ran of await Promise.all(short)) expect(ran.result).toBeTypeOf('number');
    expect((await long).result).toBe(200_000);
  });
});
