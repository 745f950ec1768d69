/**
 * Loads a function's code into an instance for those who will come: the part of an invocation before the handler.
 *
 * Owns nothing. Invariant: the lease always ends, and a failure of the function's is not told to anybody: the next
 * invocation loads the code itself, and has the failure as its result.
 */
import type { Lease } from '../pool/lease.ts';
import type { Placement } from '../pool/slot.ts';
import { type LoadContext, loadRequest } from './load-request.ts';
import { recordOf } from './placement.ts';

export const preload = async (context: LoadContext, placement: Placement, lease: Lease): Promise<void> => {
  let worked = false;
  let cpuNs = 0;
  try {
    const record = recordOf(placement);
    if (record === null) return;
    const files = await context.codeFiles(record);
    const load = await lease.instance.load(loadRequest(context, record, files));
    cpuNs = load.cpuNs;
    worked = load.failure === null && !lease.instance.ended;
    if (worked) lease.loaded(load.loadMs + load.initMs);
  } catch {
    // The code is gone, or the sandbox: whoever comes next hears of it.
  } finally {
    lease.releaseAhead(worked, cpuNs);
  }
};
