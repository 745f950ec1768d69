import { describe, expect, it } from 'vitest';
import { assignBlame, type Candidate, type Death } from './blame.ts';

const DIED: Death = {
  ...{ cause: null, exitCode: null, signal: 'SIGSEGV', external: false, stderr: '' },
  ...{ catastrophe: null, processMemory: null },
};

const ran = (instance: number): Candidate => ({ parked: false, instance, memoryMb: 64 });
const waited = (instance: number): Candidate => ({ parked: true, instance, memoryMb: 64 });

const codes = (calls: readonly Candidate[], death: Partial<Death>) => {
  const { failures, suspects } = assignBlame(calls, { ...DIED, ...death });
  return {
    codes: calls.map((call) => failures.get(call)?.code),
    suspects: suspects.map(({ instance }) => instance),
  };
};

describe('blame', () => {
  it.each<[string, readonly Candidate[], Partial<Death>, readonly string[], readonly number[]]>([
    ['the only one that ran', [ran(1)], {}, ['sandbox_exited'], [1]],
    [
      'the only one that ran beside some that waited',
      [waited(1), ran(2), waited(3)],
      {},
      ['sandbox_lost', 'sandbox_exited', 'sandbox_lost'],
      [2],
    ],
    ['nobody when two ran', [ran(1), ran(2)], {}, ['sandbox_lost', 'sandbox_lost'], [1, 2]],
    ['nobody when all waited', [waited(1), waited(2)], {}, ['sandbox_lost', 'sandbox_lost'], []],
    ['nobody when nobody was there', [], {}, [], []],
    [
      'the one in the instance that ran out of memory',
      [ran(1), ran(2)],
      { cause: 'memory', catastrophe: 2 },
      ['sandbox_lost', 'memory_limit'],
      [2],
    ],
    [
      'nobody when two ran in the instance that ran out of memory',
      [ran(2), ran(2), ran(1)],
      { cause: 'memory', catastrophe: 2 },
      ['sandbox_lost', 'sandbox_lost', 'sandbox_lost'],
      [2, 2],
    ],
    [
      'the only one that ran, for memory, when the engine said so',
      [ran(1)],
      { stderr: 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory' },
      ['memory_limit'],
      [1],
    ],
    [
      'the only one that ran, when the watchdog killed',
      [ran(1), waited(2)],
      { cause: 'memory', processMemory: { limitMb: 100, observedMb: 120 } },
      ['memory_limit', 'sandbox_lost'],
      [1],
    ],
    [
      'nobody when two ran and the watchdog killed',
      [ran(1), ran(2)],
      { cause: 'memory', processMemory: { limitMb: 100, observedMb: 120 } },
      ['sandbox_lost', 'sandbox_lost'],
      [1, 2],
    ],
    [
      'the only one that ran, when the protocol was broken',
      [ran(1)],
      { cause: 'protocol' },
      ['protocol_error'],
      [1],
    ],
    [
      'nobody when two ran and the protocol was broken',
      [ran(1), ran(2)],
      { cause: 'protocol' },
      ['sandbox_lost', 'sandbox_lost'],
      [1, 2],
    ],
    ...(['idle', 'shutdown', 'unresponsive', 'stopped', 'start_failed', 'evicted'] as const).map(
      (cause): [string, readonly Candidate[], Partial<Death>, readonly string[], readonly number[]] => [
        `nobody when the server ended it (${cause})`,
        [ran(1)],
        { cause, signal: 'SIGKILL' },
        ['sandbox_lost'],
        [],
      ],
    ),
    [
      'the code that was loading, not also the call that waits behind it',
      [ran(1), { ...ran(1), parked: true }],
      {},
      ['sandbox_exited', 'sandbox_lost'],
      [1],
    ],
  ])('falls on %s', (_whom, calls, death, expected, suspects) => {
    expect(codes(calls, death)).toEqual({ codes: expected, suspects });
  });

  it('says how the sandbox ended and what was allowed', () => {
    const call = ran(1);
    const detail = (death: Partial<Death>) => assignBlame([call], { ...DIED, ...death }).failures.get(call);
    expect(detail({})?.detail).toContain('SIGSEGV');
    expect(detail({ signal: null, exitCode: 7 })?.detail).toContain('exit code 7');
    expect(detail({ cause: 'memory', processMemory: { limitMb: 100, observedMb: 120 } })?.limit).toEqual({
      ...{ kind: 'processMemoryMb', configured: 100, observed: 120 },
    });
    expect(detail({ cause: 'memory', catastrophe: 1 })?.limit).toEqual({
      ...{ kind: 'memoryMb', configured: 64, observed: null },
    });
    expect(detail({ cause: 'shutdown' })?.detail).toContain('shut down');
  });
});
