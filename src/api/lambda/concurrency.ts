/**
 * The operations of reserved concurrency.
 *
 * What is reserved is also the most that runs at once. Owns both figures of the function's spec, and 0, which keeps
 * the function from running at all.
 */
import { SPEC_BOUNDS } from '../../core/limits.ts';
import { type LambdaCall, type LambdaParts, NO_CONTENT, type Operation, ok } from './call.ts';
import { Fields, required } from './fields.ts';
import { changedOf, deploy } from './functions.ts';
import { inputOf } from './specification.ts';

export const putConcurrency: Operation = (call, parts) => {
  const { max } = SPEC_BOUNDS.reservedConcurrency;
  const given = new Fields(call.body).whole('ReservedConcurrentExecutions', 0, max);
  const reserved = required(given, 'reservedConcurrentExecutions');
  return change(call, parts, async (record) => {
    const places = Math.max(1, Math.ceil(reserved / record.concurrency));
    const enabled = reserved > 0;
    const spec = { ...inputOf(record), enabled, reservedConcurrency: reserved, maxInstances: places };
    const minInstances = Math.min(record.minInstances, places);
    await deploy(parts, record.tenant, record.name, { ...spec, minInstances }, record.revision);
    const value = { ReservedConcurrentExecutions: reserved };
    parts.settings.put(record, 'concurrency', '', value);
    return ok(value);
  });
};

export const getConcurrency: Operation = (call, parts) => {
  const { tenant, name } = changedOf(call, parts);
  const record = parts.executor.get(name, { tenant });
  return ok((parts.settings.get(record.id, 'concurrency') as object | undefined) ?? {});
};

export const deleteConcurrency: Operation = (call, parts) =>
  change(call, parts, async (record) => {
    if (!parts.settings.remove(record.id, 'concurrency')) return NO_CONTENT;
    const { reservedConcurrency, maxInstances } = SPEC_BOUNDS;
    const spec = {
      ...inputOf(record),
      enabled: true,
      reservedConcurrency: reservedConcurrency.default,
      maxInstances: Math.max(maxInstances.default, record.minInstances),
    };
    await deploy(parts, record.tenant, record.name, spec, record.revision);
    return NO_CONTENT;
  });

const change = (
  call: LambdaCall,
  parts: LambdaParts,
  make: (record: ReturnType<LambdaParts['executor']['get']>) => ReturnType<Operation>,
): ReturnType<Operation> => {
  const { tenant, name } = changedOf(call, parts);
  return parts.inTurn(tenant, name, async () => make(parts.executor.get(name, { tenant })));
};
