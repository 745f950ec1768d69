/**
 * Why the process of a function ended without an answer, and what its calls are told.
 *
 * Owns that decision, as a pure function. The order: what the server asked for, what the kernel did, what the function
 * did. A process killed because the machine ran out of memory is not the function's fault.
 */
import type { HostFailure } from '../protocol/messages.ts';
import type { MemoryEvents } from './cgroup.ts';
import type { OpenCall } from './container-calls.ts';

export interface Ending {
  readonly exitCode: number | null;
  /** The number of the signal. */
  readonly signal: number | null;
  /** The agent's words, where it had to end the process itself. */
  readonly reason: string;
  /** The server had the process killed, on account of whichever call. */
  readonly ordered: boolean;
  readonly memoryMb: number;
  /** Null where the kernel's counts cannot be read. */
  readonly memoryBefore: MemoryEvents | null;
  readonly memoryAfter: MemoryEvents | null;
  /** What the process wrote last. */
  readonly lastWords: string;
}

export const endingOf = (
  call: Pick<OpenCall, 'kind' | 'terminated' | 'overNs' | 'budgetNs'>,
  ending: Ending,
): Pick<HostFailure, 'code' | 'detail' | 'limit'> => {
  if (call.overNs !== null && call.budgetNs !== null)
    return overBudget(call.kind, call.overNs, call.budgetNs);
  if (call.terminated) return { code: 'terminated', detail: 'It was stopped at its deadline.', limit: null };
  const memory = memoryEnding(ending.memoryBefore, ending.memoryAfter);
  if (memory === 'limit' || (memory === null && ranOutOfHeap(ending))) {
    const { memoryMb } = ending;
    return {
      code: 'memory_limit',
      detail: `The function needed more than the ${memoryMb} MB that memoryMb allows, and was stopped. Use less memory or raise memoryMb.`,
      limit: { kind: 'memoryMb', configured: memoryMb, observed: null },
    };
  }
  if (memory === 'machine')
    return lost('The machine ran out of memory and ended the function, which was within its limit. Retry.');
  // It shared the process with the call that had to be stopped.
  if (ending.ordered) return lost('The function was stopped on account of another invocation in it. Retry.');
  const how = howItEnded(ending);
  if (call.kind === 'load')
    return {
      code: 'init_error',
      detail: `The function's process ended (${how}) while its code was loaded.`,
      limit: null,
    };
  return {
    code: 'sandbox_exited',
    detail: `The function's process ended (${how}) before it answered. A handler must return instead of ending its process.`,
    limit: null,
  };
};

const NS_PER_MS = 1e6;

const lost = (detail: string): Pick<HostFailure, 'code' | 'detail' | 'limit'> => ({
  code: 'sandbox_lost',
  detail,
  limit: null,
});

const overBudget = (
  kind: OpenCall['kind'],
  usedNs: number,
  budgetNs: number,
): Pick<HostFailure, 'code' | 'detail' | 'limit'> => {
  const configured = budgetNs / NS_PER_MS;
  const observed = Math.round(usedNs / NS_PER_MS);
  if (kind === 'load')
    return {
      code: 'cpu_limit',
      detail: `Loading and initialising used ${observed} ms of CPU time; limits.initCpuMs allows ${configured}. Do less at start.`,
      limit: { kind: 'initCpuMs', configured, observed },
    };
  return {
    code: 'cpu_limit',
    detail: `The handler used ${observed} ms of CPU time; ${configured} ms are allowed, so it was stopped. Compute less or raise cpuMs.`,
    limit: { kind: 'cpuMs', configured, observed },
  };
};

/** Whether the kernel killed for memory since the code was loaded, and on whose account; null where it cannot be told. */
export const memoryEnding = (
  before: MemoryEvents | null,
  after: MemoryEvents | null,
): 'limit' | 'machine' | null => {
  if (before === null || after === null || after.killed <= before.killed) return null;
  return after.limitHits > before.limitHits || after.atLimit ? 'limit' : 'machine';
};

/** V8 aborts when its heap is full, which is below the kernel's limit, and says so. */
const ranOutOfHeap = ({ signal, lastWords }: Ending): boolean =>
  signal !== null && V8_ABORTS.has(signal) && OUT_OF_HEAP.test(lastWords);
/** SIGILL, SIGTRAP, SIGABRT and SIGSEGV. */
const V8_ABORTS: ReadonlySet<number> = new Set([4, 5, 6, 11]);
const OUT_OF_HEAP =
  /JavaScript heap out of memory|Reached heap limit|invalid (?:array|table) length Allocation failed/;

const howItEnded = ({ exitCode, signal, reason }: Ending): string => {
  const how = signal === null ? `exit code ${exitCode ?? 'unknown'}` : `signal ${signal}`;
  return reason === '' ? how : `${how}: ${reason}`;
};
