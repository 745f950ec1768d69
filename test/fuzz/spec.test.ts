/**
 * Specs from strangers: complete and within bounds, or refused in words that give nothing away.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE, type ErrorCode, StrataError } from '../../src/core/errors.ts';
import { MEMORY_BOUNDS, SPEC_BOUNDS } from '../../src/core/limits.ts';
import type { FunctionSpec, FunctionSpecInput } from '../../src/core/spec.ts';
import { completeSpec } from '../../src/registry/spec.ts';
import { type Dice, fuzz, mutate } from './mutator.ts';
import { type Served, serve } from './served.ts';

/** Stands in every secret; no message may show it. */
const SECRET = 'hunter2-hunter2';

const VALUES: readonly ((dice: Dice) => unknown)[] = [
  (dice) => dice.pick([null, true, false, 0, -0, -1, 1.5, 1e308, 2 ** 53, 128, 3_000, 200, 1_000_000]),
  (dice) =>
    dice.pick([
      '',
      'a',
      'index.handler',
      'a'.repeat(257),
      '\0',
      '\ud800',
      '😀'.repeat(200),
      'isolate',
      '../x.y',
      '__proto__',
    ]),
  () => [],
  (dice) =>
    Array.from({ length: dice.int(60) }, () => dice.pick(['a.com:443', '*:*', '10.0.0.1:80', 'x', 5, null])),
  (dice) =>
    Object.fromEntries(
      Array.from({ length: dice.int(120) }, (_, at) => [`k${at}`, dice.pick(['v', SECRET, 1])]),
    ),
  (dice) =>
    JSON.parse(
      dice.pick(['{"__proto__":"x"}', '{"constructor":"x"}', '{"":"x"}', '{"a b":"x"}', '{"a":{"b":{}}}']),
    ) as unknown,
  (dice) => ({
    allow: dice.pick([
      [],
      ['a.com:443'],
      ['a.com'],
      'x',
      [null],
      ['*.Example.COM.:443', '*.example.com:443'],
    ]),
  }),
  (dice) =>
    dice.pick([
      { source: SECRET },
      { files: { 'index.js': SECRET } },
      { zip: SECRET },
      { source: 1 },
      { zip: 'UEsFBg==' },
    ]),
];

const HONEST: FunctionSpecInput = {
  ...{
    runtime: 'isolate',
    code: { source: `exports.handler = () => '${SECRET}'` },
    handler: 'index.handler',
  },
  ...{
    memoryMb: 128,
    timeoutMs: 3_000,
    cpuMs: 1_000,
    processModel: 'resident',
    concurrency: 1,
    initializer: null,
  },
  ...{
    initTimeoutMs: 10_000,
    minInstances: 0,
    maxInstances: 50,
    reservedConcurrency: 0,
    idleTimeoutMs: 600_000,
  },
  ...{ env: { KEY: SECRET }, labels: { team: 'a' }, description: 'd', network: { allow: ['a.com:443'] } },
  enabled: true,
};
const FIELDS = [...Object.keys(HONEST), 'unknown', 'name', 'tenant', '__proto__', 'toString'];

/** An honest spec with a few fields changed, dropped or added; as JSON would bring it. */
const someInput = (dice: Dice): unknown => {
  if (dice.once(30)) return someValue(dice, '');
  const input = new Map<string, unknown>(Object.entries(HONEST));
  if (dice.once(2))
    input.set('runtime', dice.pick(['nodejs24', 'python3', 'provided', 'isolate', 'Isolate']));
  for (let changes = dice.int(4); changes > 0; changes -= 1) {
    const field = dice.pick(FIELDS);
    if (dice.once(4)) input.delete(field);
    else if (field in SPEC_BOUNDS && !dice.once(4))
      input.set(field, numberNear(dice, field as keyof typeof SPEC_BOUNDS));
    else input.set(field, someValue(dice, field));
  }
  return Object.fromEntries(input);
};

/** What stands in other fields than these is no secret, and messages show it. */
const someValue = (dice: Dice, field: string): unknown => {
  const value = dice.pick(VALUES)(dice);
  if (field === 'env' || field === 'code') return value;
  return JSON.parse(JSON.stringify(value).replaceAll(SECRET, 'shown')) as unknown;
};

