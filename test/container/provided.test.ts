/**
 * Any executable as a function: bootstraps in four languages speak the Lambda Runtime API and see the same.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeContainers } from './availability.ts';
import { type ContainerBench, executable, openContainerBench, zipOf } from './bench.ts';
import { compiled, PERL, PYTHON, SHELL } from './bootstraps.ts';

let bench: ContainerBench;

/** Sends requests to the Runtime API as its event says, and answers with what came back. */
const SCRIPTED = `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
seen=""
post() { seen="$seen $(curl -sS -o /tmp/body -w '%{http_code}' --data-binary "$2" "$api/$1") $(tr -d '"{} ' </tmp/body)"; }
while true; do
  event="$(curl -sS -D /tmp/head "$api/invocation/next")"
  id="$(sed -n 's/^lambda-runtime-aws-request-id: *\\([^\\r]*\\).*/\\1/pI' /tmp/head)"
  case "$event" in
    *twice*) post "invocation/$id/response" '"first"'; post "invocation/$id/response" '"second"'; post "invocation/$id/error" '{}' ;;
    *another*) post invocation/00000000-0000-0000-0000-000000000000/response '"forged"'; post "invocation/$id/response" '"own"' ;;
    *stale*) post "invocation/$(cat /tmp/id)/response" '"stale"'; post "invocation/$id/response" '"fresh"' ;;
    *late*) post init/error '{"errorMessage":"too late","errorType":"Late"}'; post "invocation/$id/response" '"done"' ;;
    *seen*) post "invocation/$id/response" "\\"$(echo "$seen" | tr -d '\\n')\\""; seen="" ;;
    *text*) post "invocation/$id/response" 'no JSON at all' ;;
    *nothing*) post "invocation/$id/response" '' ;;
    *never*) sleep 600 ;;
    *only*) post invocation/no-such-id/response '"forged"'; sleep 600 ;;
    *odd*) post "invocation/$id/error" 'no JSON either' ;;
    *large*) head -c 7000000 /dev/zero | tr '\\0' x >/tmp/large; seen="$seen $(curl -sS -o /dev/null -w '%{http_code}' --data-binary @/tmp/large "$api/invocation/$id/response")" ;;
    *exit*) exit 3 ;;
    *) post "invocation/$id/response" "$event" ;;
  esac
  echo "$id" >/tmp/id
done
`;

