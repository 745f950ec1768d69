/**
 * What hostile code puts into results and logs.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { LOG_CASES, RESULT_CASES } from './output-cases.ts';

const LOG_MAX_BYTES = 8_192;
let arena: Arena;

beforeAll(async () => {
  arena = await Arena.open({ limits: { logMaxBytes: LOG_MAX_BYTES } });
});

afterAll(() => arena.close());

describe('results', () => {
  it.each(RESULT_CASES)('answers $name', async (hostile) => {
    await arena.run(hostile);
  });

  it('keeps keys that name prototypes as data', async () => {
    const answer = await arena.run({
      name: 'prototype keys',
      source:
        'exports.handler = (event) => ({ event, made: JSON.parse(\'{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}\') });',
      event: JSON.parse('{"__proto__":{"polluted":3}}'),
      expected: 'succeeded',
      lives: true,
    });
    expect(JSON.stringify(answer.result)).toBe(
      '{"event":{"__proto__":{"polluted":3}},"made":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}}',
    );
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('logs', () => {
  it.each(LOG_CASES)('bounds $name', async ({ name, body, lines, truncated, memoryMb }) => {
    const answer = await arena.run({
      name,
      source: `exports.handler = () => { ${body} return 1; };`,
      ...(memoryMb === undefined ? {} : { spec: { memoryMb } }),
      expected: 'succeeded',
      result: 1,
      lives: true,
    });
    const { logs } = arena.executor.invocation(answer.receipt.invocationId, { tenant: 'mallory' });
    expect(answer.receipt.logTruncated).toBe(truncated);
    expect(logs.reduce((sum, { message }) => sum + message.length, 0)).toBeLessThanOrEqual(LOG_MAX_BYTES);
    if (typeof lines === 'number') expect(logs).toHaveLength(lines);
    else expect(logs.length).toBeGreaterThan(0);
    expect(logs.length).toBeLessThanOrEqual(LOG_MAX_BYTES);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals must not be steered by a log.
    for (const { message } of logs) expect(message).not.toMatch(/[\u0000\u001b]/);
  });
});
