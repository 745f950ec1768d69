/**
 * Bad input over real HTTP: each its catalogue error in bounded time, and the next invocation works.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE, type ErrorCode } from '../../src/core/errors.ts';
import { call, deploy, invoke, type Reply } from '../e2e/http-client.ts';
import { type ServerProcess, startServer } from '../e2e/server-process.ts';

/** For what is refused or fails by itself; what has to be stopped gets its own deadline on top. */
const BOUND_MS = 5_000;
const TIMEOUT_MS = 400;
const MIB = 1024 * 1024;

let server: ServerProcess;

beforeAll(async () => {
  server = await startServer();
  await deploy(server, 'healthy', 'exports.handler = (event) => ({ twice: event.n * 2 });');
});

afterAll(() => server.stop());

const expectProblem = (reply: Reply, code: ErrorCode): void => {
  expect(reply.headers['content-type']).toBe('application/problem+json');
  expect(reply.json).toMatchObject({
    ...{ code, status: ERROR_CATALOGUE[code].status, retryable: ERROR_CATALOGUE[code].retryable },
    detail: expect.stringMatching(/./),
  });
  expect(reply.status).toBe(ERROR_CATALOGUE[code].status);
};

const timely = async (sent: () => Promise<Reply>): Promise<Reply> => {
  const startedMs = performance.now();
  const reply = await sent();
  expect(performance.now() - startedMs).toBeLessThan(BOUND_MS);
  return reply;
};

const expectHealthy = async (): Promise<void> => {
  const reply = await invoke(server, 'healthy', { n: 21 });
  expect(reply.status).toBe(200);
  expect(reply.json).toEqual({ twice: 42 });
};

const SPEC = { runtime: 'isolate', code: { source: 'exports.handler = () => 1' } };
const put = (body: unknown, name = 'bad', headers = {}) =>
  call(server, 'PUT', `/v1/functions/${name}`, { body, headers });
const post = (body: unknown, path = 'healthy/invocations') =>
  call(server, 'POST', `/v1/functions/${path}`, { body });

describe('what is refused before anything runs', () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  it.each<[string, ErrorCode, () => Promise<Reply>]>([
    ['malformed JSON as an event', 'invalid_request', () => post('{"a":')],
    [
      'bytes that are not UTF-8 as an event',
      'invalid_request',
      () => post(Buffer.from([0x22, 0xff, 0xfe, 0x22])),
    ],
    ['JSON with something behind it as an event', 'invalid_request', () => post('{} {}')],
    ['malformed JSON as a spec', 'invalid_request', () => put('{"runtime":')],
    ['an array as a spec', 'invalid_request', () => put([])],
    ['null as a spec', 'invalid_request', () => put('null')],
    ['a spec nested 200,000 deep', 'invalid_request', () => put(`{"runtime":"isolate","code":${deep}}`)],
    ['an unknown field', 'invalid_request', () => put({ ...SPEC, extra: 1 })],
    [
      'an unknown field in code',
      'invalid_request',
      () => put({ ...SPEC, code: { source: '1', lang: 'js' } }),
    ],
    ['two kinds of code', 'invalid_request', () => put({ ...SPEC, code: { source: '1', files: {} } })],
    ['a limit beyond its bound', 'invalid_request', () => put({ ...SPEC, timeoutMs: 900_001 })],
    ['a limit that is a string', 'invalid_request', () => put({ ...SPEC, timeoutMs: '100' })],
    ['a limit that is a fraction', 'invalid_request', () => put({ ...SPEC, timeoutMs: 1.5 })],
    ['a handler that is no path', 'invalid_request', () => put({ ...SPEC, handler: '../index.handler' })],
    ['a name with ..', 'invalid_request', () => put(SPEC, '..%2f..%2fetc')],
    ['a name that is ..', 'invalid_request', () => put(SPEC, '%2e%2e')],
    ['a name with NUL', 'invalid_request', () => put(SPEC, 'a%00b')],
    ['a name of 10,000 characters', 'invalid_request', () => put(SPEC, 'n'.repeat(10_000))],
    ['an invocation of a name with NUL', 'invalid_request', () => post({}, 'a%00b/invocations')],
    [
      'a file that leads out',
      'code_invalid',
      () => put({ ...SPEC, code: { files: { '../index.js': '1' } } }),
    ],
    ['a file name with NUL', 'code_invalid', () => put({ ...SPEC, code: { files: { 'index.js\0': '1' } } })],
    ['no file for the handler', 'code_invalid', () => put({ ...SPEC, code: { files: { 'other.js': '1' } } })],
    ['an archive that is none', 'code_invalid', () => put({ ...SPEC, code: { zip: 'bm90IGEgemlw' } })],
    ['an event over the limit', 'payload_too_large', () => post(`"${'x'.repeat(6 * MIB)}"`)],
    [
      'code over the limit',
      'payload_too_large',
      () => put({ ...SPEC, code: { source: `//${'x'.repeat(5 * MIB)}` } }),
    ],
    ['an unknown function', 'not_found', () => post({}, 'nobody/invocations')],
    ['an unknown version', 'not_found', () => post({}, 'healthy/invocations?qualifier=7')],
  ])('%s is %s', async (_what, code, send) => {
    expectProblem(await timely(send), code);
    await expectHealthy();
  });
});

