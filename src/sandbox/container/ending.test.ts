import { describe, expect, it } from 'vitest';
import { type Ending, endingOf } from './ending.ts';

const call = { kind: 'invoke' as const, terminated: false, overNs: null, budgetNs: 5e8 };
const before = { killed: 1, limitHits: 3, atLimit: false };
const ending = (told: Partial<Ending>): Ending => ({
  ...{ exitCode: null, signal: null, reason: '', memoryMb: 128, memoryBefore: before, memoryAfter: before },
  lastWords: '',
  ordered: false,
  ...told,
});

describe('why the process of a function ended', () => {
  it('blames the function for leaving without an answer, even with exit code 0', () => {
    const told = endingOf(call, ending({ exitCode: 0 }));
    expect(told.code).toBe('sandbox_exited');
    expect(told.detail).toContain('exit code 0');
  });

  it('calls it an initialisation error while the code is loaded', () => {
    expect(endingOf({ ...call, kind: 'load' }, ending({ exitCode: 3 })).code).toBe('init_error');
  });

  it('calls it the memory limit when the kernel killed and the limit was reached', () => {
    const told = endingOf(
      call,
      ending({ signal: 9, memoryAfter: { killed: 2, limitHits: 9, atLimit: false } }),
    );
    expect(told.code).toBe('memory_limit');
    expect(told.limit).toEqual({ kind: 'memoryMb', configured: 128, observed: null });
  });

  it('calls it the memory limit when the kernel counts no hits, and the peak is the limit', () => {
    const told = endingOf(
      call,
      ending({ signal: 9, memoryAfter: { killed: 2, limitHits: 3, atLimit: true } }),
    );
    expect(told.code).toBe('memory_limit');
    const alive = { killed: 1, limitHits: 3, atLimit: true };
    expect(endingOf(call, ending({ signal: 9, memoryAfter: alive })).code).toBe('sandbox_exited');
  });

  it('blames nobody when the machine ran out of memory and the function was within its limit', () => {
    expect(
      endingOf(call, ending({ signal: 9, memoryAfter: { killed: 2, limitHits: 3, atLimit: false } })).code,
    ).toBe('sandbox_lost');
  });

  it('calls it the memory limit when the engine inside gave up for want of heap', () => {
    const lastWords = 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory';
    expect(endingOf(call, ending({ signal: 6, lastWords })).code).toBe('memory_limit');
    expect(endingOf(call, ending({ signal: 6 })).code).toBe('sandbox_exited');
  });

  it('knows its own order from a death by memory', () => {
    const terminated = { ...call, terminated: true };
    expect(
      endingOf(terminated, ending({ signal: 9, memoryAfter: { killed: 2, limitHits: 9, atLimit: false } }))
        .code,
    ).toBe('terminated');
  });

  it('blames no call that shared the process with the one that had to be stopped', () => {
    expect(endingOf(call, ending({ signal: 9, ordered: true })).code).toBe('sandbox_lost');
  });

  it('states the CPU budget and what was used', () => {
    const told = endingOf({ ...call, overNs: 512_400_000 }, ending({ signal: 9 }));
    expect(told.code).toBe('cpu_limit');
    expect(told.limit).toEqual({ kind: 'cpuMs', configured: 500, observed: 512 });
  });
});
