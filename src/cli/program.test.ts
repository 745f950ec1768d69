import { EventEmitter } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { runCli } from './program.ts';

interface Sent {
  readonly url: string;
  readonly method: string | undefined;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** Runs the CLI against one canned HTTP answer; `fetch` is the boundary to the network. */
const run = async (
  argv: readonly string[],
  options: {
    answer?: Response;
    /** One for each call, in order; SIGINT comes with the first wait behind the last. */
    answers?: readonly unknown[];
    stdin?: string;
    env?: Record<string, string>;
  } = {},
) => {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const sent: Sent[] = [];
  const waits: number[] = [];
  const signals = new EventEmitter();
  const answers = [...(options.answers ?? [])];
  const code = await runCli(argv, {
    env: options.env ?? {},
    stdin: Readable.from([Buffer.from(options.stdin ?? '')]),
    stdout,
    stderr,
    fetch: async (url, init) => {
      const headers = Object.fromEntries(new Headers(init?.headers));
      sent.push({ url: String(url), method: init?.method, headers, body: String(init?.body ?? '') });
      if (options.answers !== undefined) return Response.json(answers.shift());
      return options.answer ?? new Response('{"ok":true}');
    },
    signals,
    wait: async (ms, signal) => {
      waits.push(ms);
      if (answers.length === 0) signals.emit('SIGINT');
      signal.throwIfAborted();
    },
    exit: () => {},
  });
  stdout.end();
  stderr.end();
  const text = async (stream: PassThrough) => Buffer.concat(await stream.toArray()).toString();
  return {
    code,
    sent,
    waits,
    listeners: signals.listenerCount('SIGINT'),
    stdout: await text(stdout),
    stderr: await text(stderr),
  };
};

describe('the command line', () => {
  it.each([
    [['--help'], 0],
    [['--version'], 0],
    [['invoke'], 2],
    [['fly'], 2],
    [['invoke', 'hello', '--fast'], 2],
    [['invoke', 'hello', '--require-start', 'hot'], 2],
    [['invoke', 'hello', '--max-wait-ms', 'long'], 2],
    [['deploy', 'x.js', '--memory-mb', 'many'], 2],
    [['deploy', 'x.js', '--reserved-concurrency', '-1'], 2],
    [['deploy', 'x.js', '--env', 'NOVALUE'], 2],
    [['publish'], 2],
    [['alias', 'f', 'live', '1', '--weight', '4'], 2],
    [['alias', 'f', 'live', '1', '--weight', '4=half'], 2],
    [['serve', '--port', '70000'], 2],
    [['logs', 'hello', '-n', '-1'], 2],
  ])('exits %j with %i', async (argv, expected) => {
    const { code, sent } = await run(argv);
    expect(code).toBe(expected);
    expect(sent).toEqual([]);
  });

  it('names the environment variables and docs/config.md in the help of serve', async () => {
    const { stdout } = await run(['serve', '--help']);
    expect(stdout).toMatch(/STRATA_SERVER_PORT[\s\S]*docs\/config\.md/);
  });

  it('has the option that doctor’s remedies name', async () => {
    expect((await run(['doctor', '--help'])).stdout).toMatch(/--engine-host <url>/);
  });

  it('prints a problem as one line, and what the function threw under it, harmless for the terminal', async () => {
    const problem = {
      code: 'function_error',
      detail: 'It threw \u001b[2J.',
      error: { stack: 'Error\n at \u001b[1m' },
    };
    const answer = new Response(JSON.stringify(problem), { status: 502 });
    const { code, stderr, stdout } = await run(['invoke', 'hello'], { answer });
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toBe('function_error: It threw \\u001b[2J.\nError\n at \\u001b[1m\n');
  });

  it('says when to retry, where the server does', async () => {
    const problem = { code: 'overloaded', detail: 'Full.', retryAfterMs: 1_250 };
    const answer = new Response(JSON.stringify(problem), { status: 429 });
    expect((await run(['invoke', 'hello'], { answer })).stderr).toBe('overloaded: Full.\nretry in 1250 ms\n');
    const odd = new Response(JSON.stringify({ ...problem, retryAfterMs: '\u001b[2J' }), { status: 429 });
    expect((await run(['invoke', 'hello'], { answer: odd })).stderr).toBe('overloaded: Full.\n');
  });

  it('says so when an answer is not of Strata', async () => {
    const { code, stderr } = await run(['list'], { answer: new Response('<html>', { status: 500 }) });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^unexpected_answer: .*500/);
  });

  it('takes the server from --url before STRATA_URL, and sends the tenant', async () => {
    const env = { STRATA_URL: 'http://localhost:1' };
    const both = await run(['--url', 'http://localhost:2', '--tenant', 'acme', 'invoke', 'hello'], { env });
    expect(both.sent[0]).toMatchObject({
      url: 'http://localhost:2/v1/functions/hello/invocations',
      headers: { 'strata-tenant': 'acme' },
    });
    const one = await run(['invoke', 'hello'], { env });
    expect(one.sent[0]?.url).toMatch(/^http:\/\/localhost:1\//);
    expect((await run(['--url', 'nowhere', 'list'])).code).toBe(1);
  });

  it.each([
    [['invoke', 'hello'], '{}'],
    [['invoke', 'hello', '-d', '{"a":1}'], '{"a":1}'],
    [['invoke', 'hello', '-d', '-'], 'from stdin'],
    [['invoke', 'hello', '-'], 'from stdin'],
  ])('sends the event of %j', async (argv, body) => {
    const { sent } = await run(argv, { stdin: 'from stdin' });
    expect(sent[0]?.body).toBe(body);
  });

  it('asks for qualifier, dry run, layer and longest wait, and keeps a strange name inside the path', async () => {
    const argv = [
      ...['invoke', '../a b', '--qualifier', '3', '--dry-run', '--require-start', 'runtime'],
      ...['--max-wait-ms', '250'],
    ];
    const { sent } = await run(argv);
    expect(sent[0]).toMatchObject({
      url: 'http://127.0.0.1:7070/v1/functions/..%2Fa%20b/invocations?qualifier=3&mode=dry-run',
      headers: { 'strata-require-start': 'runtime', 'strata-max-wait-ms': '250' },
    });
  });

  it('prints the time, level and message of log lines', async () => {
    const logs = [{ timeMs: 0, level: 'warn', message: 'a\nb', invocationId: 'x' }];
    const { stdout, sent } = await run(['logs', 'hello', '-n', '5'], { answer: Response.json({ logs }) });
    expect(sent[0]?.url).toMatch(/\/v1\/functions\/hello\/logs\?limit=5$/);
    expect(stdout).toBe('1970-01-01T00:00:00.000Z warn  a\\nb\n');
  });

  it('follows a log from cursor to cursor, at once where there is more, and says what was lost', async () => {
    const page = (message: string | null, cursor: string, more = false, gap = false) => ({
      ...{ cursor, more, gap },
      logs: message === null ? [] : [{ timeMs: 0, level: 'info', message, invocationId: 'x' }],
    });
    const answers = [page('a', 'c1'), page('b', 'c2', true), page('c', 'c3', false, true), page(null, 'c4')];
    const { code, sent, waits, listeners, stdout, stderr } = await run(['logs', '-f', 'hello'], { answers });
    expect(code).toBe(0);
    expect(sent.map(({ url }) => new URL(url).search)).toEqual([
      ...['?limit=100', '?limit=1000&after=c1', '?limit=1000&after=c2', '?limit=1000&after=c3'],
    ]);
    expect(waits).toEqual([1_000, 1_000, 1_000]);
    expect(stdout.match(/[abc]$/gm)).toEqual(['a', 'b', 'c']);
    expect(stderr).toMatch(/^Lines may be missing here.*\n$/);
    expect(listeners).toBe(0);
  });

  it('shows counts and percentiles of a function', async () => {
    const percentiles = { p50: 1.2345, p90: 2, p95: 2.5, p99: 3, max: 3.001 };
    const stats = {
      ...{ windowMs: 3_600_000, invocations: 5, failed: 2, errors: { function_timeout: 2 } },
      ...{ starts: { none: 0, container: 0, runtime: 1, code: 4 }, handlerMs: percentiles, startMs: null },
      ...{ cpuMs: { mean: 0.5, max: 1 }, maxMemoryMb: null },
    };
    const { stdout, sent } = await run(['stats', 'hello', '--qualifier', '3'], {
      answer: Response.json(stats),
    });
    expect(sent[0]?.url).toMatch(/\/v1\/functions\/hello\/stats\?qualifier=3$/);
    expect(stdout).toMatch(/^invocations +5 in the last 60 minutes\nfailed +2, function_timeout 2$/m);
    expect(stdout).toMatch(
      /^starts +runtime 1, code 4\nstart, ms +-\nhandler, ms +p50 1.23, p90 2, p95 2.5,/m,
    );
  });

  it('shows the sandboxes it is given, and counts those of others', async () => {
    const slots = { free: 3, busy: 0, starting: 0, draining: 0, total: 3 };
    const sandbox = {
      ...{ id: 'h1', tier: 'container', runtime: 'python3', layer: 'runtime', state: 'ready', tenant: null },
    };
    const tier = {
      ...{
        ...{ tier: 'container', runtime: 'python3', confinement: 'docker' },
        slots,
        ready: { container: 1, runtime: 2, code: 1 },
        otherSandboxes: 2,
      },
      sandboxes: [{ ...sandbox, quarantinedFor: null, residentMb: 60, instances: [] }],
    };
    const view = { tiers: { python3: tier }, queued: 0 };
    const { stdout } = await run(['pools'], { answer: Response.json(view) });
    expect(stdout).toMatch(/^python3 \(docker\): 3 free/m);
    expect(stdout).toMatch(/^h1 +runtime +ready +- +60\.0/m);
    expect(stdout).toMatch(/^and 2 of other tenants$/m);
    const alone = { tiers: { python3: { ...tier, otherSandboxes: 0 } }, queued: 0 };
    expect((await run(['pools'], { answer: Response.json(alone) })).stdout).not.toMatch(/other/);
  });

  it('reads every page of a list', async () => {
    const { stdout } = await run(['list'], { answer: Response.json({ functions: [], nextCursor: null }) });
    expect(stdout).toMatch(/^NAME/);
  });
});
