import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FILE, FRAME, type Frame, OUTCOME } from '../../src/sandbox/protocol/frames.ts';
import { leftOut } from '../container/availability.ts';
import { buildImage, Container, missing } from './agent/container.ts';

if (missing !== null) console.warn(`The Runtime API is not tested here: ${missing}.`);

const DIGEST = 'cd'.repeat(32);
const RESULT_MAX_BYTES = 300_000;
const CHUNK_BYTES = 256 * 1024;
const ENVIRONMENT = { AWS_LAMBDA_FUNCTION_NAME: 'greeter', _HANDLER: 'a.b', HOME: '/own' };

const running: Container[] = [];
const start = async (): Promise<Container> => {
  const container = await Container.start('provided');
  running.push(container);
  container.send(FRAME.boot, { a: 64 });
  await container.next(FRAME.booted);
  return container;
};

const put = (container: Container, bytes: Buffer, flags: number = FILE.executable) => {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    const continues = at === 0 ? 0 : FILE.continues;
    const payload = bytes.subarray(at, at + CHUNK_BYTES);
    container.send(FRAME.file, { flags: flags | continues, meta: `${DIGEST}/bootstrap`, payload });
  }
};

const load = (container: Container, instance = 1) => {
  const entries = Object.entries(ENVIRONMENT).map(([key, value]) => `${key}=${value}\0`);
  const payload = Buffer.from([`${DIGEST}\0`, ...entries].join(''));
  container.send(FRAME.load, { instance, nonce: 1, a: 50_000, b: RESULT_MAX_BYTES, meta: '{}', payload });
};

const invoke = (container: Container, event: string, nonce = 2, instance = 1) =>
  container.send(FRAME.invoke, {
    ...{ instance, nonce, a: 60_000, b: 1000, meta: `id-${nonce}`, payload: Buffer.from(event) },
  });

const bootstrapped = async (source: string | Buffer): Promise<Container> => {
  const container = await start();
  put(container, Buffer.from(source));
  load(container);
  return container;
};

const failureOf = (frame: Frame | undefined) => {
  expect(frame?.flags).toBe(OUTCOME.failed | OUTCOME.hasTail);
  return JSON.parse(frame?.meta ?? '').failure;
};

const SHELL = `#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
while true; do
  event=$(curl -sS -D /tmp/headers "$api/invocation/next")
  id=$(sed -n 's/^Lambda-Runtime-Aws-Request-Id: *\\([^ \\r]*\\).*/\\1/p' /tmp/headers)
  echo "got $event"
  curl -sS -d "{\\"event\\":$event,\\"in\\":\\"$PWD\\"}" "$api/invocation/$id/response" >&2
done
`;

/** One connection kept open; the event is Python. `post(path, body)` answers status and text. */
const PYTHON = `#!/usr/bin/python3 -I
import http.client, json, os, socket, sys, time
PREFIX = "/2018-06-01/runtime"
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, headers={}, **rest):
    connection.request(method, PREFIX + path, body, headers, **rest)
    response = connection.getresponse()
    return response.status, response.read().decode(), dict(response.getheaders())
def post(path, body=b"", headers={}, **rest): return call("POST", path, body, headers, **rest)
while True:
    _, event, headers = call("GET", "/invocation/next")
    id = headers["Lambda-Runtime-Aws-Request-Id"]
    def answer(value, to=None): return post(f"/invocation/{to or id}/response", json.dumps(value))
    exec(event)
`;

const C = `
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static char text[65536];
static int ask(const char *request) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9001), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int s = socket(AF_INET, SOCK_STREAM, 0);
    size_t held = 0;
    if (connect(s, (struct sockaddr *)&to, sizeof to)) return 1;
    for (const char *at = request; *at; at++) write(s, at, 1);
    for (ssize_t n; (n = read(s, text + held, sizeof text - 1 - held)) > 0;) held += (size_t)n;
    text[held] = 0;
    return close(s);
}
int main(void) {
    for (;;) {
        char id[64], request[256];
        ask("GET /2018-06-01/runtime/invocation/next HTTP/1.0\\r\\n\\r\\n");
        sscanf(strstr(text, "Request-Id: "), "Request-Id: %63[^\\r]", id);
        char *event = strstr(text, "\\r\\n\\r\\n") + 4;
        snprintf(request, sizeof request, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\\r\\nConnection: close\\r\\n"
                 "Transfer-Encoding: chunked\\r\\n\\r\\n2;x=y\\r\\n[\\"\\r\\n%zx\\r\\n%s\\r\\n2\\r\\n\\"]\\r\\n0\\r\\nTrailer: t\\r\\n\\r\\n", id, strlen(event), event);
        ask(request);
    }
}`;

