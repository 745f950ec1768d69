/**
 * The limits of sizes and counts: memory, result, event, log, code, timers.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, expectLimit, openBench } from './bench.ts';

const RESULT_MAX = 10_000;
const EVENT_MAX = 5_000;
const LOG_MAX = 1_000;
const CODE_MAX = 20_000;
const TIMERS_MAX = 1_000;

let bench: Bench;

beforeAll(async () => {
  bench = await openBench({
    limits: {
      ...{
        resultMaxBytes: RESULT_MAX,
        eventMaxBytes: EVENT_MAX,
        logMaxBytes: LOG_MAX,
        codeMaxBytes: CODE_MAX,
      },
    },
  });
});

afterAll(() => bench.executor.close());

const MEGABYTES =
  'const kept = []; exports.handler = (event) => { for (let i = kept.length; i < event.mb; i += 1) kept.push(new Array(2 ** 17).fill(i)); return kept.length; };';

describe('memoryMb', () => {
  it.each([16, 64, 128])('holds nearly %d MB and stops what needs more', async (memoryMb) => {
    const name = `memory-${memoryMb}`;
    await bench.deploy(name, MEGABYTES, { memoryMb, timeoutMs: 20_000, cpuMs: 20_000 });
    const fits = Math.floor(memoryMb * 0.6);
    const answer = await bench.invoke(name, { mb: fits });
    expect(answer.result).toBe(fits);
    const { failure, receipt } = await bench.failure(name, { mb: memoryMb * 20 });
    expect(failure.code).toBe('memory_limit');
    expect(failure.limit?.kind).toMatch(/^(memoryMb|processMemoryMb)$/);
    expect(failure.limit?.configured).toBeGreaterThanOrEqual(memoryMb);
    expect(receipt.usage.memoryMb).toBe(memoryMb);
    expect(receipt.usage.cpuMs).toBeGreaterThan(0);
    expect(await bench.result(name, { mb: 1 })).toBe(1);
  });

  it('counts buffers too', async () => {
    const source =
      'const kept = []; exports.handler = (event) => { for (let i = 0; i < event.mb; i += 1) kept.push(new Uint8Array(2 ** 20).fill(1)); return kept.length; };';
    await bench.deploy('buffers', source, { memoryMb: 32, timeoutMs: 10_000, cpuMs: 10_000 });
    expect(await bench.result('buffers', { mb: 16 })).toBe(16);
    const { failure } = await bench.failure('buffers', { mb: 500 });
    // The engine refuses the buffer with an error of the language, which the function may catch; or it is stopped.
    if (failure.code === 'function_error') expect(failure.error?.type).toBe('RangeError');
    else expect(failure.code).toBe('memory_limit');
  });

  it('is reported as used on the receipt', async () => {
    await bench.deploy('memory-seen', MEGABYTES, { memoryMb: 128, timeoutMs: 20_000, cpuMs: 20_000 });
    const { receipt } = await bench.invoke('memory-seen', { mb: 40 });
    expect(receipt.usage.maxMemoryMb).toBeGreaterThan(40);
    expect(receipt.usage.maxMemoryMb).toBeLessThan(200);
  });
});

describe('the size of a result', () => {
  const source = 'exports.handler = (event) => event.text.repeat(event.times);';

  it.each([
    ['ASCII', 'x', RESULT_MAX - 2, 1],
    ['three bytes a character', '漢', Math.floor((RESULT_MAX - 2) / 3), 3],
  ])('is allowed up to the limit and refused one byte past it: %s', async (_what, text, fits, bytesEach) => {
    await bench.deploy('result', source);
    expect(await bench.result('result', { text, times: fits })).toHaveLength(fits);
    const { failure } = await bench.failure('result', { text, times: fits + 1 });
    expect(failure.code).toBe('result_too_large');
    expectLimit(failure, 'resultBytes', RESULT_MAX);
    expect(failure.limit?.observed).toBe((fits + 1) * bytesEach + 2);
    expect(await bench.result('result', { text: 'y', times: 1 })).toBe('y');
  });
});

describe('the size of an event', () => {
  it('is allowed up to the limit and refused one byte past it', async () => {
    await bench.deploy('event', 'exports.handler = (event) => event.length;');
    expect(await bench.result('event', 'x'.repeat(EVENT_MAX - 2))).toBe(EVENT_MAX - 2);
    await expect(bench.invoke('event', 'x'.repeat(EVENT_MAX - 1))).rejects.toMatchObject({
      code: 'payload_too_large',
      limit: { kind: 'eventBytes', configured: EVENT_MAX, observed: EVENT_MAX + 1 },
    });
    const wide = '漢'.repeat(Math.floor((EVENT_MAX - 2) / 3) + 1);
    await expect(bench.invoke('event', wide)).rejects.toMatchObject({ code: 'payload_too_large' });
    expect(await bench.result('event', 'ok')).toBe(2);
  });
});

describe('the size of a log', () => {
  const source =
    'exports.handler = (event) => { for (let i = 0; i < event.lines; i += 1) console.log(event.text); console.warn("end"); return 1; };';
  const logOf = async (event: unknown) => {
    const { receipt } = await bench.invoke('log', event);
    const { logs } = bench.executor.invocation(receipt.invocationId);
    const bytes = logs.reduce((sum, { message }) => sum + Buffer.byteLength(message), 0);
    return { lines: logs.length, bytes, truncated: receipt.logTruncated };
  };

  it('is kept whole below the limit and cut past it, and the receipt says so', async () => {
    await bench.deploy('log', source);
    expect(await logOf({ lines: 8, text: 'x'.repeat(100) })).toEqual({
      lines: 9,
      bytes: 803,
      truncated: false,
    });
    const cut = await logOf({ lines: 11, text: 'x'.repeat(100) });
    expect(cut.truncated).toBe(true);
    expect(cut.lines).toBe(9);
    expect(cut.bytes).toBeLessThanOrEqual(LOG_MAX);
    expect((await logOf({ lines: 1, text: 'x'.repeat(LOG_MAX + 1) })).truncated).toBe(true);
    expect((await logOf({ lines: 1, text: 'short' })).truncated).toBe(false);
  });

  it('counts bytes, not characters', async () => {
    await bench.deploy('log', source);
    const wide = await logOf({ lines: 3, text: '漢'.repeat(200) });
    expect(wide.bytes).toBeLessThanOrEqual(LOG_MAX);
    expect(wide.truncated).toBe(true);
  });

  it('counts lines that carry nothing', async () => {
    await bench.deploy('log', source);
    const empty = await logOf({ lines: LOG_MAX + 10, text: '' });
    expect(empty.truncated).toBe(true);
    expect(empty.lines).toBeLessThanOrEqual(LOG_MAX);
  });
});

describe('the size of code', () => {
  const sized = (bytes: number): string => {
    const source = 'exports.handler = () => 1;//';
    return source + 'x'.repeat(bytes - source.length);
  };

  it('is allowed up to the limit and refused one byte past it, in one file or in all together', async () => {
    await bench.deploy('code', sized(CODE_MAX));
    expect(await bench.result('code')).toBe(1);
    const refused = {
      code: 'payload_too_large',
      limit: { kind: 'codeBytes', configured: CODE_MAX },
    };
    await expect(bench.deploy('code', sized(CODE_MAX + 1))).rejects.toMatchObject(refused);
    const files = { 'index.js': sized(CODE_MAX / 2), 'other.js': sized(CODE_MAX / 2 + 1) };
    await expect(bench.deploy('code', files)).rejects.toMatchObject(refused);
    expect(await bench.result('code')).toBe(1);
  });
});

describe('the number of timers', () => {
  it('is bounded for an instance, and those that are cleared or left behind do not count', async () => {
    const source =
      'exports.handler = (event) => { const all = []; for (let i = 0; i < event.count; i += 1) all.push(setTimeout(() => {}, 60000)); if (event.clear) all.forEach(clearTimeout); return all.length; };';
    await bench.deploy('timers', source);
    expect(await bench.result('timers', { count: TIMERS_MAX })).toBe(TIMERS_MAX);
    expect(await bench.result('timers', { count: TIMERS_MAX, clear: true })).toBe(TIMERS_MAX);
    const { failure } = await bench.failure('timers', { count: TIMERS_MAX + 1 });
    expect(failure.code).toBe('function_error');
    expect(failure.error).toMatchObject({
      type: 'RangeError',
      message: expect.stringContaining(String(TIMERS_MAX)),
    });
    expect(await bench.result('timers', { count: 1 })).toBe(1);
  });
});