const numberNear = (dice: Dice, field: keyof typeof SPEC_BOUNDS): number => {
  const { min, max } = SPEC_BOUNDS[field];
  return dice.pick([min, max, min - 1, max + 1, min + 0.5, dice.int(max + 1)]);
};

const expectWithinBounds = (spec: FunctionSpec): void => {
  for (const [field, { min, max }] of Object.entries(SPEC_BOUNDS)) {
    const value = spec[field as keyof typeof SPEC_BOUNDS];
    expect(Number.isInteger(value) && value >= min && value <= max, `${field} ${value}`).toBe(true);
  }
  const { min, max } = MEMORY_BOUNDS[spec.runtime];
  expect(spec.memoryMb >= min && spec.memoryMb <= max).toBe(true);
  expect(typeof spec.enabled).toBe('boolean');
  expect(spec.minInstances).toBeLessThanOrEqual(spec.maxInstances);
  expect(Object.isFrozen(spec) && Object.isFrozen(spec.env) && Object.isFrozen(spec.network)).toBe(true);
  for (const map of [spec.env, spec.labels])
    expect(Object.values(map).every((text) => typeof text === 'string')).toBe(true);
};

const NAMES = ['f', 'A-b_9', 'x'.repeat(64), 'x'.repeat(65), '', '-a', 'a/b', 'a\n', 'é', '__proto__', 'a\0'];

describe('a spec', () => {
  it('is completed within bounds and stays as it is when it is given again, or refused without its secrets', async () => {
    let taken = 0;
    await fuzz('spec', 6_000, (dice) => {
      const input = someInput(dice) as FunctionSpecInput;
      const before = JSON.stringify(input);
      const name = dice.once(6) ? dice.pick(NAMES) : 'f';
      let spec: FunctionSpec;
      try {
        spec = completeSpec(name, input);
      } catch (thrown) {
        expect(thrown, before).toBeInstanceOf(StrataError);
        const { code, message } = thrown as StrataError;
        expect(code, before).toBe('invalid_request');
        expect(message.length).toBeLessThan(1_000);
        expect(message, before).not.toContain(SECRET);
        expect(message, before).not.toMatch(/\p{Cc}/u);
        return;
      }
      taken += 1;
      expect(JSON.stringify(input)).toBe(before);
      expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/);
      expectWithinBounds(spec);
      expect(completeSpec(name, { ...spec, code: input.code })).toEqual(spec);
    });
    expect(taken).toBeGreaterThan(0);
  });
});

let served: Served;
beforeAll(async () => {
  served = await serve({ hasEveryFunction: false });
});
afterAll(() => served.close());

interface ProblemBody {
  readonly code: ErrorCode;
  readonly status: number;
  readonly detail: string;
}

describe('a deployment over HTTP', () => {
  it('stores what it answers, or is refused with a problem that is the caller’s', async () => {
    const honest = Buffer.from(JSON.stringify(HONEST));
    await fuzz('deploy-body', 800, async (dice) => {
      const input = Buffer.from(JSON.stringify(someInput(dice)) ?? '');
      const payload = dice.once(2) ? input : mutate(dice, input, [honest]);
      const name = dice.once(6) ? dice.pick(NAMES) : 'f';
      const url = `/v1/functions/${encodeURIComponent(name)}`;
      const type = dice.pick([
        'application/json',
        'text/plain',
        'x/y; charset=utf-16',
        'application/json; a="',
      ]);
      const response = await served.app.inject({
        ...{ method: 'PUT', url, payload },
        headers: { host: 'localhost', 'content-type': type },
      });
      const shown = `${type} ${payload.toString('latin1').slice(0, 500)}`;
      if (response.statusCode < 300) {
        const answered = response.json<FunctionSpec & { code: unknown }>();
        const { code: _code, ...spec } = answered;
        const read = await served.app.inject({ method: 'GET', url, headers: { host: 'localhost' } });
        expect(read.json(), shown).toEqual(answered);
        expect(spec.env, shown).toEqual(
          (JSON.parse(payload.toString('utf8')) as FunctionSpecInput).env ?? {},
        );
        return;
      }
      const problem = response.json<ProblemBody>();
      expect(ERROR_CATALOGUE[problem.code].status, shown).toBe(response.statusCode);
      expect(response.statusCode, `${shown} ${problem.detail}`).toBeLessThan(500);
      expect(problem.detail.length, shown).toBeLessThan(1_000);
    });
  });
});