const compileC = (): Buffer => {
  const folder = mkdtempSync(join(tmpdir(), 'strata-bootstrap-'));
  writeFileSync(join(folder, 'main.c'), C);
  execFileSync('gcc', ['-O1', '-w', '-static', '-o', join(folder, 'bootstrap'), join(folder, 'main.c')]);
  const program = readFileSync(join(folder, 'bootstrap'));
  rmSync(folder, { recursive: true });
  return program;
};

// Needs a Docker engine, gcc and Python; `missing` says which of them is not there.
describe.skipIf(leftOut(missing))('the Runtime API', { timeout: 60_000 }, () => {
  let removeImage = () => {};
  beforeAll(() => {
    removeImage = buildImage();
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((container) => container.remove()));
  });
  afterAll(() => removeImage());

  it('serves a bootstrap in shell, one invocation after another, with the lines of each before its answer', async () => {
    const container = await bootstrapped(SHELL);
    invoke(container, '"a"');
    await container.next(FRAME.loaded);
    for (const nonce of [2, 3]) {
      if (nonce === 3) invoke(container, '"a"', 3);
      const frames = await container.until(FRAME.outcome);
      expect(frames.map(({ payload }) => payload.toString())).toContain('got "a"');
      expect(frames.at(-1)).toMatchObject({ instance: 1, nonce, flags: 0, meta: '' });
      expect(JSON.parse(String(frames.at(-1)?.payload))).toEqual({ event: 'a', in: `/code/${DIGEST}` });
    }
  });

  it('serves a static program that sends byte by byte and answers in chunks', async () => {
    const container = await bootstrapped(compileC());
    await container.next(FRAME.loaded);
    for (const nonce of [2, 3]) {
      invoke(container, `event ${nonce}`, nonce);
      expect((await container.next(FRAME.outcome)).payload.toString()).toBe(`["event ${nonce}"]`);
    }
  });

  it('tells a bootstrap what the contract says, in headers and environment', async () => {
    const container = await bootstrapped(PYTHON);
    await container.next(FRAME.loaded);
    const before = Date.now();
    invoke(container, 'answer([headers, dict(os.environ), os.listdir("/proc/self/fd")])');
    const [headers, environment, descriptors] = JSON.parse(
      (await container.next(FRAME.outcome)).payload.toString(),
    );
    expect(headers).toMatchObject({
      'Lambda-Runtime-Aws-Request-Id': 'id-2',
      'Lambda-Runtime-Invoked-Function-Arn': 'arn:aws:lambda:strata:000000000000:function:greeter',
      'Lambda-Runtime-Trace-Id': expect.stringMatching(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$/),
    });
    const deadline = Number(headers['Lambda-Runtime-Deadline-Ms']) - before;
    expect(deadline).toBeGreaterThanOrEqual(60_000 - 1);
    expect(deadline).toBeLessThan(70_000);
    expect(environment).toEqual({
      ...ENVIRONMENT,
      ...{ PATH: '/usr/local/bin:/usr/bin:/bin', TMPDIR: '/tmp', LANG: 'C.UTF-8', TZ: 'UTC' },
      AWS_LAMBDA_RUNTIME_API: '127.0.0.1:9001',
    });
    expect(descriptors).toEqual(['0', '1', '2', '3', '4']);
  });

  it('tells by which ARN it was called and what the client says, and nothing that cannot stand in a header', async () => {
    const container = await bootstrapped(PYTHON);
    await container.next(FRAME.loaded);
    const arn = 'arn:aws:lambda:us-east-1:123456789012:function:greeter:live';
    const own = 'arn:aws:lambda:strata:000000000000:function:greeter';
    const told = async (nonce: number, meta: string) => {
      const payload = Buffer.from(
        'answer([headers.get("Lambda-Runtime-Aws-Request-Id"), headers.get("Lambda-Runtime-Invoked-Function-Arn"), headers.get("Lambda-Runtime-Client-Context"), len(headers)])',
      );
      container.send(FRAME.invoke, { instance: 1, nonce, a: 60_000, b: 1_000, meta, payload });
      return JSON.parse((await container.next(FRAME.outcome)).payload.toString());
    };
    const context = `{"custom":{"k":"${'x'.repeat(10_000)} y"}}`;
    const [, , , plain] = await told(2, 'id-2');
    expect(await told(3, `id-3\n${arn}\n${context}`)).toEqual(['id-3', arn, context, plain + 1]);
    expect(await told(4, `id-4\n${arn}\n`)).toEqual(['id-4', arn, null, plain]);
    expect(await told(5, 'id-5\n\n')).toEqual(['id-5', own, null, plain]);
    for (const [at, odd] of [
      `a\r\nX: 1\n{}`,
      `${'a'.repeat(600)}\n{\u0007}`,
      `ä\n${'x'.repeat(20_000)}`,
    ].entries())
      expect(await told(6 + at, `id-${6 + at}\n${odd}`)).toEqual([`id-${6 + at}`, own, null, plain]);
  });

  it('takes one answer for the running invocation and no other', async () => {
    const container = await bootstrapped(PYTHON);
    await container.next(FRAME.loaded);
    invoke(
      container,
      `
unknown = answer(1, to="id-1")[:2]
second_next = call("GET", "/invocation/next")[0]
init = post("/init/error", b"{}")[0]
ok = answer(1)[:2]
seen = [unknown, second_next, init, ok, answer(2)[:2]]`,
    );
    expect((await container.next(FRAME.outcome)).payload.toString()).toBe('1');
    invoke(
      container,
      'answer([*seen, answer(0, to="id-2")[0], call("GET", "/else")[0], call("PUT", "/init/error")[0]])',
      3,
    );
    const [unknown, ...rest] = JSON.parse((await container.next(FRAME.outcome)).payload.toString());
    expect([unknown[0], JSON.parse(unknown[1]).errorType]).toEqual([400, 'InvalidRequestID']);
    const wrong = rest[3];
    expect(JSON.parse(wrong[1]).errorType).toBe('InvalidStateTransition');
    expect([rest[0], rest[1], rest[2], wrong[0], ...rest.slice(4)]).toEqual([
      ...[403, 403, [202, '{"status":"OK"}'], 403],
      ...[403, 404, 404],
    ]);
  });

  it.each([
    ['with a length', 'post(f"/invocation/{id}/response", b"x" * size)'],
    [
      'in chunks',
      'post(f"/invocation/{id}/response", iter([b"x" * 1000] * (size // 1000)), encode_chunked=True)',
    ],
    ['asking first', 'post(f"/invocation/{id}/response", b"x" * size, {"Expect": "100-continue"})'],
  ])('refuses a result that is too large, %s, and says how large', async (_, code) => {
    const container = await bootstrapped(PYTHON);
    await container.next(FRAME.loaded);
    for (const [nonce, size] of [
      [2, RESULT_MAX_BYTES],
      [3, RESULT_MAX_BYTES + 1000],
      [4, 4_000_000],
      [5, 10],
    ] as const) {
      invoke(container, `size = ${size}\ntry: print(${code}[0])\nexcept OSError: connection.close()`, nonce);
      const frame = (await container.until(FRAME.outcome)).at(-1);
      if (size <= RESULT_MAX_BYTES) {
        expect(frame).toMatchObject({ nonce, flags: 0 });
        continue;
      }
      const failure = failureOf(frame);
      expect(failure).toMatchObject({
        ...{ code: 'result_too_large', error: null },
        limit: { kind: 'resultBytes', configured: RESULT_MAX_BYTES },
      });
      expect(failure.limit.observed).toBeGreaterThan(RESULT_MAX_BYTES);
    }
  });

  it.each([
    [
      'as the contract has it',
      `json.dumps({"errorMessage": "no \\ud83d\\ude00 \\"way\\"\\n", "other": [{"errorType": "x"}, []], "errorType": "Bad", "stackTrace": ["a", "b"]})`,
      { type: 'Bad', message: 'no 😀 "way"\n', stack: 'a\nb' },
    ],
    ['as text', '"just text"', { type: 'FromHeader', message: 'just text', stack: '' }],
    ['as bytes', 'b"\\xff\\xfe{\\0"', { type: 'FromHeader', message: '??{\0', stack: '' }],
    ['half', '\'{"errorMessage": "x", "stackTrace": [\'', { type: 'FromHeader', stack: '' }],
    ['deep', '"[" * 50000', { type: 'FromHeader', message: '['.repeat(8192) }],
    [
      'deep in a member',
      '\'{"a":\' + "[" * 20000 + "]" * 20000 + \',"errorType":"T"}\'',
      { type: 'T', message: '' },
    ],
  ])('relays an error that is posted %s', async (_, body, error) => {
    const container = await bootstrapped(PYTHON);
    await container.next(FRAME.loaded);
    invoke(
      container,
      `post(f"/invocation/{id}/error", ${body}, {"Lambda-Runtime-Function-Error-Type": "FromHeader"})`,
    );
    const failure = failureOf((await container.until(FRAME.outcome)).at(-1));
    expect(failure).toMatchObject({ code: 'function_error', limit: null, error });
    expect(failure.detail).toMatch(new RegExp(`^The handler failed with ${error.type}: `));
  });

  it('fails the load with the error that the initialiser posts', async () => {
    const container = await bootstrapped(
      PYTHON.replace(
        'while True:',
        'print(post("/init/error", \'{"errorMessage":"m","errorType":"T"}\')[0])\nsys.exit(3)\nwhile True:',
      ),
    );
    invoke(container, 'answer(1)');
    const frame = await container.next(FRAME.loaded);
    expect(failureOf(frame)).toMatchObject({ code: 'init_error', error: { type: 'T', message: 'm' } });
    expect((await container.until(FRAME.exited)).at(-1)).toMatchObject({ a: 3, b: 0 });
  });

  it.each([
    ['exit 5', 'with exit status 5'],
    ['kill -6 $$', 'by signal 6'],
  ])('fails the load when the bootstrap ends before it asks (%s)', async (end, how) => {
    const container = await bootstrapped(`#!/bin/sh\necho last words\n${end}\n`);
    const frames = await container.until(FRAME.exited);
    expect(frames.map(({ type }) => type)).toEqual([FRAME.log, FRAME.loaded, FRAME.exited]);
    expect(failureOf(frames[1])).toMatchObject({
      ...{ code: 'init_error', error: { type: 'Runtime.ExitError' } },
      detail: expect.stringContaining(how),
    });
  });

  it('leaves it to the server to say why a bootstrap was killed before it asked', async () => {
    const container = await bootstrapped('#!/bin/sh\necho last words\nkill -9 $$\n');
    const frames = await container.until(FRAME.exited);
    expect(frames.map(({ type }) => type)).toEqual([FRAME.log, FRAME.exited]);
    expect(frames.at(-1)).toMatchObject({ a: -1, b: 9 });
  });

  it.each([
    ['is not there', null, FILE.executable],
    ['is not executable', SHELL, 0],
    ['is no program', 'hello', FILE.executable],
    ['names an interpreter that is not there', '#!/none\n', FILE.executable],
  ])('fails the load when the bootstrap %s', async (_, source, flags) => {
    const container = await start();
    if (source !== null) put(container, Buffer.from(source), flags);
    load(container);
    invoke(container, '1');
    expect(failureOf(await container.next(FRAME.loaded))).toMatchObject({ code: 'init_error', error: null });
    container.send(FRAME.dispose);
    await container.next(FRAME.disposed);
    container.send(FRAME.boot, { a: 64, instance: 2 });
    await container.next(FRAME.booted);
  });

  it('relays an answer given just before the end', async () => {
    const container = await bootstrapped(PYTHON);
    await container.next(FRAME.loaded);
    invoke(
      container,
      `
body = b"x" * 290000
connection.sock.sendall(f"POST {PREFIX}/invocation/{id}/response HTTP/1.1\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n".encode() + body)
os._exit(4)`,
    );
    const frames = await container.until(FRAME.exited);
    expect(frames[0]).toMatchObject({ type: FRAME.outcome, flags: 0, payload: { length: 290_000 } });
    expect(frames.at(-1)).toMatchObject({ a: 4, b: 0 });
  });

  it('survives requests that are none, and more connections than it takes', async () => {
    const container = await bootstrapped(PYTHON);
    await container.next(FRAME.loaded);
    invoke(
      container,
      `
def raw(data, shut=True):
    s = socket.create_connection(("127.0.0.1", 9001))
    try:
        s.sendall(data)
        if shut: s.shutdown(socket.SHUT_WR)
        text = b""
        while part := s.recv(65536): text += part
    except OSError: text += b"reset"
    s.close()
    return text.split(b"\\r\\n")[0].decode()
get = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\n"
post_to = b"POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\n"
seen = [raw(data) for data in (
    b"", b"\\r\\n\\r\\n", b"GET\\r\\n\\r\\n", b"GET / HTTP/2\\r\\n\\r\\n", b"\\0" * 20000, get + b"A: " + b"x" * 20000,
    get + b" folded: 1\\r\\n\\r\\n", get + b"name : 1\\r\\n\\r\\n", get + b"none\\r\\n\\r\\n",
    post_to + b"Content-Length: -1\\r\\n\\r\\n", post_to + b"Content-Length: 1\\r\\nContent-Length: 2\\r\\n\\r\\n",
    post_to + b"Content-Length: 99999999999999999999\\r\\n\\r\\n", post_to + b"Content-Length: 1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n",
    post_to + b"Transfer-Encoding: gzip\\r\\n\\r\\n", post_to + b"Transfer-Encoding: chunked\\r\\n\\r\\nxyz\\r\\n",
    post_to + b"Transfer-Encoding: chunked\\r\\n\\r\\n1\\r\\nab\\r\\n", post_to + b"Transfer-Encoding: chunked\\r\\n\\r\\n" + b"1" * 300,
    post_to + b"Transfer-Encoding: chunked\\r\\n\\r\\nffffffff\\r\\n",
    (b"GET /x HTTP/1.1\\r\\n\\r\\n" * 5000),
)]
held = [socket.create_connection(("127.0.0.1", 9001)) for _ in range(7)]
[s.sendall(get) for s in held]
waiting = [socket.create_connection(("127.0.0.1", 9001)) for _ in range(8)]
[s.close() for s in held + waiting]
answer(seen)`,
    );
    const seen: string[] = JSON.parse((await container.next(FRAME.outcome)).payload.toString());
    const bad = 'HTTP/1.1 400 Bad Request';
    const large = 'HTTP/1.1 431 Request Header Fields Too Large';
    expect(seen).toEqual([
      ...['', bad, bad, bad, large, large, bad, bad, bad, bad, bad, bad, bad, bad, bad, bad, bad],
      ...['HTTP/1.1 403 Forbidden', 'HTTP/1.1 404 Not Found'],
    ]);
    invoke(container, 'answer("alive")', 3);
    expect((await container.next(FRAME.outcome)).payload.toString()).toBe('"alive"');
  });

  it('gives an event to nobody who has left, and leaves no connection to the next instance', async () => {
    const container = await bootstrapped(PYTHON);
    await container.next(FRAME.loaded);
    invoke(
      container,
      `
answer(1)
for _ in range(3):
    s = socket.create_connection(("127.0.0.1", 9001)); s.sendall(f"GET {PREFIX}/invocation/next HTTP/1.1\\r\\n\\r\\n".encode())
    s.close()
if os.fork() == 0: time.sleep(1000)
os.write(1, b"they have left\\n")`,
    );
    await container.next(FRAME.outcome);
    await container.next(FRAME.log);
    invoke(container, 'answer("to the living")', 3);
    expect((await container.next(FRAME.outcome)).payload.toString()).toBe('"to the living"');
    container.send(FRAME.dispose);
    await container.next(FRAME.disposed);
    container.send(FRAME.boot, { a: 64, instance: 2 });
    await container.next(FRAME.booted);
    load(container, 2);
    await container.next(FRAME.loaded);
    invoke(container, 'answer("second")', 2, 2);
    expect(await container.next(FRAME.outcome)).toMatchObject({ instance: 2, nonce: 2 });
  });

  it('is terminated without another word about its calls', async () => {
    const container = await bootstrapped('#!/bin/sh\necho up; sleep 1000\n');
    await container.next(FRAME.log);
    container.send(FRAME.terminate);
    expect(await container.next(FRAME.exited)).toMatchObject({ a: -1, b: 9, meta: 'it was terminated' });
  });
});
