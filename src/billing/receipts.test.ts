import { describe, expect, it } from 'vitest';
import { failure } from '../core/errors.ts';
import { NO_NETWORK } from '../core/receipt.ts';
import { cuSecondsOf, type Finished, toReceipt } from './receipts.ts';
import { TARIFF_NAMES } from './tariffs.ts';
import { RECORD } from './testing.ts';

const FINISHED: Finished = {
  ...{
    invocationId: 'i1',
    function: RECORD,
    start: 'runtime',
    meter: 'isolate',
    phases: [0.02, 0, 0, 0.3, 0.1, 0.2],
  },
  ...{ initCpuNs: 200_000, handlerCpuNs: 500_000, maxMemoryBytes: 3_250_586, failure: null },
  ...{ startedAtMs: Date.UTC(2026, 0, 2), logs: [], logTruncated: false, network: NO_NETWORK },
};

describe('a receipt', () => {
  it('of a success says what was used and what it costs', () => {
    expect(toReceipt(FINISHED, 'cpu')).toEqual({
      ...{ invocationId: 'i1', tenant: 'acme', function: 'hello', version: '$LATEST', tier: 'isolate' },
      ...{ status: 'succeeded', start: 'runtime', processModel: 'resident' },
      phasesMs: { queue: 0.02, provision: 0, boot: 0, load: 0.3, init: 0.1, handler: 0.2 },
      usage: {
        meter: 'isolate',
        ...{ wallMs: 0.6, cpuMs: 0.7, initCpuMs: 0.2, memoryMb: 128, maxMemoryMb: 3.1, gbSeconds: 0.000075 },
      },
      cost: { tariff: 'cpu', formula: expect.stringContaining('× 1 CU'), cuSeconds: 0.0007 },
      network: { requests: 0, refused: 0, sentBytes: 0, receivedBytes: 0, refusals: [] },
      ...{ limit: null, error: null, startedAt: '2026-01-02T00:00:00.000Z', logTruncated: false },
    });
  });

  it('of a failure says which limit, and what was thrown', () => {
    const limit = { kind: 'cpuMs', configured: 100, observed: 101.5 } as const;
    const error = { type: 'TypeError', message: 'm', stack: 's' };
    const receipt = toReceipt(
      { ...FINISHED, failure: failure('cpu_limit', 'too much', { limit, error }) },
      'cpu',
    );
    expect(receipt).toMatchObject({
      ...{ status: 'failed', limit },
      error: { code: 'cpu_limit', detail: 'too much', type: 'TypeError', message: 'm', stack: 's' },
    });
    expect(toReceipt({ ...FINISHED, failure: failure('sandbox_lost', 'gone') }, 'cpu')).toMatchObject({
      ...{ status: 'failed', limit: null },
      error: { code: 'sandbox_lost', type: null, message: null, stack: null },
    });
  });

  it('charges init and handler, and a failed invocation for what it used', () => {
    expect(cuSecondsOf(FINISHED, 'cpu')).toBe(0.0007);
    expect(cuSecondsOf({ ...FINISHED, initCpuNs: 0, handlerCpuNs: 1 }, 'cpu')).toBe(0.000000001);
    const failed = toReceipt({ ...FINISHED, failure: failure('function_timeout', 'late') }, 'cpu');
    expect(failed.cost).toEqual(toReceipt(FINISHED, 'cpu').cost);
  });

  it('costs the same in the header, under every tariff', () => {
    for (const tariff of TARIFF_NAMES)
      expect(toReceipt(FINISHED, tariff).cost).toMatchObject({
        tariff,
        cuSeconds: cuSecondsOf(FINISHED, tariff),
      });
  });

  it('says nothing where nothing was measured, and shows no secret', () => {
    const receipt = toReceipt({ ...FINISHED, maxMemoryBytes: null }, 'cpu');
    expect(receipt.usage.maxMemoryMb).toBeNull();
    expect(JSON.stringify(receipt)).not.toContain('hidden');
  });
});
