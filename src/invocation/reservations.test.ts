import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { FunctionRecord } from '../core/spec.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import type { Registry } from '../registry/api.ts';
import { Admission } from '../scheduler/admission.ts';
import { both, reserveStored, reserving } from './reservations.ts';

const open = () =>
  new Admission({
    clock: new ManualClock(),
    settings: { maxInFlight: 10, maxInFlightPerTenant: 10, maxLength: 10, timeoutMs: 1_000 },
  });

const record = (id: string, reservedConcurrency: number) =>
  ({ id, tenant: 't', name: id, version: '$LATEST', reservedConcurrency }) as FunctionRecord;

it('what a deployment gives up is kept until it is stored, so that it can be had back', () => {
  const admission = open();
  const accept = reserving(admission);
  accept(record('f', 8))(true);
  const failed = accept(record('f', 2));
  expect(() => accept(record('g', 5))).toThrow(expect.objectContaining({ code: 'conflict' }));
  failed(false);
  expect(admission.view().reserved).toBe(8);
  accept(record('f', 2))(true);
  expect(admission.view().reserved).toBe(2);
});

it('what a deployment claims is given back when it is not stored', () => {
  const admission = open();
  const accept = reserving(admission);
  accept(record('f', 2))(true);
  accept(record('f', 9))(false);
  expect(admission.view().reserved).toBe(2);
  accept(record('g', 7))(false);
  expect(admission.known).toBe(2);
});

it('what one agreed to is given back when the other refuses', () => {
  const admission = open();
  const refuse = () => {
    throw new Error('no');
  };
  expect(() => both(reserving(admission), refuse)(record('f', 5))).toThrow('no');
  expect(admission.view().reserved).toBe(0);
  expect(admission.known).toBe(0);
});

it('what was deployed before and fits no more is served without a reservation', () => {
  const admission = open();
  const registry = { all: () => [record('f', 6), record('g', 6), record('h', 0), record('i', 3)] };
  reserveStored(admission, registry as unknown as Registry, pino({ level: 'silent' }));
  expect(admission.view().reserved).toBe(9);
});
