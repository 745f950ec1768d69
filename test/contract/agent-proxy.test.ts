/**
 * The agent's proxy with a server that the test plays: what it asks for, for whom, and how it is held back.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FRAME, type Frame, type FrameType, LOAD } from '../../src/sandbox/protocol/frames.ts';
import { DATA, FETCH, NETWORK_FRAME, WINDOW_BYTES } from '../../src/sandbox/protocol/network-frames.ts';
import { leftOut } from '../container/availability.ts';
import { buildImage, Container, missing } from './agent/container.ts';

const DIGEST = 'ab'.repeat(32);
const TYPES = NETWORK_FRAME as unknown as Readonly<Record<keyof typeof NETWORK_FRAME, FrameType>>;

const running: Container[] = [];

const loaded = async (flags: number = LOAD.network, instance = 1, known?: Container): Promise<Container> => {
  const container = known ?? (await Container.start('nodejs24'));
  if (known === undefined) running.push(container);
  container.send(FRAME.boot, { a: 64, instance });
  await container.next(FRAME.booted);
  const payload = Buffer.from(`${DIGEST}\0`);
  container.send(FRAME.load, { flags, instance, nonce: 1, a: 10_000, b: 100_000, payload });
  await container.next(FRAME.loaded);
  return container;
};

/** What the code of each invocation has. */
const HELPERS = `
import socket, json, threading, time
def connect(head=b""):
  s = socket.create_connection(("127.0.0.1", 9002)); s.settimeout(8); s.sendall(head); return s
def read(s):
  data = b""
  try:
    while part := s.recv(65536): data += part
  except ConnectionResetError: data += b"<reset>"
  return data
CONNECT = b"CONNECT a.test:443 HTTP/1.1\\r\\n\\r\\n"
`;

const invoke = (container: Container, code: string, nonce = 2, instance = 1): void =>
  container.send(FRAME.invoke, {
    ...{ instance, nonce, a: 1_000, b: 1_000, meta: `id-${nonce}` },
    payload: Buffer.from(HELPERS + code),
  });

const answer = async (container: Container): Promise<string> => {
  const { flags, payload } = await container.next(FRAME.outcome);
  if (flags !== 0) throw new Error(`The test's code failed: ${payload}`);
  return payload.toString();
};

const asked = ({ type, flags, nonce, a, meta, payload }: Frame): unknown => [
  ...[type, flags, nonce, a, meta, payload.toString()],
];

