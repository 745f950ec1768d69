/**
 * Probing for a way out of the isolate, and for a way into other invocations.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FunctionSpecInput } from '../../src/core/spec.ts';
import { Arena } from './arena.ts';
import { PATCH_CASES, PROBE_CASES } from './probe-cases.ts';

const TENANT = 'mallory';
let arena: Arena;

beforeAll(async () => {
  arena = await Arena.open();
});

afterAll(() => arena.close());

const deploy = (name: string, source: string, spec: Partial<FunctionSpecInput> = {}) =>
  arena.executor.deploy({
    ...{ tenant: TENANT, name, runtime: 'isolate', code: { source }, memoryMb: 32, timeoutMs: 5_000 },
    ...spec,
  });

const invoke = (name: string, event: unknown = {}) =>
  arena.executor.invoke({ tenant: TENANT, function: name, event });

describe('looking for a way out', () => {
  it.each(PROBE_CASES)('$name finds nothing', async (hostile) => {
    await arena.run(hostile);
  });
});

describe('changing the language under the bootstrap', () => {
  it.each(PATCH_CASES)('$name changes no answer', async (hostile) => {
    const answer = await arena.run(hostile);
    const { logs } = arena.executor.invocation(answer.receipt.invocationId, { tenant: TENANT });
    expect(logs).toHaveLength(1);
  });
});

describe('one invocation after another', () => {
  it('shows another function of the tenant nothing, not even in the same host', async () => {
    await deploy(
      'leaves',
      'exports.handler = () => { globalThis.secret = 1; Object.prototype.secret = 2; Array.prototype.map = null; return 1; };',
    );
    await deploy(
      'looks',
      'exports.handler = () => [typeof globalThis.secret, typeof ({}).secret, typeof [].map];',
    );
    expect((await invoke('leaves')).result).toBe(1);
    expect((await invoke('looks')).result).toEqual(['undefined', 'undefined', 'function']);
  });

  it('runs nothing of what an invocation left behind once it is answered', async () => {
    await deploy(
      'leftovers',
      `let ran = 0;
exports.handler = async (event) => {
  if (event.leave) { setTimeout(() => { ran += 1; }, 1); setInterval(() => { ran += 1; }, 1); return 'left'; }
  await new Promise((resolve) => setTimeout(resolve, 30));
  return ran;
};`,
    );
    expect((await invoke('leftovers', { leave: true })).result).toBe('left');
    expect((await invoke('leftovers')).result).toBe(0);
  });

  it('takes no late answer of one invocation for that of the next', async () => {
    await deploy(
      'late',
      `let late = null;
exports.handler = (event, context, callback) => {
  if (event.first) { late = callback; callback(null, 'first'); return; }
  late(null, 'forged'); late(new Error('forged'));
  setTimeout(() => callback(null, 'second'), 5);
};`,
    );
    expect((await invoke('late', { first: true })).result).toBe('first');
    expect((await invoke('late')).result).toBe('second');
  });

  it('gives log lines to the invocation that wrote them, and late ones to nobody', async () => {
    await deploy(
      'late-log',
      `let say = null;
exports.handler = async (event) => {
  if (event.first) { new Promise((resolve) => { say = resolve; }).then(() => console.log('late line of the first')); console.log('first'); return 1; }
  console.log('second');
  say();
  await null;
  return 2;
};`,
    );
    const first = await invoke('late-log', { first: true });
    const second = await invoke('late-log');
    const lines = (id: string) =>
      arena.executor.invocation(id, { tenant: TENANT }).logs.map(({ message }) => message);
    expect(lines(first.receipt.invocationId)).toEqual(['first']);
    // The continuation runs inside the second invocation's entry; it must never appear in the first's log.
    expect(lines(second.receipt.invocationId)[0]).toBe('second');
  });

  it('uses no instance again that was stopped at a limit', async () => {
    await deploy(
      'stopped',
      'let calls = 0; exports.handler = (event) => { calls += 1; if (event.loop) { Promise.resolve().then(() => { calls += 100; }); for (;;); } return calls; };',
      { timeoutMs: 300, cpuMs: 10_000 },
    );
    expect((await invoke('stopped')).result).toBe(1);
    expect((await invoke('stopped', { loop: true })).receipt.error?.code).toBe('function_timeout');
    const after = await invoke('stopped');
    expect(after.result).toBe(1);
    expect(after.receipt.start).not.toBe('code');
  });
});
