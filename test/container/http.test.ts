/**
 * Containers over real HTTP: what the library can, a server can, from the base64 of a zip to the receipt.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ERROR_CATALOGUE, type ErrorCode } from '../../src/core/errors.ts';
import { call, invoke, type Reply } from '../e2e/http-client.ts';
import { type ServerProcess, startServer } from '../e2e/server-process.ts';
import { describeContainers, ENGINE_HOST } from './availability.ts';
import { zipOfEntries, zipOfZeros } from './bad-zips.ts';
import { type Code, executable, ownContainers, zipOf } from './bench.ts';
import { PERL, PYTHON, SHELL } from './bootstraps.ts';
import { packageTrees } from './packages.ts';

const MIB = 1024 * 1024;

let server: ServerProcess;

const put = (name: string, runtime: string, code: Code, spec: object = {}): Promise<Reply> => {
  const upload = typeof code === 'string' ? { source: code } : 'zip' in code ? code : { files: code };
  const limits = { timeoutMs: 30_000, cpuMs: 30_000, initTimeoutMs: 30_000 };
  return call(server, 'PUT', `/v1/functions/${name}`, {
    body: { runtime, code: upload, ...limits, ...spec },
  });
};

const expectProblem = (reply: Reply, code: ErrorCode, problem: object = {}): void => {
  const { status, retryable } = ERROR_CATALOGUE[code];
  expect(reply.json).toMatchObject({
    code,
    status,
    retryable,
    detail: expect.stringMatching(/./),
    ...problem,
  });
  expect(reply.status).toBe(status);
};

const receiptOf = async (reply: Reply): Promise<Record<string, unknown>> => {
  const id = reply.headers['strata-invocation-id'];
  return (await call(server, 'GET', `/v1/invocations/${id}`)).json as Record<string, unknown>;
};

await describeContainers('containers behind the HTTP API', ['nodejs24', 'python3', 'provided'], () => {
  beforeAll(async () => {
    server = await startServer([], { DOCKER_HOST: ENGINE_HOST, STRATA_CONTAINER_MODE: 'required' });
    await put('good-node', 'nodejs24', 'exports.handler = (event) => event;');
    await put('good-python', 'python3', 'def handler(event, context):\n  return event\n');
    await put('good-shell', 'provided', { bootstrap: SHELL }, { env: { OWN: 'own' } });
  });
  afterAll(async () => {
    const { pid } = server;
    await server.stop();
    expect(await ownContainers(pid)).toEqual([]);
  });
  const expectWorking = async (): Promise<void> => {
    for (const name of ['good-node', 'good-python'])
      expect((await invoke(server, name, { n: 1 })).json).toEqual({ n: 1 });
    expect((await invoke(server, 'good-shell', { do: 'echo' })).json).toEqual({ echo: { do: 'echo' } });
  };

  it('are deployed, invoked and accounted for like isolates', async () => {
    expect(
      (
        await put(
          'hello',
          'python3',
          'def handler(event, context):\n  print("hi")\n  return {"hello": event["name"]}\n',
        )
      ).status,
    ).toBe(201);
    const reply = await invoke(server, 'hello', { name: 'Ada' });
    expect([reply.status, reply.json]).toEqual([200, { hello: 'Ada' }]);
    expect(reply.headers['strata-start']).toMatch(/^(?:none|container|runtime)$/);
    expect(await receiptOf(reply)).toMatchObject({
      ...{ function: 'hello', tier: 'container', status: 'succeeded', usage: { meter: 'cgroup' } },
    });
    const again = await invoke(server, 'hello', { name: 'Alan' }, { 'strata-require-start': 'code' });
    expect(again.headers).toMatchObject({ 'strata-start': 'code', 'strata-version': '$LATEST' });
    const id = again.headers['strata-invocation-id'];
    const { text } = await call(server, 'GET', `/v1/invocations/${id}/logs`);
    expect(text).toContain('hi');
    const pools = (await call(server, 'GET', '/v1/pools')).text;
    for (const runtime of ['nodejs24', 'python3', 'provided']) expect(pools).toContain(runtime);
  });

  it('run packages from npm, uploaded as a zip', async () => {
    const source = `const _ = require('lodash'); const express = require('express'); const serverless = require('serverless-http');
      const app = express(); app.get('/chunk/:size', (q, r) => r.json(_.chunk(_.range(7), Number(q.params.size)))); exports.handler = serverless(app);`;
    const code = zipOf({ ...packageTrees(['lodash', 'express', 'serverless-http']), 'index.js': source });
    expect((await put('packed', 'nodejs24', code, { memoryMb: 256 })).status).toBe(201);
    const event = { httpMethod: 'GET', path: '/chunk/3', headers: {}, requestContext: {}, body: null };
    const { json } = await invoke(server, 'packed', event);
    expect(json).toMatchObject({ statusCode: 200, body: '[[0,1,2],[3,4,5],[6]]' });
  });

  it.each([
    ['shell', SHELL],
    ['Perl', PERL],
    ['Python', PYTHON],
  ])('run a bootstrap in %s', async (language, program) => {
    const code = zipOf({ bootstrap: executable(program) });
    await put(`boot-${language}`, 'provided', code, { env: { OWN: 'own' } });
    expect((await invoke(server, `boot-${language}`, { do: 'calls' })).json).toEqual({ calls: 1 });
    expectProblem(await invoke(server, `boot-${language}`, { do: 'error' }), 'function_error', {
      error: { type: 'Shop.OutOfStock', message: 'out of stock', stack: 'line 1\nline 2' },
    });
    expect((await invoke(server, `boot-${language}`, { do: 'calls' })).json).toEqual({ calls: 3 });
  });

  it.each<[string, string, () => Code, ErrorCode]>([
    ['an archive that is none', 'nodejs24', () => ({ zip: 'bm90IGEgemlw' }), 'code_invalid'],
    ['a path that leads out', 'python3', () => zipOf({ '../index.py': '' }), 'code_invalid'],
    ['an absolute path', 'nodejs24', () => zipOf({ '/index.js': '' }), 'code_invalid'],
    [
      'a symbolic link',
      'provided',
      () => zipOf({ bootstrap: { bytes: '/bin/sh', mode: 0o120777 } }),
      'code_invalid',
    ],
    ['too many entries', 'nodejs24', () => zipOfEntries(60_000, 60_000), 'code_invalid'],
    ['a bomb', 'python3', () => zipOfZeros('index.py', 60 * MIB, 60 * MIB), 'code_invalid'],
    ['more than may be unpacked', 'python3', () => zipOfZeros('a', 65 * MIB, 65 * MIB), 'payload_too_large'],
    ['a bootstrap without the right to run', 'provided', () => zipOf({ bootstrap: SHELL }), 'code_invalid'],
    ['no file of the handler', 'nodejs24', () => ({ 'other.js': '' }), 'code_invalid'],
  ])('refuse %s', async (_what, runtime, code, error) => {
    expectProblem(await put('bad', runtime, code()), error);
    expectProblem(await invoke(server, 'bad'), 'not_found');
    await expectWorking();
  });

  it.each<[string, string, Code, ErrorCode, object]>([
    ['the end of the process', 'nodejs24', 'exports.handler = () => process.exit(0);', 'sandbox_exited', {}],
    ['a bootstrap that ends at once', 'provided', '#!/bin/sh\nexit 1\n', 'init_error', {}],
    [
      'a bootstrap that never asks',
      'provided',
      '#!/bin/sh\nsleep 600\n',
      'init_timeout',
      { initTimeoutMs: 500 },
    ],
    [
      'a handler that does not end',
      'python3',
      'def handler(event, context):\n  while True: pass\n',
      'function_timeout',
      { timeoutMs: 500 },
    ],
    [
      'too much memory',
      'python3',
      'def handler(event, context):\n  kept = []\n  while True: kept.append(b"x" * 1000000)\n',
      'memory_limit',
      { memoryMb: 64 },
    ],
    ['a result that is not JSON', 'nodejs24', 'exports.handler = () => 1n;', 'result_invalid', {}],
  ])('report %s as a problem, with its receipt', async (_what, runtime, code, error, spec) => {
    await put('failing', runtime, code, spec);
    const reply = await invoke(server, 'failing');
    expectProblem(reply, error);
    const { invocationId } = reply.json as { invocationId: string };
    const { json } = await call(server, 'GET', `/v1/invocations/${invocationId}`);
    expect(json).toMatchObject({ status: 'failed', tier: 'container', error: { code: error } });
    await expectWorking();
  });
});