// Needs a Docker engine, gcc and Python; `missing` says which of them is not there.
describe.skipIf(leftOut(missing))('the proxy of the agent', { timeout: 60_000 }, () => {
  let removeImage = (): void => undefined;
  beforeAll(() => {
    removeImage = buildImage();
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((container) => container.remove()));
  });
  afterAll(() => removeImage());

  it('listens for functions that have a network, and not for the next one that has none', async () => {
    const container = await loaded();
    invoke(container, 'answer(read(connect(b"nonsense\\r\\n\\r\\n")))');
    expect(await answer(container)).toMatch(/^HTTP\/1\.1 400 Bad Request/);
    container.send(FRAME.dispose);
    await container.until(FRAME.disposed);
    await loaded(0, 2, container);
    invoke(container, 'try: connect()\nexcept ConnectionRefusedError: answer("nobody")', 2, 2);
    expect(await answer(container)).toBe('nobody');
  });

  it.each([9001, 9002])(
    'leaves the container rather than a port that the next function needs: %d',
    async (port) => {
      const container = await loaded(0);
      // The side that closes first keeps the port for a minute, without any process.
      invoke(
        container,
        `
l = socket.socket(); l.bind(("127.0.0.1", ${port})); l.listen()
s = socket.create_connection(("127.0.0.1", ${port})); t, _ = l.accept()
t.close(); read(s); s.close(); l.close(); answer("left")`,
      );
      expect(await answer(container)).toBe('left');
      container.send(FRAME.dispose);
      await expect(container.until(FRAME.disposed)).rejects.toThrow(`port ${port} is taken`);
    },
  );

  it('takes no port for left that a function only listened at until its end', async () => {
    const container = await loaded(0);
    invoke(
      container,
      `
global l; l = socket.socket(); l.bind(("127.0.0.1", 9002)); l.listen(); answer("listens")`,
    );
    expect(await answer(container)).toBe('listens');
    container.send(FRAME.dispose);
    await container.until(FRAME.disposed);
    await loaded(LOAD.network, 2, container);
  });

  it('asks for the newest open invocation, relays both ways, and tells the ends', async () => {
    const container = await loaded();
    invoke(container, 'pass', 5);
    invoke(container, 's = connect(CONNECT); s.sendall(b"hello"); s.shutdown(1); answer(read(s))', 6);
    const fetch = await container.next(TYPES.fetch);
    expect(asked(fetch)).toEqual([TYPES.fetch, FETCH.tunnel | FETCH.body, 6, 1, 'a.test:443', 'a.test:443']);
    expect(fetch.instance).toBe(1);
    container.send(TYPES.head, { nonce: 6, a: 1 });
    const sent = await container.until(TYPES.data);
    const last = (sent.at(-1)?.flags ?? 0) === DATA.last ? [] : await container.until(TYPES.data);
    expect([...sent, ...last].map(({ payload }) => payload.toString()).join('')).toBe('hello');
    container.send(TYPES.data, { nonce: 6, a: 1, payload: Buffer.from('to you') });
    container.send(TYPES.data, { nonce: 6, a: 1, flags: DATA.last });
    const text = await answer(container);
    expect(text).toBe('HTTP/1.1 200 Connection established\r\n\r\nto you');
  });

  it.each([
    [403, 'HTTP/1.1 403 Forbidden'],
    [504, 'HTTP/1.1 504 Gateway Timeout'],
    [200, 'HTTP/1.1 502 Bad Gateway'],
    [Number.NaN, 'HTTP/1.1 502 Bad Gateway'],
  ])('answers with the status that the server wants, if it is one: %d', async (status, line) => {
    const container = await loaded();
    invoke(container, 'answer(read(connect(CONNECT)))');
    await container.next(TYPES.fetch);
    container.send(TYPES.end, { nonce: 2, a: 1, b: status, meta: '{"code":"x"}' });
    const text = await answer(container);
    expect(text.startsWith(line)).toBe(true);
    expect(text.endsWith('\r\n\r\n{"code":"x"}')).toBe(true);
  });

  it('sends no more than a window without credit, and gives credit for what was read alone', async () => {
    const container = await loaded();
    invoke(
      container,
      `s = connect(CONNECT); s.recv(1000)
threading.Thread(target=lambda: s.sendall(b"x" * 1000000), daemon=True).start()
time.sleep(0.5); got = len(s.recv(100000)); answer(got)`,
    );
    await container.next(TYPES.fetch);
    container.send(TYPES.head, { nonce: 2, a: 1 });
    let bytes = 0;
    while (bytes < WINDOW_BYTES) bytes += (await container.next(TYPES.data)).payload.length;
    expect(bytes).toBe(WINDOW_BYTES);
    container.send(TYPES.credit, { nonce: 2, a: 1, b: 1_000 });
    expect((await container.next(TYPES.data)).payload.length).toBe(1_000);
    container.send(TYPES.data, { nonce: 2, a: 1, payload: Buffer.alloc(100) });
    // Too little for credit: what comes next is the end of the invocation.
    expect((await container.next(TYPES.end)).a).toBe(1);
    expect(await answer(container)).toBe('100');
  });

  it('ends connections before the last open invocation is answered, and hears nothing about them after', async () => {
    const container = await loaded();
    invoke(container, 'globals().setdefault("K", [])', 5);
    invoke(container, 'import builtins; builtins.S = connect(CONNECT); S.recv(1000); answer("1")', 6);
    await container.next(TYPES.fetch);
    container.send(TYPES.head, { nonce: 6, a: 1 });
    // Another one is open: it goes on for that one.
    expect(await answer(container)).toBe('1');
    container.send(TYPES.data, { nonce: 5, a: 1, payload: Buffer.from('for five') });
    invoke(container, 'import builtins; answer(builtins.S.recv(100), nonce=5)', 7);
    expect((await container.next(FRAME.outcome)).payload.toString()).toBe('for five');
    invoke(container, 'answer("over", nonce=7); answer("eight")', 8);
    expect((await container.next(FRAME.outcome)).nonce).toBe(7);
    expect(asked(await container.next(TYPES.end))).toEqual([TYPES.end, 0, 8, 1, '', '']);
    expect((await container.next(FRAME.outcome)).nonce).toBe(8);
    for (const type of [TYPES.data, TYPES.credit, TYPES.end, TYPES.head])
      container.send(type, { nonce: 8, a: 1, b: 5 });
    invoke(container, 'import builtins; answer(read(builtins.S))', 9);
    expect(await answer(container)).toBe('<reset>');
  });

  it('has nothing for a connection while no invocation is open, and none of those speaks for the next', async () => {
    const container = await loaded();
    invoke(
      container,
      `import builtins
def later():
  time.sleep(0.2); builtins.S = connect(b"CONNECT a"); builtins.T = read(connect(CONNECT)); os.write(1, b"done\\n")
threading.Thread(target=later).start(); answer()`,
    );
    await answer(container);
    expect((await container.next(FRAME.log)).payload.toString()).toBe('done');
    invoke(container, 'import builtins; answer(builtins.T + read(builtins.S))', 3);
    const text = await answer(container);
    expect(text).toContain('HTTP/1.1 503 Service Unavailable');
    expect(text).toMatch(/ask in the handler"\}(<reset>)?$/);
  });

  it.each([
    ['credit for what was not sent', (to: Container) => to.send(TYPES.credit, { nonce: 2, a: 1, b: 1 })],
    ['credit that is no number', (to: Container) => to.send(TYPES.credit, { nonce: 2, a: 1, b: Number.NaN })],
    ['a second head', (to: Container) => to.send(TYPES.head, { nonce: 2, a: 1 })],
    [
      'more than was read',
      (to: Container) => {
        for (let n = 0; n < 60; n += 1)
          to.send(TYPES.data, { nonce: 2, a: 1, payload: Buffer.alloc(64 * 1024) });
      },
    ],
  ])('ends with a server that gives %s', async (_what, misbehave) => {
    const container = await loaded();
    invoke(container, 's = connect(CONNECT); time.sleep(20)');
    await container.next(TYPES.fetch);
    container.send(TYPES.head, { nonce: 2, a: 1 });
    misbehave(container);
    await container.end();
    expect(await container.exitCode()).toBe(2);
  });

  it('gathers small pieces into a thousand frames a second, and loses none of their bytes', async () => {
    const container = await loaded();
    invoke(
      container,
      `s = connect(CONNECT); s.recv(1000); s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
since = time.monotonic(); n = 0
while n < 40000 or time.monotonic() < since + 1: n += s.send(b"x")
s.shutdown(1); seconds = time.monotonic() - since; s.recv(1); answer([n, seconds])`,
    );
    await container.next(TYPES.fetch);
    container.send(TYPES.head, { nonce: 2, a: 1 });
    let [bytes, frames, last] = [0, 0, false];
    while (!last) {
      const { flags, payload } = await container.next(TYPES.data);
      bytes += payload.length;
      frames += 1;
      last = flags === DATA.last;
      if (payload.length > 0) container.send(TYPES.credit, { nonce: 2, a: 1, b: payload.length });
    }
    container.send(TYPES.data, { nonce: 2, a: 1, flags: DATA.last });
    const [sent, seconds] = JSON.parse(await answer(container)) as [number, number];
    expect(bytes).toBe(sent);
    // A hundred may go at once, and some go behind the last byte.
    expect(frames).toBeLessThan(1_000 * (seconds + 0.5) + 100);
  });
});
