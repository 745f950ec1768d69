/**
 * How an attack on memory ends.
 *
 * An isolate's engine may abort before it can say why; alone in its host, the function is to blame all the same. In a
 * container the kernel or the engine ends the process, and both are told as what they are.
 */
import type { Runtime } from '../../core/spec.ts';
import { type Attack, once } from '../case.ts';
import { type Bounds, inEach } from '../languages.ts';

/** Time is allowed in plenty. */
export const TIME = { timeoutMs: 20_000, cpuMs: 20_000 } as const;
export const EXHAUSTED = { code: ['memory_limit', 'sandbox_exited'] } as const;
export const OVER_LIMIT = { code: 'memory_limit', limit: 'memoryMb' } as const;
export const ABORTED: Bounds = { spec: TIME, calls: once(EXHAUSTED) };
export const STOPPED: Bounds = { spec: TIME, calls: once(OVER_LIMIT) };

type Programs = Parameters<typeof inEach>[0];

/** Programs that need more than there is. */
export const exhausts = ({
  js,
  isolate = js,
  node = js,
  py,
  sh,
}: Programs): Partial<Record<Runtime, Attack>> => ({
  ...(isolate === undefined ? {} : inEach({ isolate }, ABORTED)),
  ...inEach({ ...(node && { node }), ...(py && { py }), ...(sh && { sh }) }, STOPPED),
});
