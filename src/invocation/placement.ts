/**
 * A function as the pool sees it, and back: what decides where it runs, without its code.
 */
import type { FunctionRecord } from '../core/spec.ts';
import type { Placement } from '../pool/slot.ts';

const PLACEMENTS = new WeakMap<FunctionRecord, Placement>();
const RECORDS = new WeakMap<Placement, FunctionRecord>();

/** What the pool needs to know of a function; made once for each deployed state of it. */
export const placementOf = (record: FunctionRecord): Placement => {
  let placement = PLACEMENTS.get(record);
  if (placement === undefined) {
    placement = {
      key: `${record.id}/${record.version}/${record.revision}`,
      group: `${record.id}/${record.version}`,
      tenant: record.tenant,
      label: `${record.name}@${record.version}`,
      memoryMb: record.memoryMb,
      concurrency: record.processModel === 'ephemeral' ? 1 : record.concurrency,
      minInstances: record.minInstances,
      maxInstances: record.maxInstances,
      reservedConcurrency: record.reservedConcurrency,
      idleTimeoutMs: record.idleTimeoutMs,
      ephemeral: record.processModel === 'ephemeral',
    };
    PLACEMENTS.set(record, placement);
    RECORDS.set(placement, record);
  }
  return placement;
};

/** The record that a placement was made of; null for one that was not made here. */
export const recordOf = (placement: Placement): FunctionRecord | null => RECORDS.get(placement) ?? null;