const plain = (body: string): string => `exports.handler = (event) => { ${body} };`;

/** What a function does wrong: code, status, and what the problem says of it. */
const FUNCTIONS: [what: string, code: ErrorCode, source: string, problem?: object][] = [
  ['a syntax error', 'init_error', 'exports.handler = () => {', { error: { type: 'SyntaxError' } }],
  ['a missing handler', 'init_error', 'exports.other = () => 1;'],
  ['a handler that is no function', 'init_error', 'exports.handler = 5;'],
  [
    'code that throws when it loads',
    'init_error',
    'throw new TypeError("at load");',
    { error: { type: 'TypeError', message: 'at load' } },
  ],
  ['an import of what is not there', 'init_error', 'require("left-pad"); exports.handler = () => 1;'],
  [
    'a handler that throws undefined',
    'function_error',
    plain('throw undefined;'),
    { error: { type: 'undefined' } },
  ],
  [
    'a promise rejected with undefined',
    'function_error',
    plain('return Promise.reject();'),
    { error: { type: 'undefined' } },
  ],
  [
    'an error in the callback',
    'function_error',
    'exports.handler = (event, context, callback) => callback(new RangeError("cb"));',
    { error: { type: 'RangeError', message: 'cb' } },
  ],
  ['a function as the result', 'result_invalid', plain('return () => 1;')],
  ['a cycle as the result', 'result_invalid', plain('const a = {}; a.a = [a]; return a;')],
  ['a BigInt as the result', 'result_invalid', plain('return { n: 10n };')],
  ['a symbol as the result', 'result_invalid', plain('return Symbol("s");')],
  [
    'a 50 MB string as the result',
    'result_too_large',
    plain('return "x".repeat(50 * 1024 * 1024);'),
    { limit: { kind: 'resultBytes', configured: 6 * MIB, observed: 50 * MIB + 2 } },
  ],
  [
    'a getter that throws in the result',
    'result_invalid',
    plain('return { get a() { throw new Error("no"); } };'),
  ],
  [
    'a getter that loops in the result',
    'function_timeout',
    plain('return { get a() { for (;;); } };'),
    { limit: { kind: 'timeoutMs', configured: TIMEOUT_MS } },
  ],
  [
    'a getter that loops in what is thrown',
    'function_timeout',
    plain('throw { get message() { for (;;); } };'),
    { limit: { kind: 'timeoutMs' } },
  ],
  [
    'a promise that never settles',
    'function_timeout',
    plain('return new Promise(() => {});'),
    { limit: { kind: 'timeoutMs' } },
  ],
];

describe('what a function does wrong', () => {
  it.each(FUNCTIONS)('%s is %s', async (_what, code, source, problem = {}) => {
    const timeoutMs = code === 'function_timeout' ? TIMEOUT_MS : 10_000;
    const spec = { timeoutMs, cpuMs: 20_000, memoryMb: 256 };
    await deploy(server, 'wrong', source, spec);
    for (let round = 0; round < 2; round += 1) {
      const reply = await timely(() => invoke(server, 'wrong'));
      expectProblem(reply, code);
      expect(reply.json).toMatchObject({ ...problem, invocationId: reply.headers['strata-invocation-id'] });
      const id = String(reply.headers['strata-invocation-id']);
      const receipt = await call(server, 'GET', `/v1/invocations/${id}`);
      expect(receipt.json).toMatchObject({ status: 'failed', error: { code }, function: 'wrong' });
      await expectHealthy();
    }
  });

  it('a corrected function works at once', async () => {
    await deploy(server, 'wrong', 'exports.handler = () => "right";');
    expect((await invoke(server, 'wrong')).json).toBe('right');
  });
});

it('tells about what it could not do and nothing about itself', async () => {
  await deploy(server, 'wrong', 'exports.handler = () => { throw new Error("mine"); };');
  const { text } = await invoke(server, 'wrong');
  expect(text).toContain('mine');
  expect(text).not.toMatch(/node_modules|isolated-vm|\/src\/|\/tmp\/|host\.mjs/);
});
