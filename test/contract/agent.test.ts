import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FILE, FRAME, type Frame, LOG, OUTCOME } from '../../src/sandbox/protocol/frames.ts';
import { leftOut } from '../container/availability.ts';
import { buildImage, Container, missing, type RuntimeName, UID } from './agent/container.ts';

if (missing !== null) console.warn(`The agent is not tested here: ${missing}.`);

const DIGEST = 'ab'.repeat(32);
const LOG_MAX_BYTES = 10_000;
const RESULT_MAX_BYTES = 100_000;

const running: Container[] = [];
const start = async (...args: Parameters<typeof Container.start>): Promise<Container> => {
  const container = await Container.start(...args);
  running.push(container);
  return container;
};

const load = (
  container: Container,
  code = '',
  fields: { a?: number; instance?: number; nonce?: number } = {},
) =>
  container.send(FRAME.load, {
    ...{
      nonce: 1,
      a: LOG_MAX_BYTES,
      b: RESULT_MAX_BYTES,
      meta: code,
      payload: Buffer.from(`${DIGEST}\0A=1\0`),
    },
    ...fields,
  });

/** A container with an instance that has loaded. */
const loaded = async (runtime: RuntimeName = 'nodejs24', pids = 64): Promise<Container> => {
  const container = await start(runtime, { pids });
  container.send(FRAME.boot, { a: 64 });
  await container.next(FRAME.booted);
  load(container);
  await container.next(FRAME.loaded);
  return container;
};

const invoke = (container: Container, code: string, nonce = 2, instance = 1) =>
  container.send(FRAME.invoke, {
    instance,
    nonce,
    a: 1000,
    b: 1000,
    meta: `id-${nonce}`,
    payload: Buffer.from(code),
  });

const outcome = async (container: Container, code: string, nonce = 2, instance = 1): Promise<string> => {
  invoke(container, code, nonce, instance);
  const { flags, payload } = await container.next(FRAME.outcome);
  if (flags !== 0) throw new Error(`The test's code failed: ${payload}`);
  return payload.toString();
};

const linesOf = (frames: readonly Frame[]): string[] =>
  frames.filter(({ type }) => type === FRAME.log).map(({ flags, payload }) => `${flags} ${payload}`);

