import { describe, expect, it } from 'vitest';
import { StrataError } from '../core/errors.ts';
import {
  ENV_MAX_BYTES,
  ENV_MAX_ENTRIES,
  LABELS_MAX_ENTRIES,
  MEMORY_BOUNDS,
  SPEC_BOUNDS,
} from '../core/limits.ts';
import { FUNCTION_AUTHS, type FunctionSpec } from '../core/spec.ts';
import { parseRange, type Range } from '../egress/addresses.ts';
import { completeSpec } from './spec.ts';

const complete = (extra: object = {}, name: unknown = 'hello'): FunctionSpec =>
  completeSpec(name as string, { runtime: 'isolate', code: { source: '' }, ...extra });

const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (!(error instanceof StrataError)) throw error;
    expect(error.code).toBe('invalid_request');
    expect(error.message.length).toBeLessThan(400);
    return error.message;
  }
  throw new Error('was not refused');
};

const entries = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`K${index}`, 'v']));

describe('completeSpec', () => {
  it.each([
    ['description', { description: 'a\ud800' }],
    ['handler', { handler: 'index\udc00.handler' }],
    ['env', { env: { A: '\ud800' } }],
    ['labels', { labels: { a: '\udfff' } }],
    ['labels', { labels: { '\ud800': 'a' } }],
  ])('refuses half a surrogate pair in %s', (field, extra) => {
    expect(refusal(() => complete(extra))).toMatch(new RegExp(`^${field}: is not valid Unicode`));
    expect(complete({ description: '\u{1f469}' }).description).toBe('\u{1f469}');
  });

  it('fills every default in', () => {
    expect(complete()).toEqual({
      runtime: 'isolate',
      handler: 'index.handler',
      memoryMb: 128,
      timeoutMs: 3_000,
      cpuMs: 1_000,
      processModel: 'resident',
      concurrency: 1,
      initializer: null,
      initTimeoutMs: 10_000,
      minInstances: 0,
      maxInstances: 50,
      reservedConcurrency: 0,
      idleTimeoutMs: 600_000,
      env: {},
      labels: {},
      annotations: {},
      enabled: true,
      description: '',
      network: { allow: [] },
      async: {
        ...{ maxRetries: 2, maxEventAgeMs: 21_600_000, delivery: 'at-least-once' },
        ...{ onSuccess: null, onFailure: null },
      },
      auth: 'key',
    });
  });

  it('takes the kinds of auth that there are, and no other', () => {
    for (const auth of FUNCTION_AUTHS) expect(complete({ auth }).auth).toBe(auth);
    for (const auth of ['None', 'jwt,key', '', null]) expect(() => complete({ auth })).toThrow(/auth/);
  });

  it('keeps what was given, frozen and apart from the input', () => {
    const env = { A: '1' };
    const spec = complete({
      env,
      initializer: 'lib/app.init',
      handler: 'src/a-b.c.main',
      labels: { team: 'ß' },
    });
    env.A = '2';
    expect(spec).toMatchObject({ env: { A: '1' }, initializer: 'lib/app.init', handler: 'src/a-b.c.main' });
    expect([spec, spec.env, spec.labels, spec.network, spec.network.allow].every(Object.isFrozen)).toBe(true);
  });

  it('takes null as no initializer', () => {
    expect(complete({ initializer: null }).initializer).toBeNull();
  });

  const isolateBounds = { ...SPEC_BOUNDS, memoryMb: MEMORY_BOUNDS.isolate };
  it.each(Object.entries(isolateBounds))(
    'takes %s at its bounds and refuses one past them',
    (field, bound) => {
      const others = ['minInstances', 'reservedConcurrency'].includes(field) ? { maxInstances: 1_000 } : {};
      for (const value of [bound.min, bound.max])
        expect(complete({ ...others, [field]: value })).toHaveProperty(field, value);
      for (const value of [bound.min - 1, bound.max + 1]) {
        const message = refusal(() => complete({ ...others, [field]: value }));
        expect(message).toContain(field);
        expect(message).toContain(String(value));
        expect(message).toContain(String(value < bound.min ? bound.min : bound.max));
      }
      for (const value of [1.5, '1', null, Number.NaN, Number.POSITIVE_INFINITY, [], {}, 10n])
        refusal(() => complete({ [field]: value }));
    },
  );

  it.each(Object.entries(MEMORY_BOUNDS))(
    'takes memoryMb with %s as that runtime can use it',
    (runtime, bound) => {
      for (const memoryMb of [bound.min, bound.max])
        expect(complete({ runtime, memoryMb })).toMatchObject({ memoryMb });
      for (const memoryMb of [bound.min - 1, bound.max + 1]) {
        const message = refusal(() => complete({ runtime, memoryMb }));
        expect(message).toMatch(/^memoryMb: /);
        expect(message).toContain(String(memoryMb));
      }
    },
  );

  it('takes any text as the handler of provided, and bootstrap unless one is given', () => {
    expect(complete({ runtime: 'provided' }).handler).toBe('bootstrap');
    expect(complete({ runtime: 'provided', handler: 'any text: ä' }).handler).toBe('any text: ä');
  });

  const names = [
    '',
    '..',
    'a/b',
    'a\0',
    'a\n',
    '-a',
    '_a',
    'ä',
    'a'.repeat(65),
    'a'.repeat(10_000),
    '__proto__',
    7,
    null,
  ];
  it.each(names)('refuses the name %j', (name) => {
    expect(refusal(() => complete({}, name))).toContain('name');
  });

  it('takes names of 1 and of 64 characters', () => {
    expect(() => [
      complete({}, 'a'),
      complete({}, 'A'.repeat(64)),
      complete({}, 'constructor'),
    ]).not.toThrow();
  });

  it.each([
    [{ memory: 1 }, 'memory: unknown field'],
    [{ network: { allow: [], deny: [] } }, 'network.deny: unknown field'],
    [{ runtime: 'ruby' }, 'runtime: must be one of isolate, nodejs24, python3, provided; seen "ruby"'],
    [{ runtime: undefined }, 'runtime'],
    [{ processModel: 'both' }, 'processModel: must be one of resident, ephemeral'],
    [{ handler: 'index' }, 'handler'],
    [{ handler: '../index.handler' }, 'handler'],
    [{ handler: 'index.handler\n' }, 'handler'],
    [{ handler: `${'a'.repeat(6_000_000)}.b` }, 'handler'],
    [{ handler: '' }, 'handler'],
    [{ initializer: 7 }, 'initializer'],
    [{ description: 'x'.repeat(1_025) }, 'description: '],
    [{ description: `e${'\u0301'.repeat(2_000)}` }, 'has 2001 characters'],
    [{ labels: { '': 'x' } }, 'labels'],
    [{ labels: { a: 'x'.repeat(129) } }, 'labels.a'],
    [{ labels: { ['k'.repeat(129)]: 'x' } }, 'labels'],
    [{ labels: { a: 1 } }, 'labels.a'],
    [{ labels: entries(LABELS_MAX_ENTRIES + 1) }, 'labels'],
    [{ env: entries(ENV_MAX_ENTRIES + 1) }, 'env'],
    [{ env: { '1A': 'x' } }, 'env'],
    [{ env: { 'A=B': 'x' } }, 'env'],
    [{ env: { A: 'x\0' } }, 'NUL'],
    [{ env: { A: 'x'.repeat(ENV_MAX_BYTES) } }, `have ${ENV_MAX_BYTES + 1} bytes`],
    [{ env: [] }, 'env'],
    [{ minInstances: 6, maxInstances: 5 }, 'minInstances: 6 is more than maxInstances, 5'],
    [
      { reservedConcurrency: 11, maxInstances: 5, concurrency: 2 },
      'reservedConcurrency: 11 is more than the 10 invocations',
    ],
    [{ processModel: 'ephemeral', concurrency: 2 }, 'concurrency: 2 contradicts'],
    [{ runtime: 'provided', concurrency: 2 }, 'concurrency: 2 is not offered with the runtime provided'],
    [{ runtime: 'provided', initializer: 'index.init' }, 'initializer: "index.init" cannot be called'],
    [{ runtime: 'provided', handler: 'a\0' }, 'handler: holds a NUL'],
    [{ runtime: 'python3', handler: 'index' }, 'handler: must be the path'],
    [{ network: { allow: ['127.0.0.1:80'] } }, 'the operator may list them in egress.privateRanges'],
    [{ network: { allow: ['example.com'] } }, 'has no port'],
    [{ code: undefined }, 'code: is missing'],
    [{ code: {} }, 'code: must have exactly one of source, files and zip; seen none'],
    [{ code: { source: '', zip: '' } }, 'exactly one'],
    [{ code: { text: '' } }, 'exactly one'],
    [{ code: 'x' }, 'code: must be an object'],
    [{ code: { source: 1 } }, 'code.source: must be a string; seen number'],
    [{ code: { files: [] } }, 'code.files: must be an object'],
    [{ code: { files: {} } }, 'has 0 files'],
    [{ code: { files: { a: null } } }, 'code.files: "a" must be a string; seen null'],
  ])('refuses %# with a message that names the field', (extra, part) => {
    expect(refusal(() => complete(extra))).toContain(part);
  });

  it('refuses a hundred thousand files without looking at each', () => {
    const files = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`f${index}.js`, '']));
    expect(refusal(() => complete({ code: { files } }))).toContain('has 100000 files');
  });

  it.each(['__proto__', 'constructor', 'prototype'])('refuses %s as a key of a map', (key) => {
    const map: unknown = JSON.parse(`{"${key}":"x"}`);
    expect(refusal(() => complete({ env: map }))).toContain('env: the key');
    expect(refusal(() => complete({ labels: map }))).toContain('labels: the key');
    expect(refusal(() => complete({ code: { files: map } }))).toContain('code.files: the key');
    expect(
      refusal(() =>
        completeSpec('a', JSON.parse('{"runtime":"isolate","code":{"source":""},"__proto__":1}')),
      ),
    ).toContain('__proto__: unknown field');
  });

  it('never shows the value of an environment variable or the text of code', () => {
    const secret = 'hunter2';
    for (const extra of [
      { env: { A: [secret] } },
      { env: { A: `${secret}\0` } },
      { code: { source: [secret] } },
    ])
      expect(refusal(() => complete(extra))).not.toContain(secret);
  });

  it.each([null, undefined, 7, 'x', []])('refuses %j as a spec', (spec) => {
    refusal(() => completeSpec('hello', spec as never));
  });

  it('keeps what the network lists in one form, each entry once', () => {
    const { network } = complete({ network: { allow: ['A.com.:443', 'a.com:443', '*.B.com:*'] } });
    expect(network.allow).toEqual(['a.com:443', '*.b.com:*']);
  });

  it('takes addresses that are not public, and lists at all, as the operator says', () => {
    const input = { runtime: 'isolate', code: { source: '' }, network: { allow: ['10.1.2.3:80'] } } as const;
    const privateRanges = [parseRange('10.0.0.0/8') as Range];
    expect(completeSpec('f', input, { offered: true, privateRanges }).network.allow).toEqual(['10.1.2.3:80']);
    expect(refusal(() => completeSpec('f', input, { offered: false, privateRanges }))).toContain(
      'egress.mode is off',
    );
  });
});
