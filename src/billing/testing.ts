/** Measurements for tests of the ledger. */
import { failure } from '../core/errors.ts';
import { NO_NETWORK } from '../core/receipt.ts';
import type { FunctionRecord } from '../core/spec.ts';
import type { Finished } from './receipts.ts';

export const RECORD: FunctionRecord = {
  ...{ id: 'f1', tenant: 'acme', name: 'hello', version: '$LATEST', revision: 'r1', runtime: 'isolate' },
  ...{ handler: 'index.handler', memoryMb: 128, timeoutMs: 3_000, cpuMs: 1_000, processModel: 'resident' },
  ...{ concurrency: 1, initializer: null, initTimeoutMs: 10_000, minInstances: 0, maxInstances: 50 },
  reservedConcurrency: 0,
  ...{
    idleTimeoutMs: 600_000,
    env: { SECRET: 'hidden' },
    labels: {},
    annotations: {},
    description: '',
    network: { allow: [] },
    enabled: true,
    auth: 'key',
    async: {
      ...{ maxRetries: 2, maxEventAgeMs: 21_600_000, delivery: 'at-least-once' },
      ...{ onSuccess: null, onFailure: null },
    },
  },
  ...{ codeDigest: '00', codeBytes: 10, createdAt: '', updatedAt: '' },
};

export const DAY_MS = 86_400_000;
export const START_MS = Date.UTC(2026, 0, 10);

interface Extra extends Partial<Omit<Finished, 'function'>> {
  readonly function?: Partial<FunctionRecord>;
}

export const finished = (invocationId: string, { function: record, ...extra }: Extra = {}): Finished => ({
  ...{ invocationId, start: 'code', meter: 'isolate', phases: [0.01, 0, 0, 0, 0, 0.25] },
  function: { ...RECORD, ...record },
  ...{ initCpuNs: 0, handlerCpuNs: 100_000, maxMemoryBytes: 3_000_000, failure: null },
  ...{ startedAtMs: START_MS, logs: [], logTruncated: false, network: NO_NETWORK },
  ...extra,
});

export const FAILED = failure('function_error', 'The handler threw.', {
  error: { type: 'TypeError', message: '=cmd|"\0\ud800😀', stack: 'at 1' },
});
