/**
 * Versions and aliases over HTTP, on a real server: published, moved and deleted while it serves, and after a restart.
 */
import { EventEmitter } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/program.ts';
import { call, deploy, invoke, type Reply } from './http-client.ts';
import { type ServerProcess, startServer } from './server-process.ts';

let server: ServerProcess;
let dataDir = '';

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'strata-versions-'));
  server = await startServer([], {}, { dataDir });
}, 60_000);

afterAll(async () => {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
}, 60_000);

const says = (text: string): string => `exports.handler = () => ${JSON.stringify(text)};`;

const publish = (name: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) =>
  call(server, 'POST', `/v1/functions/${name}/versions`, { body, headers });

const point = (name: string, alias: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  call(server, 'PUT', `/v1/functions/${name}/aliases/${alias}`, { body, headers });

const at = (name: string, qualifier: string, headers: Readonly<Record<string, string>> = {}) =>
  call(server, 'POST', `/v1/functions/${name}/invocations?qualifier=${qualifier}`, { body: {}, headers });

/** Deploys and publishes what says its own number. */
const published = async (name: string, count: number): Promise<void> => {
  for (let number = 1; number <= count; number += 1) {
    await deploy(server, name, says(`version ${number}`));
    const reply = await publish(name);
    expect([reply.status, (reply.json as { version: string }).version]).toEqual([201, String(number)]);
  }
};

const refused = (reply: Reply, status: number, code: string): void => {
  expect([reply.status, (reply.json as { code: string }).code]).toEqual([status, code]);
};

describe('publishing', () => {
  it('answers 201 with the digest and an ETag, and 200 with the same version for the same content', async () => {
    await deploy(server, 'pub', says('one'), { env: { A: '1' }, description: 'd', reservedConcurrency: 1 });
    const first = await publish('pub', { description: 'first' });
    expect(first.status).toBe(201);
    expect(first.json).toMatchObject({
      ...{ name: 'pub', version: '1', description: 'first', env: { A: '1' } },
      code: { digest: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    for (const field of ['id', 'tenant', 'enabled', 'reservedConcurrency', 'auth'])
      expect(first.json).not.toHaveProperty(field);
    expect(first.headers.etag).toBe(`"${(first.json as { revision: string }).revision}"`);
    const again = await publish('pub', '');
    expect([again.status, again.json]).toEqual([200, first.json]);
    const read = await call(server, 'GET', '/v1/functions/pub?qualifier=1');
    expect([read.json, read.headers.etag]).toEqual([first.json, first.headers.etag]);
  });

  it('is refused with what it does not take', async () => {
    await deploy(server, 'bad-pub', says('one'));
    for (const body of ['[]', '{"other":"1"}', '{"description":5}', '{"codeDigest":"x"}', '"text"', '{'])
      refused(await publish('bad-pub', body), 400, 'invalid_request');
    refused(await publish('bad-pub', { codeDigest: 'a'.repeat(64) }), 412, 'revision_mismatch');
    refused(await publish('bad-pub', { revision: 'stale' }), 412, 'revision_mismatch');
    refused(await publish('bad-pub', { revision: 'a' }, { 'If-Match': '"a"' }), 400, 'invalid_request');
    refused(await publish('nobody'), 404, 'not_found');
    const list = await call(server, 'GET', '/v1/functions/bad-pub/versions');
    expect(list.json).toEqual({ versions: [], nextCursor: null });
  });
});

describe('aliases', () => {
  it('run what they point to, by weight and by session, and say which version it was', async () => {
    await published('split', 2);
    const set = await point('split', 'live', { version: '1', weights: { 2: 0.5 }, description: 'half' });
    expect(set.status).toBe(201);
    expect(set.json).toMatchObject({ alias: 'live', function: 'split', version: '1', weights: { 2: 0.5 } });
    expect(set.json).not.toHaveProperty('tenant');
    const versions = new Set<string>();
    for (let user = 0; user < 16; user += 1) {
      const session = { 'Strata-Session-Key': `user-${user}` };
      const [one, other] = await Promise.all([at('split', 'live', session), at('split', 'live', session)]);
      expect(one.headers['strata-version']).toBe(other.headers['strata-version']);
      expect(one.json).toBe(`version ${one.headers['strata-version']}`);
      versions.add(String(one.headers['strata-version']));
    }
    expect([...versions].sort()).toEqual(['1', '2']);
    const reply = await at('split', '2');
    const receipt = await call(server, 'GET', `/v1/invocations/${reply.headers['strata-invocation-id']}`);
    expect(receipt.json).toMatchObject({ function: 'split', version: '2' });
    refused(await at('split', 'live', { 'Strata-Session-Key': 'x'.repeat(257) }), 400, 'invalid_request');
  });

  it('keep their versions from being deleted, and are named in the refusal', async () => {
    await published('kept', 2);
    await point('kept', 'live', { version: '1' });
    const reply = await call(server, 'DELETE', '/v1/functions/kept/versions/1');
    refused(reply, 409, 'conflict');
    expect(reply.text).toContain('live');
    await point('kept', 'live', { version: '2' });
    expect((await call(server, 'DELETE', '/v1/functions/kept/versions/1')).status).toBe(204);
    refused(await at('kept', '1'), 404, 'not_found');
    refused(await call(server, 'DELETE', '/v1/functions/kept/versions/1'), 404, 'not_found');
    expect((await call(server, 'DELETE', '/v1/functions/kept/aliases/live')).status).toBe(204);
    refused(await call(server, 'GET', '/v1/functions/kept/aliases/live'), 404, 'not_found');
    refused(await point('kept', '12', { version: '2' }), 400, 'invalid_request');
    refused(await point('kept', 'live', { version: '2', weights: { 2: 1 } }), 400, 'invalid_request');
  });

  it('of another tenant are not there, nor are its versions', async () => {
    await published('mine', 1);
    await point('mine', 'live', { version: '1' });
    const headers = { 'Strata-Tenant': 'acme' };
    const asked = [
      ...[
        ['GET', '?qualifier=1'],
        ['GET', '/versions'],
        ['POST', '/versions'],
        ['DELETE', '/versions/1'],
      ],
      ...[
        ['GET', '/aliases'],
        ['GET', '/aliases/live'],
        ['DELETE', '/aliases/live'],
      ],
      ...[
        ['POST', '/invocations?qualifier=live'],
        ['POST', '/invocations?qualifier=1'],
      ],
    ] as const;
    for (const [method = '', rest = ''] of asked)
      refused(await call(server, method, `/v1/functions/mine${rest}`, { headers }), 404, 'not_found');
    refused(await point('mine', 'live', { version: '1' }, headers), 404, 'not_found');
    expect((await at('mine', 'live')).status).toBe(200);
  });
});

describe('If-Match', () => {
  it('lets one of two changes at the same revision through', async () => {
    const first = await deploy(server, 'match', says('one'));
    const change = (text: string) =>
      call(server, 'PUT', '/v1/functions/match', {
        body: { runtime: 'isolate', code: { source: says(text) } },
        headers: { 'If-Match': String(first.headers.etag) },
      });
    const both = await Promise.all([change('two'), change('three')]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
    refused(both.find(({ status }) => status === 412) as Reply, 412, 'revision_mismatch');
    refused(
      await call(server, 'DELETE', '/v1/functions/match', { headers: { 'If-Match': '"stale"' } }),
      412,
      'revision_mismatch',
    );
    await publish('match');
    const alias = await point('match', 'live', { version: '1' });
    const stale = { 'If-Match': String(first.headers.etag) };
    refused(await point('match', 'live', { version: '$LATEST' }, stale), 412, 'revision_mismatch');
    const fresh = { 'If-Match': `"other", ${alias.headers.etag}` };
    expect((await point('match', 'live', { version: '$LATEST' }, fresh)).status).toBe(200);
    refused(await point('match', 'new', { version: '1' }, { 'If-Match': '*' }), 412, 'revision_mismatch');
    for (const wrong of ['unquoted', '"a" "b"', '"', '"a",', `"${'x'.repeat(2_000)}"`])
      refused(await point('match', 'live', { version: '1' }, { 'If-Match': wrong }), 400, 'invalid_request');
    const weak = { 'If-Match': `W/${String(alias.headers.etag)}` };
    refused(await point('match', 'live', { version: '1' }, weak), 412, 'revision_mismatch');
  });
});

describe('a function that is disabled', () => {
  it('refuses invocations of all its versions with function_disabled, and takes them when it is enabled', async () => {
    await published('off', 1);
    await point('off', 'live', { version: '1' });
    await deploy(server, 'off', says('later'), { enabled: false });
    expect((await call(server, 'GET', '/v1/functions/off')).json).toMatchObject({ enabled: false });
    for (const qualifier of ['$LATEST', '1', 'live'])
      refused(await at('off', qualifier), 409, 'function_disabled');
    await deploy(server, 'off', says('later'));
    expect((await at('off', 'live')).json).toBe('version 1');
  });
});

describe('under load', () => {
  /** Calls without pause until what is done beside it is done; answers the versions that ran, and fails with a failed call. */
  const calledWhile = async (
    name: string,
    qualifier: string,
    work: () => Promise<unknown>,
  ): Promise<Set<string>> => {
    const versions = new Set<string>();
    let isOver = false;
    const caller = async (): Promise<void> => {
      while (!isOver) {
        const reply = await at(name, qualifier);
        expect([reply.status, reply.text]).toEqual([200, expect.any(String)]);
        versions.add(String(reply.headers['strata-version']));
      }
    };
    const callers = Array.from({ length: 8 }, caller);
    try {
      await work();
    } finally {
      isOver = true;
      await Promise.all(callers);
    }
    return versions;
  };

  it('an alias moves to and fro and no call fails', async () => {
    await published('moved', 3);
    await point('moved', 'live', { version: '1' });
    const versions = await calledWhile('moved', 'live', async () => {
      for (let move = 0; move < 30; move += 1) {
        const version = String(1 + (move % 3));
        const weights = move % 2 === 0 ? {} : { [String(1 + ((move + 1) % 3))]: 0.5 };
        expect((await point('moved', 'live', { version, weights })).status).toBe(200);
        await at('moved', 'live');
      }
    });
    expect([...versions].sort()).toEqual(['1', '2', '3']);
  }, 30_000);

  it('a function is deployed, published, moved to and its former version deleted, and no call fails', async () => {
    await published('rolled', 1);
    await point('rolled', 'live', { version: '1' });
    await calledWhile('rolled', 'live', async () => {
      for (let round = 2; round <= 12; round += 1) {
        // The publication comes during the deployment: whichever is first, what it gives is complete.
        const [, early] = await Promise.all([
          deploy(server, 'rolled', says(`version ${round}`)),
          publish('rolled'),
        ]);
        expect([200, 201]).toContain(early.status);
        const { version } = (await publish('rolled')).json as { version: string };
        await point('rolled', 'live', { version });
        expect(
          (await call(server, 'DELETE', `/v1/functions/rolled/versions/${Number(version) - 1}`)).status,
        ).toBe(204);
      }
    });
  }, 30_000);

  it('what is in flight when its version, and its function, is deleted still succeeds', async () => {
    const slow =
      'exports.handler = async () => { await new Promise((done) => setTimeout(done, 300)); return 1; };';
    await deploy(server, 'slow', slow, { maxInstances: 2 });
    await deploy(server, 'quick', says('quick'));
    await publish('slow');
    await Promise.all([at('slow', '1'), invoke(server, 'quick')]);
    const inFlight = [at('slow', '1'), at('slow', '1'), at('slow', '1'), invoke(server, 'slow')];
    // What came before it has been taken in when it has its answer.
    await invoke(server, 'quick');
    expect((await call(server, 'DELETE', '/v1/functions/slow/versions/1')).status).toBe(204);
    expect((await call(server, 'DELETE', '/v1/functions/slow')).status).toBe(204);
    for (const reply of await Promise.all(inFlight)) expect([reply.status, reply.json]).toEqual([200, 1]);
    refused(await invoke(server, 'slow'), 404, 'not_found');
  });
});

describe('the commands', () => {
  /** In this process, because each start of the command takes longer than all that it does. */
  const strata = async (...args: string[]): Promise<string> => {
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const context = { env: {}, stdin: Readable.from([]), stdout, stderr, fetch, signals: new EventEmitter() };
    const code = await runCli(['--url', server.url, ...args], {
      ...context,
      exit: () => {},
      wait: async () => {},
    });
    stdout.end();
    stderr.end();
    const [said = '', failed = ''] = (await Promise.all([stdout.toArray(), stderr.toArray()])).map(String);
    expect([code, failed]).toEqual([0, '']);
    return said;
  };

  it('publish, list, point, roll back and delete', async () => {
    await deploy(server, 'cli', says('one'));
    expect(await strata('publish', 'cli', '--description', 'first')).toMatch(
      /^published cli version 1 \(sha256 [0-9a-f]{64}\)/,
    );
    expect(await strata('publish', 'cli')).toMatch(/^unchanged: cli version 1/);
    await deploy(server, 'cli', says('two'));
    await strata('publish', 'cli');
    expect(await strata('versions', 'cli')).toMatch(/VERSION +PUBLISHED[\s\S]*\n1 .*first\n2 /);
    expect(await strata('alias', 'cli', 'live', '2', '--weight', '1=0.25')).toBe(
      'cli alias live is version 2, with 1=0.25\n',
    );
    expect(await strata('alias', 'cli', 'live', '1')).toBe('cli alias live is version 1\n');
    expect(await strata('invoke', 'cli', '--qualifier', 'live', '--session-key', 'me')).toBe('"one"\n');
    expect(await strata('alias', 'cli')).toMatch(/\nlive +1 /);
    expect(await strata('versions', 'cli', '--delete', '2')).toBe('deleted cli version 2\n');
    expect(await strata('alias', 'cli', 'live', '--delete')).toBe('deleted cli alias live\n');
  }, 60_000);
});

it('after a restart everything is as it was, and numbers go on', async () => {
  await published('kept-on', 3);
  await point('kept-on', 'live', { version: '2', weights: { 1: 0.5 } });
  await call(server, 'DELETE', '/v1/functions/kept-on/versions/3');
  const session = { 'Strata-Session-Key': 'somebody' };
  const seen = async () => {
    const versions = await call(server, 'GET', '/v1/functions/kept-on/versions');
    const aliases = await call(server, 'GET', '/v1/functions/kept-on/aliases');
    return [versions.json, aliases.json, (await at('kept-on', 'live', session)).json];
  };
  const before = await seen();
  await server.stop();
  server = await startServer([], {}, { dataDir });
  expect(await seen()).toEqual(before);
  await deploy(server, 'kept-on', says('new'));
  expect((await publish('kept-on')).json).toMatchObject({ version: '4' });
}, 60_000);
