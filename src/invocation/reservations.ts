/**
 * Keeps the concurrency that functions reserve in step with what is deployed.
 *
 * It is the function's, whichever of its versions run. Owns when a reservation begins and ends; how much may be reserved is the admission's. Invariant: a function is stored
 * only with a reservation that it has, and gives up only what it is no longer stored with.
 */
import type { Logger } from 'pino';
import { StrataError } from '../core/errors.ts';
import type { FunctionRecord } from '../core/spec.ts';
import type { Accept, Registry } from '../registry/api.ts';
import type { Admission } from '../scheduler/admission.ts';
import { seatOf } from './placement.ts';

/**
 * Claims what a function is to reserve before it is stored. What it gives up it gives up once it has been stored, so
 * that neither outcome can fail: somebody else might have reserved it meanwhile.
 */
export const reserving =
  (admission: Admission): Accept =>
  (record) => {
    const { group, tenant } = seatOf(record);
    const { reservedConcurrency } = record;
    const former = admission.reserved(group);
    admission.reserve(group, tenant, Math.max(former, reservedConcurrency));
    return (stored) => admission.reserve(group, tenant, stored ? reservedConcurrency : former);
  };

/** Asks one after the other; whoever agreed before the other refused has it back. */
export const both =
  (first: Accept, second: Accept): Accept =>
  (record) => {
    const settleFirst = first(record);
    try {
      const settleSecond = second(record);
      return (stored) => {
        settleFirst(stored);
        settleSecond(stored);
      };
    } catch (refusal) {
      settleFirst(false);
      throw refusal;
    }
  };

/** For a function that was deleted. */
export const unreserve = (admission: Admission, record: FunctionRecord): void =>
  admission.reserve(seatOf(record).group, record.tenant, 0);

/** What was deployed before; where limits were lowered, what does not fit any more is served without a reservation. */
export const reserveStored = (admission: Admission, registry: Registry, logger: Logger): void => {
  for (const record of registry.all()) {
    const { tenant, name, reservedConcurrency } = record;
    if (reservedConcurrency === 0) continue;
    try {
      admission.reserve(seatOf(record).group, tenant, reservedConcurrency);
    } catch (thrown) {
      if (!(thrown instanceof StrataError)) throw thrown;
      logger.warn(
        { tenant, function: name, reason: thrown.message },
        'the function has no reserved concurrency',
      );
    }
  }
};