await describeContainers('the runtime provided', ['nodejs24', 'python3', 'provided'], () => {
  beforeAll(async () => {
    bench = await openContainerBench();
    await bench.deploy('scripted', 'provided', { bootstrap: SCRIPTED });
  });
  afterAll(() => bench.close());

  describe.each<[string, () => Buffer | string]>([
    ['POSIX shell', () => SHELL],
    ['Perl', () => PERL],
    ['Python', () => PYTHON],
    ['C', () => compiled()],
  ])('with a bootstrap in %s', (language, program) => {
    const name = `in-${language.split(' ').at(-1)}`;
    const spec = { handler: 'shop.order', env: { OWN: 'ä = value', AWS_REGION: 'mine' }, memoryMb: 64 };
    beforeAll(async () => {
      const code = zipOf({ bootstrap: executable(program()), 'data/menu.txt': 'menu' });
      await bench.deploy(name, 'provided', code, spec);
    });

    it('answers one event after the other from one process', async () => {
      const event = { do: 'echo', text: 'ä€😀 "quoted" \\', deep: [[{ n: 1.5 }], null, true] };
      const first = await bench.invoke(name, event);
      expect(first.result).toEqual({ echo: event });
      const second = await bench.invoke(name, { do: 'calls' });
      expect(second.result).toEqual({ calls: 2 });
      expect(second.receipt.start).toBe('code');
      expect(bench.logs(first.receipt.invocationId)).toEqual(['error call 1']);
      expect(bench.logs(second.receipt.invocationId)).toEqual(['error call 2']);
      expect(second.receipt.usage.cpuMs).toBeGreaterThan(0);
    });

    it('finds the environment of a Lambda function', async () => {
      const result = (await bench.result(name, { do: 'env' })) as { root: string; uid: number };
      expect(result).toMatchObject({
        ...{ handler: 'shop.order', name, version: '$LATEST', memory: '64', region: 'strata' },
        ...{ runtime: '/opt/strata', home: '/tmp', own: 'ä = value', cwd: result.root },
      });
      expect(result.root).toMatch(/^\/code\/[0-9a-f]{64}$/);
      expect(result.uid).toBeGreaterThanOrEqual(20_000);
    });

    it('is told the request, its deadline and its function', async () => {
      const beforeMs = Date.now();
      const { result, receipt } = await bench.invoke(name, { do: 'headers' });
      const { id, deadline, now, arn, trace } = result as Record<'id' | 'arn' | 'trace', string> &
        Record<'deadline' | 'now', number>;
      expect(id).toBe(receipt.invocationId);
      expect(arn).toBe(`arn:aws:lambda:strata:000000000000:function:${name}`);
      expect(trace).toMatch(/^Root=1-/);
      expect(deadline).toBeGreaterThanOrEqual(beforeMs + 30_000);
      expect(deadline).toBeLessThanOrEqual(Date.now() + 30_000);
      expect(now).toBeLessThan(deadline);
    });

    it('fails an invocation by the error it posts, and serves the next', async () => {
      const { failure } = await bench.failure(name, { do: 'error' });
      expect(failure).toMatchObject({
        code: 'function_error',
        detail: expect.stringContaining('Shop.OutOfStock: out of stock'),
        error: { type: 'Shop.OutOfStock', message: 'out of stock', stack: 'line 1\nline 2' },
      });
      expect(await bench.result(name, { do: 'echo' })).toEqual({ echo: { do: 'echo' } });
    });
  });

  it('reports what a bootstrap posts as the error of its start', async () => {
    const post = (body: string): string =>
      `#!/bin/sh\ncurl -sS -d '${body}' "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/init/error"\nexit 1\n`;
    const body = '{"errorMessage":"no licence","errorType":"Shop.Closed","stackTrace":["boot"]}';
    await bench.deploy('closed', 'provided', { bootstrap: post(body) });
    expect((await bench.failure('closed')).failure).toMatchObject({
      code: 'init_error',
      detail: expect.stringContaining('Shop.Closed: no licence'),
      error: { type: 'Shop.Closed', message: 'no licence', stack: 'boot' },
    });
    await bench.deploy('closed', 'provided', { bootstrap: post('not JSON') });
    expect((await bench.failure('closed')).failure.code).toBe('init_error');
  });

  it('takes the first answer of an invocation, and refuses the second', async () => {
    expect(await bench.result('scripted', 'twice')).toBe('first');
    expect(await bench.result('scripted', 'seen')).toMatch(
      /^ 202 status:OK 403 .*InvalidStateTransition.* 403 .*InvalidStateTransition/,
    );
  });

  it('refuses an answer for another invocation, and takes the own one', async () => {
    expect(await bench.result('scripted', 'another')).toBe('own');
    expect(await bench.result('scripted', 'seen')).toMatch(/^ 400 .*InvalidRequestID.* 202 status:OK$/);
    expect(await bench.result('scripted', 'stale')).toBe('fresh');
    expect(await bench.result('scripted', 'seen')).toMatch(/^ 40[03] \S+ 202 status:OK$/);
  });

  it('refuses an error of the start after the start', async () => {
    expect(await bench.result('scripted', 'late')).toBe('done');
    expect(await bench.result('scripted', 'seen')).toMatch(/ 403 .*InvalidStateTransition.* 202 status:OK$/);
  });

  it.each([
    ['a result that is not JSON', 'text', 'result_invalid'],
    ['an empty result', 'nothing', 'result_invalid'],
    ['an error that is not JSON', 'odd', 'function_error'],
    ['a result over the limit', 'large', 'result_too_large'],
    ['the end of the bootstrap', 'exit', 'sandbox_exited'],
  ])('fails an invocation for %s, and serves the next', async (_what, event, code) => {
    expect((await bench.failure('scripted', event)).failure.code).toBe(code);
    expect(await bench.result('scripted', 'back')).toBe('back');
  });

  it.each([
    ['never answers', 'never'],
    ['answers for another invocation only', 'only'],
  ])('stops an invocation that %s at its deadline, and serves the next', async (_what, event) => {
    await bench.deploy('slow', 'provided', { bootstrap: SCRIPTED }, { timeoutMs: 1_000 });
    expect((await bench.failure('slow', event)).failure).toMatchObject({
      ...{ code: 'function_timeout', limit: { kind: 'timeoutMs', configured: 1_000 } },
    });
    expect(await bench.result('slow', 'back')).toBe('back');
  });
});
