import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from './program.ts';

const SECRET = `sk_${'a'.repeat(16)}_${'A'.repeat(43)}`;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'strata-keys-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs the CLI; every call is answered with the body given. */
const run = async (argv: readonly string[], { env = {}, answer = {} as unknown } = {}) => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const sent: { line: string; authorization: string | null; body: string }[] = [];
  const code = await runCli(argv, {
    ...{ env, stdin: Readable.from([]), stdout, stderr, signals: new EventEmitter(), exit: () => {} },
    wait: async () => {},
    fetch: async (url, init) => {
      const { pathname, search } = new URL(String(url));
      sent.push({
        line: `${init?.method} ${pathname}${search}`,
        authorization: new Headers(init?.headers).get('authorization'),
        body: String(init?.body ?? ''),
      });
      return Response.json(answer);
    },
  });
  stdout.end();
  stderr.end();
  const text = async (stream: PassThrough) => Buffer.concat(await stream.toArray()).toString();
  return { code, sent, stdout: await text(stdout), stderr: await text(stderr) };
};

describe('the key of the CLI', () => {
  const page = { functions: [], nextCursor: null };

  it('comes from the environment or a file, the file first', async () => {
    const file = join(folder, 'key');
    writeFileSync(file, `${SECRET}\n`);
    const options = { env: { STRATA_API_KEY: 'sk_of-the-environment' }, answer: page };
    expect((await run(['list'], options)).sent[0]?.authorization).toBe('Bearer sk_of-the-environment');
    const { sent } = await run(['--key-file', file, 'list'], options);
    expect(sent[0]?.authorization).toBe(`Bearer ${SECRET}`);
    expect((await run(['list'], { answer: page })).sent[0]?.authorization).toBeNull();
  });

  it('is sent nowhere and shown nowhere when it is none', async () => {
    const file = join(folder, 'key');
    writeFileSync(file, 'two\nlines');
    for (const argv of [
      ['--key-file', file, 'list'],
      ['--key-file', join(folder, 'missing'), 'list'],
    ]) {
      const { code, sent, stderr } = await run(argv);
      expect([code, sent]).toEqual([1, []]);
      expect(stderr).toMatch(/^invalid_request: /);
      expect(stderr).not.toContain('two');
    }
  });

  it('is no option: the arguments of a process can be read by others', async () => {
    expect((await run(['--key', SECRET, 'list'])).code).toBe(2);
  });
});

describe('strata keys', () => {
  const made = {
    key: { id: 'a'.repeat(16), tenant: 'acme', scopes: ['read'] },
    secret: SECRET,
    signingSecret: 'shh',
  };

  it('prints the key alone to stdout', async () => {
    const argv = [
      '--tenant',
      'acme',
      'keys',
      'create',
      '--scopes',
      'read',
      '--name',
      'ci',
      '--expires',
      '2099-01-31',
    ];
    const { sent, stdout, stderr } = await run([...argv, '--signing'], { answer: made });
    expect(sent[0]?.line).toBe('POST /v1/tenants/acme/keys');
    const expiresAt = '2099-01-31T00:00:00.000Z';
    expect(JSON.parse(sent[0]?.body ?? '')).toEqual({
      scopes: ['read'],
      name: 'ci',
      expiresAt,
      signing: true,
    });
    expect(stdout).toBe(`${SECRET}\n`);
    expect(stderr).toMatch(/shown this once\nsigning secret of a+: shh/);
  });

  it.each([
    ['neither scopes nor admin', []],
    ['both', ['--admin', '--scopes', 'read']],
    ['an unknown scope', ['--scopes', 'root']],
    ['a time that is none', ['--admin', '--expires', 'soon']],
  ])('is wrong usage with %s', async (_what, options) => {
    const { code, sent } = await run(['keys', 'create', ...options]);
    expect([code, sent]).toEqual([2, []]);
  });

  it('works on a data folder without a server, and notes what it did there', async () => {
    const place = ['--data-dir', join(folder, 'data')];
    const created = await run(['keys', 'create', '--admin', ...place]);
    expect(created).toMatchObject({ code: 0, sent: [], stdout: expect.stringMatching(/^sk_\S{60}\n$/) });
    const id = created.stdout.slice(0, 19);
    const rotated = await run(['keys', 'rotate', id, '--overlap', '0s', ...place]);
    expect(rotated.stdout).toMatch(/^sk_\S{60}\n$/);
    expect((await run(['keys', 'revoke', rotated.stdout.slice(0, 19), ...place])).stdout).toMatch(
      /^revoked sk_/,
    );
    const { stdout } = await run(['keys', 'list', ...place]);
    expect(stdout).toMatch(/^ID .*\n\S{16} .* admin .* expired .*\n\S{16} .* admin .* revoked /);
    expect((await run(['keys', 'revoke', 'sk_nobody', ...place])).stderr).toMatch(/^not_found: /);
    expect((await run(['keys', 'list', '--data-dir', join(folder, 'none')])).stderr).toMatch(
      /^not_found: .*data folder/,
    );
  });

  it('revokes at the server', async () => {
    const { sent } = await run(['keys', 'revoke', `sk_${'a'.repeat(16)}`], { answer: {} });
    expect(sent[0]?.line).toBe(`DELETE /v1/tenants/default/keys/${'a'.repeat(16)}`);
  });
});

describe('strata audit', () => {
  it('shows the newest last, harmless for a terminal', async () => {
    const entry = {
      ...{
        at: '2026-01-01T00:00:00.000Z',
        principal: 'jwt:\u001b[2J',
        tenant: 'a',
        action: 'PUT /v1/functions/:name',
      },
      ...{
        target: '/v1/functions/f',
        from: '::1',
        outcome: 'succeeded',
        status: 201,
        digest: 'abcdef0123456789',
      },
    };
    const answer = {
      entries: [
        { ...entry, target: '/new' },
        { ...entry, target: '/old' },
      ],
      nextBefore: null,
    };
    const { sent, stdout } = await run(['audit', '--of', 'a'], { answer });
    expect(sent[0]?.line).toBe('GET /v1/audit?tenant=a');
    expect(stdout.split('\n').slice(1).join('\n')).toMatch(/PUT \/old .*\n.*PUT \/new .*abcdef012345\n/);
    expect(stdout).toContain('jwt:\\u001b[2J');
  });
});