// Needs a Docker engine, gcc and Python; `missing` says which of them is not there.
describe.skipIf(leftOut(missing))('the agent', { timeout: 60_000 }, () => {
  let removeImage = () => {};
  beforeAll(() => {
    removeImage = buildImage();
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((container) => container.remove()));
  });
  afterAll(() => removeImage());

  describe.each(['nodejs24', 'python3'] as const)('with %s', (runtime) => {
    it('relays calls and their answers, overlapping ones too, and sets the instance itself', async () => {
      const container = await loaded(runtime);
      expect(await outcome(container, 'answer("1")')).toBe('1');
      invoke(container, 'kept = globals().setdefault("KEPT", {}); globals()["first"] = nonce', 3);
      invoke(
        container,
        'send(OUTCOME, nonce, payload=b"b", instance=77, a=5.0, b=float("nan"), flags=0xffff)',
        4,
      );
      const frame = await container.next(FRAME.outcome);
      expect({ ...frame, payload: frame.payload.toString() }).toMatchObject({
        ...{ instance: 1, nonce: 4, a: 0, b: 0, payload: 'b', flags: OUTCOME.failed | OUTCOME.hasTail },
      });
      invoke(container, 'answer("late", nonce=3)', 5);
      expect((await container.next(FRAME.outcome)).nonce).toBe(3);
    });

    it('confines the code process: its own uid, session and descriptors, no capabilities, first for the OOM killer', async () => {
      const container = await loaded(runtime);
      const facts = JSON.parse(
        await outcome(
          container,
          `
import json
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
answer(json.dumps({
  "uids": os.getresuid(), "gids": os.getresgid(), "groups": os.getgroups(),
  "session": os.getsid(0) == os.getpid(), "parent": os.getppid(),
  "capabilities": [int(status[name].strip(), 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")],
  "newPrivileges": status["NoNewPrivs"].strip(), "blocked": int(status["SigBlk"], 16),
  "oom": open("/proc/self/oom_score_adj").read().strip(),
  "descriptors": sorted(name for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name)),
  "agent": os.access("/proc/1/mem", os.R_OK) or os.access("/proc/1/fd", os.R_OK),
}))`,
        ),
      );
      expect(facts).toMatchObject({
        ...{
          uids: [UID, UID, UID],
          gids: [UID, UID, UID],
          groups: [],
          session: true,
          capabilities: [0, 0, 0, 0],
        },
        ...{ newPrivileges: '1', blocked: 0, oom: '500', descriptors: ['0', '1', '2', '3'], agent: false },
      });
    });

    it('leaves nothing of an instance to the next', async () => {
      const container = await loaded(runtime);
      invoke(
        container,
        `
for name in ("a", "b"):
  os.makedirs(f"/tmp/{name}/c/d"); open(f"/tmp/{name}/c/d/file", "w").write("x"); os.symlink("/", f"/tmp/{name}/c/link")
os.mkfifo("/tmp/fifo"); open("/tmp/\\xff\\n", "w"); os.chmod("/tmp/a/c/d", 0); os.chmod("/tmp/a/c", 0); os.chmod("/tmp/a", 0)
os.mkdir("/tmp/deep"); os.chdir("/tmp/deep")
for _ in range(1500): os.mkdir("d" * 200); os.chdir("d" * 200)
os.chdir("/")
for _ in range(5):
  if os.fork() == 0:
    os.setsid(); signal = __import__("signal"); signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
      while True: signal.pause()
    os._exit(0)
import ctypes; libc = ctypes.CDLL(None); assert libc.shmget(0, 4096, 0o1666) >= 0 and libc.semget(0, 1, 0o1666) >= 0 and libc.msgget(0, 0o1666) >= 0
assert libc.mq_open(b"/left", os.O_CREAT | os.O_RDWR, 0o666, None) >= 0
answer(); os.write(1, b"half a line")`,
      );
      expect((await container.until(FRAME.outcome)).at(-1)).toMatchObject({ flags: 0 });
      container.send(FRAME.dispose);
      await container.until(FRAME.disposed);
      expect((await container.processes()).length).toBe(runtime === 'python3' ? 2 : 1);
      container.send(FRAME.boot, { a: 64, instance: 2 });
      expect((await container.next(FRAME.booted)).instance).toBe(2);
      load(container, '', { instance: 2, nonce: 9 });
      expect(await container.next(FRAME.loaded)).toMatchObject({ instance: 2, nonce: 9 });
      const seen = await outcome(
        container,
        `import glob
answer(repr((os.listdir("/tmp"), [len(open(f"/proc/sysvipc/{kind}").readlines()) for kind in ("shm", "sem", "msg")],
  __import__("ctypes").CDLL(None).mq_open(b"/left", os.O_RDWR))))`,
        2,
        2,
      );
      expect(seen).toBe('([], [1, 1, 1], -1)');
    });

    it('outlives a function that takes all memory', async () => {
      const container = await loaded(runtime);
      invoke(container, 'kept = []\nwhile True: kept.append(b"x" * 10_000_000)');
      expect(await container.next(FRAME.exited)).toMatchObject({ a: -1, b: 9, meta: '' });
      container.send(FRAME.dispose);
      await container.next(FRAME.disposed);
      container.send(FRAME.boot, { a: 64, instance: 2 });
      await container.next(FRAME.booted);
    });

    it('becomes empty again whenever it is told to, also while it boots', async () => {
      const container = await start(runtime);
      for (let instance = 1; instance <= 30; instance++) {
        container.send(FRAME.boot, { a: 64, instance });
        if (instance % 3 === 0) await container.next(FRAME.booted);
        container.send(FRAME.dispose, { instance });
        expect((await container.until(FRAME.disposed)).at(-1)).toMatchObject({ instance });
      }
      expect((await container.processes()).length).toBe(runtime === 'python3' ? 2 : 1);
    });

    it('defeats a fork bomb', async () => {
      const container = await loaded(runtime, 128);
      invoke(
        container,
        `
os.write(1, b"off\\n")
while True:
  try: os.fork()
  except OSError: pass`,
      );
      await container.until(FRAME.log);
      container.send(FRAME.terminate, { nonce: 2 });
      const exited = (await container.until(FRAME.exited)).at(-1);
      expect(exited).toMatchObject({ a: -1, b: 9 });
      container.send(FRAME.dispose);
      await container.next(FRAME.disposed);
      expect((await container.processes()).length).toBe(runtime === 'python3' ? 2 : 1);
      container.send(FRAME.boot, { a: 64, instance: 2 });
      await container.next(FRAME.booted);
    });
  });

  it.each([
    ['an answer to a call that is not open', 'send(OUTCOME, 99)'],
    ['a second answer', 'answer("1"); answer("2")'],
    ['an answer of another kind', 'send(LOADED, nonce)'],
    ['a second answer to the load', 'send(LOADED, 1)'],
    ['a report of being up', 'send(BOOTED)'],
    ['a line of a call that is not open', 'send(15, 99)'],
    ['a type that is not its own', 'send(12)'],
    ['a type that does not exist', 'send(200)'],
    ['another version', 'raw(frame(OUTCOME, nonce, version=2))'],
    ['a frame that is too large', 'raw(struct.pack("<I", 1024 * 1024 + 1))'],
    ['a frame that is too short', 'raw(struct.pack("<I", 41) + b"x" * 41)'],
    [
      'a meta that runs past its frame',
      'data = bytearray(frame(OUTCOME, nonce)); data[42:46] = b"\\xff" * 4; raw(data)',
    ],
  ])('takes %s for a violation and kills', async (_, code) => {
    const container = await loaded();
    invoke(container, `${code}\nimport time\ntime.sleep(1000)`);
    const frames = await container.until(FRAME.exited);
    expect(frames.filter(({ type }) => type === FRAME.violation)).toHaveLength(1);
    expect(frames.at(-1)).toMatchObject({ a: -1, b: 9, meta: 'it broke the protocol' });
  });

  it('does not count an answer before the load is answered', async () => {
    const container = await start('nodejs24');
    container.send(FRAME.boot, { a: 64 });
    await container.next(FRAME.booted);
    load(container, 'send(OUTCOME, 2)');
    invoke(container, '');
    await container.next(FRAME.violation);
  });

  it('relays an answer given just before the end, then tells the exit code', async () => {
    const container = await loaded();
    invoke(container, 'os.write(1, b"one\\ntwo"); answer(b"x" * 900000); os.write(2, b"three"); os._exit(7)');
    const frames = await container.until(FRAME.exited);
    expect(linesOf(frames)).toEqual(['1 one', '1 two', '2 three']);
    const outcomes = frames.filter(({ type }) => type === FRAME.outcome);
    expect(outcomes.map(({ payload }) => payload.length)).toEqual([900_000]);
    expect(frames.at(-1)).toMatchObject({ a: 7, b: 0, meta: '' });
  });

  it('tells the end once, without waiting for descendants that hold pipes and channel, and kills them', async () => {
    const container = await loaded();
    invoke(
      container,
      `
if os.fork() == 0:
  os.setsid()
  while True: os.write(1, b"still here\\n")
os._exit(0)`,
    );
    expect((await container.until(FRAME.exited)).at(-1)).toMatchObject({ a: 0, b: 0 });
    container.send(FRAME.terminate);
    container.send(FRAME.dispose);
    await container.next(FRAME.disposed);
    expect(await container.processes()).toHaveLength(1);
  });

  it('kills a process that closes its channel and lives on', async () => {
    const container = await loaded();
    invoke(container, 'answer("1"); os.close(3); __import__("time").sleep(1000)');
    await container.next(FRAME.outcome);
    expect(await container.next(FRAME.exited)).toMatchObject({ a: -1, b: 9, meta: 'it closed its channel' });
  });

  it('leaves the exit code to a process that closes its channel on its way out', async () => {
    const container = await loaded();
    invoke(container, 'os.close(3); os._exit(5)');
    expect(await container.next(FRAME.exited)).toMatchObject({ a: 5, b: 0, meta: '' });
  });

  it('lets a log flood neither through nor stop anything, and says once a window that lines were dropped', async () => {
    const container = await loaded();
    invoke(container, 'line = b"x" * 99 + b"\\n"\nfor _ in range(20000): os.write(1, line)\nanswer("1")');
    const frames = await container.until(FRAME.outcome);
    const lines = linesOf(frames);
    expect(lines).toHaveLength(LOG_MAX_BYTES / 100 + 1);
    expect(lines.at(-1)).toBe(`${LOG.stdout | LOG.dropped} `);
    invoke(container, 'os.write(2, b"again\\n"); answer("1")', 3);
    expect(linesOf(await container.until(FRAME.outcome))).toEqual(['2 again']);
  });

  it('cuts a long line', async () => {
    const container = await loaded();
    invoke(container, 'os.write(1, b"x" * 9000 + b"\\n\\nend\\n"); answer("1")');
    const frames = await container.until(FRAME.outcome);
    expect(linesOf(frames).map((line) => line.length - 2)).toEqual([8192, 808, 0, 3]);
  });

  it('holds a function back while the server does not read, and loses nothing', async () => {
    const container = await loaded();
    container.pause();
    for (let nonce = 10; nonce < 30; nonce++) invoke(container, 'answer(b"x" * 500000)', nonce);
    container.send(FRAME.terminate, { instance: 99 });
    container.resume();
    for (let nonce = 10; nonce < 30; nonce++) {
      expect(await container.next(FRAME.outcome)).toMatchObject({ nonce, payload: { length: 500_000 } });
    }
  });

  it('kills a process that leaves too much unread', async () => {
    const container = await loaded();
    invoke(container, 'os.write(1, b"busy\\n"); __import__("time").sleep(1000)', 2);
    await container.next(FRAME.log);
    for (let nonce = 3; nonce < 15; nonce++) invoke(container, '#'.repeat(900_000), nonce);
    expect(await container.next(FRAME.exited)).toMatchObject({ b: 9, meta: 'it did not read its channel' });
  });

  it('says why a process does not come up', async () => {
    const container = await start('python3');
    container.send(FRAME.boot, { a: 64 });
    await container.next(FRAME.booted);
    container.send(FRAME.dispose);
    await container.next(FRAME.disposed);
    container.send(FRAME.boot, { a: 64, instance: 2 });
    container.send(FRAME.terminate, { instance: 2 });
    const frame = (await container.until(FRAME.bootFailed)).at(-1);
    expect(frame).toMatchObject({ instance: 2, meta: expect.stringContaining('signal 9') });
  });

  it('writes files as they should be and removes them', async () => {
    const container = await loaded();
    const chunk = (path: string, text: string, flags = 0) =>
      container.send(FRAME.file, { flags, meta: `${DIGEST}/${path}`, payload: Buffer.from(text) });
    chunk('lib/deep/a.txt', 'one ');
    chunk('lib/deep/a.txt', 'two', FILE.continues);
    chunk('run', '#!/bin/sh\necho ran', FILE.executable);
    const code = `
def mode(path): return oct(os.stat(f"/code/${DIGEST}/{path}").st_mode)
path = "/code/${DIGEST}"
try: open(path + "/new", "w"); written = True
except OSError: written = False
answer(repr((open(path + "/lib/deep/a.txt").read(), mode("lib/deep/a.txt"), mode("run"), mode("lib"), os.stat(path).st_uid, os.popen(path + "/run").read(), written)))`;
    expect(await outcome(container, code)).toBe(
      "('one two', '0o100644', '0o100755', '0o40755', 0, 'ran\\n', False)",
    );
    container.send(FRAME.forget, { meta: DIGEST });
    expect(await outcome(container, 'answer(repr(os.listdir("/code")))', 3)).toBe('[]');
  });

  it('fails a load whose code did not fit, until it is forgotten', async () => {
    const container = await start('nodejs24', { codeSize: '1m' });
    const write = (bytes: number) =>
      container.send(FRAME.file, { meta: `${DIGEST}/f${bytes}`, payload: Buffer.alloc(bytes) });
    for (const instance of [1, 2]) {
      if (instance === 1) for (let chunk = 0; chunk < 6; chunk++) write(250_000 + chunk);
      container.send(FRAME.boot, { a: 64, instance });
      await container.next(FRAME.booted);
      load(container, '', { instance });
      const frame = await container.next(FRAME.loaded);
      if (instance === 2) expect(frame.flags).toBe(0);
      else {
        expect(frame.flags).toBe(OUTCOME.failed | OUTCOME.hasTail);
        expect(JSON.parse(frame.meta).failure).toMatchObject({
          code: 'init_error',
          detail: expect.stringContaining('full'),
        });
      }
      container.send(FRAME.dispose, { instance });
      await container.next(FRAME.disposed);
      container.send(FRAME.forget, { meta: DIGEST });
      write(10);
    }
  });

  it.each([
    ['a path that leads out', () => ({ meta: `${DIGEST}/../x` })],
    ['an absolute path', () => ({ meta: `${DIGEST}//x` })],
    ['a path with a zero byte', () => ({ meta: `${DIGEST}/a\0b` })],
    ['a folder as a file', () => ({ meta: `${DIGEST}/` })],
    ['no digest', () => ({ meta: `${'g'.repeat(64)}/x` })],
    ['a continuation of nothing', () => ({ meta: `${DIGEST}/x`, flags: FILE.continues })],
  ])('ends when the server sends %s', async (_, fields) => {
    const container = await start('provided');
    container.send(FRAME.file, fields());
    expect(await container.exitCode()).toBe(2);
    expect(await container.stderr()).toMatch(/^agent: file: .+\n$/);
  });

  it.each([
    ['a frame that is too large', Buffer.from([0, 0, 0, 127])],
    ['a frame that is too short', Buffer.from([1, 0, 0, 0])],
    ['another version', Buffer.concat([Buffer.from([42, 0, 0, 0, 9]), Buffer.alloc(41)])],
    ['an unknown type', Buffer.concat([Buffer.from([42, 0, 0, 0, 1, 99]), Buffer.alloc(40)])],
  ])('ends when the server sends %s', async (_, bytes) => {
    const container = await start('provided');
    container.sendRaw(bytes);
    expect(await container.exitCode()).toBe(2);
  });

  it('ends with everything in the container when the server goes', async () => {
    const container = await loaded();
    container.disconnect();
    expect(await container.exitCode()).toBe(1);
  });
});
