/**
 * A function as the pool and the admission see it, and back: what decides where it runs, without its code.
 *
 * Owns what is made of a record, once for each. Invariant: all placements of one version have the same key, whether its
 * `minInstances` are kept or not.
 */
import { type FunctionRecord, LATEST } from '../core/spec.ts';
import type { Placement } from '../pool/slot.ts';

/** Whose place inside the server an invocation takes. */
export type Seat = Pick<Placement, 'tenant' | 'group'>;

const PLACEMENTS = new WeakMap<FunctionRecord, Placement>();
const KEPT = new WeakMap<FunctionRecord, Placement>();
const SEATS = new WeakMap<FunctionRecord, Seat>();
const RECORDS = new WeakMap<Placement, FunctionRecord>();

/**
 * What the pool needs to know of a function; made once for each deployed state of it. A published version keeps
 * nothing ready by itself, and a function that is disabled neither.
 */
export const placementOf = (record: FunctionRecord): Placement => {
  let placement = PLACEMENTS.get(record);
  if (placement === undefined) {
    const keeps = record.version === LATEST && record.enabled;
    placement = made(record, keeps ? record.minInstances : 0);
    PLACEMENTS.set(record, placement);
  }
  return placement;
};

/** The same of a version that an alias points to: its `minInstances` are kept. */
export const keptPlacementOf = (record: FunctionRecord): Placement => {
  if (record.version === LATEST) return placementOf(record);
  let placement = KEPT.get(record);
  if (placement === undefined) {
    placement = made(record, record.minInstances);
    KEPT.set(record, placement);
  }
  return placement;
};

/** All versions of a function share what it reserves. */
export const seatOf = (record: FunctionRecord): Seat => {
  let seat = SEATS.get(record);
  if (seat === undefined) {
    seat = { tenant: record.tenant, group: record.id };
    SEATS.set(record, seat);
  }
  return seat;
};

/** The record that a placement was made of; null for one that was not made here. */
export const recordOf = (placement: Placement): FunctionRecord | null => RECORDS.get(placement) ?? null;

const made = (record: FunctionRecord, minInstances: number): Placement => {
  const placement: Placement = {
    key: `${record.id}/${record.version}/${record.revision}`,
    group: `${record.id}/${record.version}`,
    tenant: record.tenant,
    label: `${record.name}@${record.version}`,
    memoryMb: record.memoryMb,
    concurrency: record.processModel === 'ephemeral' ? 1 : record.concurrency,
    minInstances,
    maxInstances: record.maxInstances,
    reservedConcurrency: record.reservedConcurrency,
    idleTimeoutMs: record.idleTimeoutMs,
    ephemeral: record.processModel === 'ephemeral',
  };
  RECORDS.set(placement, record);
  return placement;
};
