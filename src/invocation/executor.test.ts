import { getEventListeners } from 'node:events';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { openAccountsFixture } from '../accounts/fixture.ts';
import { Ledger } from '../billing/ledger.ts';
import { LedgerStore } from '../billing/ledger-store.ts';
import { NO_USAGE } from '../billing/no-usage.ts';
import { toReceipt } from '../billing/receipts.ts';
import { LedgerUsage } from '../billing/usage.ts';
import { StrataError } from '../core/errors.ts';
import type { FunctionSpecInput, Runtime } from '../core/spec.ts';
import { Budget } from '../pool/budget.ts';
import { DEFAULT_COSTS } from '../pool/costs.ts';
import { patient } from '../pool/fixture.ts';
import { LayeredPool } from '../pool/layered-pool.ts';
import { IN_MEMORY } from '../ports/database.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { seededRandom } from '../ports/random.ts';
import { openQueue } from '../queue/queue.ts';
import { SETTINGS } from '../queue/testing.ts';
import { openRegistry } from '../registry/registry.ts';
import type { Backend } from '../sandbox/backend.ts';
import { fakeBackend } from '../sandbox/fake/backend.ts';
import { guardTier } from '../sandbox/guard.ts';
import { Admission, type AdmissionSettings } from '../scheduler/admission.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { Turnstile } from '../scheduler/turnstile.ts';
import { StatsCollector } from '../stats/collector.ts';
import type { InvokeAnswer } from './api.ts';
import { LocalExecutor } from './executor.ts';
import { Lanes } from './lanes.ts';
import { Metrics } from './metrics.ts';
import { Provisions } from './provisions.ts';
import { Records } from './records.ts';

/** The fake tier, whose functions all give the event back, or these bytes. */
const backendOf = (clock: ManualClock, resultJson: string | null): Backend => {
  const backend = fakeBackend({ clock, capacity: 4, provisionMs: 1, bootMs: 1, loadMs: 1, handlerMs: 1 });
  return {
    ...backend,
    async provision(events, abandoned) {
      const settled = events.settled.bind(events);
      if (resultJson !== null) {
        const payload = Buffer.from(resultJson);
        events.settled = (instance, nonce, outcome) => settled(instance, nonce, { ...outcome, payload });
      }
      const carrier = await backend.provision(events, abandoned);
      const load = carrier.load.bind(carrier);
      carrier.load = (instance, nonce, request) => load(instance, nonce, { ...request, codeDigest: 'echo' });
      return carrier;
    },
  };
};

const open = async (
  resultJson: string | null = null,
  maxLengthPerFunction = 10,
  runtime: Runtime = 'isolate',
  admission: Partial<AdmissionSettings> = {},
  durability: 'none' | 'batched' | 'before-answer' = 'none',
) => {
  const clock = new ManualClock();
  const store = new LedgerStore(IN_MEMORY);
  const ledger = durability === 'none' ? null : ledgerOf(clock, store, durability);
  const random = seededRandom(3);
  const registry = await openRegistry({
    ...{ dataDir: ':memory:', clock, random },
    limits: { codeMaxBytes: 1_000, containerCodeMaxBytes: 10_000 },
  });
  const scheduler = new Scheduler(clock, { maxLength: 10, maxLengthPerFunction, timeoutMs: 1_000 });
  const tier = guardTier(backendOf(clock, resultJson), {
    ...{ clock, random, startTimeoutMs: 1_000, killGraceMs: 50, watchdog: null },
  });
  const budget = new Budget({ clock, memoryMb: 1e9, reservePercent: 0 });
  const pool = new LayeredPool({
    ...{ clock, tier, capacity: 4, sweepIntervalMs: 1_000 },
    ...{ runtime, resizable: false, refillPerSecond: null },
    ...{
      budget,
      policy: patient,
      defaultCosts: DEFAULT_COSTS.isolate,
    },
    prepare: () => {},
    settings: {
      ...{
        pristine: 1,
        warmPristine: 1,
        runtimesPerPristine: 1,
        spareRuntimes: 1,
        maxSandboxes: 2,
        startParallelism: 1,
      },
      ...{
        bootParallelism: 1,
        runtimeIdleMs: 60_000,
        sandboxIdleMs: 60_000,
        runtimeMemoryMb: 128,
        maxPristine: 100,
        reservePercent: 0,
      },
    },
    events: {
      ready: scheduler.ready,
      room: scheduler.retry,
      sandboxEnded: () => scheduler.retry(),
      fault: () => {},
      repaired: () => {},
    },
  });
  scheduler.attach(pool);
  await clock.advance(100);
  const queue = await openQueue(':memory:', {
    ...{ clock, random, settings: SETTINGS, ledger: { add: async () => {} }, isRoom: () => true },
    onFault: () => {},
    run: (attempt) => executor.attempt(attempt),
    receiptOf: (finished) => toReceipt(finished, 'cpu'),
    newId: () => random.uuid(),
    send: async () => 200,
    resolve: (...name) => registry.resolve(...name),
  });
  const executor: LocalExecutor = new LocalExecutor({
    queue,
    ...{ clock, random, logger: pino({ level: 'silent' }), registry },
    accounts: openAccountsFixture({ clock }),
    lanes: new Lanes({
      lanes: [{ runtime, confinement: tier.confinement, pool, scheduler }],
      unavailable: new Map([['python3', 'no Docker engine answers']]),
      budget,
      release: async () => {},
    }),
    records: new Records({ maxInvocations: 10, maxLogLines: 10 }),
    stats: new StatsCollector(clock, { windowMinutes: 60, maxFunctions: 10 }),
    ...{ ledger, operator: null, tariff: 'cpu' },
    usage: ledger === null ? NO_USAGE : usageOf(clock, store, ledger),
    metrics: new Metrics({
      ...{ census: () => [], queued: () => 0, evictions: () => 0 },
      ...{ unadmitted: () => executor.unadmitted, inFlight: () => executor.inFlight },
      spent: () => budget.spent(),
      queue: () => queue.stats(),
    }),
    admission: new Admission({
      clock,
      settings: {
        maxInFlight: 100,
        maxInFlightPerTenant: 100,
        maxLength: 10,
        timeoutMs: 1_000,
        ...admission,
      },
    }),
    turnstile: new Turnstile(clock, { maxLengthPerFunction: 10, timeoutMs: 1_000 }),
    provisions: new Provisions({ budgetMb: 4_096, percentPerTenant: 25 }),
    limits: { initCpuMs: 5_000, eventMaxBytes: 1_000, resultMaxBytes: 1_000, logMaxBytes: 1_000 },
    openNetwork: () => null,
    drainTimeoutMs: 1_000,
  });
  return { clock, executor, ledger, store };
};

const ledgerOf = (clock: ManualClock, store: LedgerStore, durability: 'batched' | 'before-answer'): Ledger =>
  new Ledger({
    ...{ clock, store, onFault: () => {} },
    settings: {
      ...{ durability, flushIntervalMs: 60_000, batchRows: 1_000, maxPending: 12 },
      ...{ maxReceipts: 1_000, maxReceiptDays: 90, maxSumDays: 400 },
    },
  });

const usageOf = (clock: ManualClock, store: LedgerStore, ledger: Ledger): LedgerUsage =>
  new LedgerUsage({ clock, store, ledger, tariff: 'cpu', prices: null, settleOperator: () => {} });

const SPEC = {
  name: 'f',
  runtime: 'isolate',
  code: { source: 'exports.handler = (event) => event' },
} as const;

const settled = async <Result>(clock: ManualClock, work: Promise<Result>): Promise<Result> => {
  work.catch(() => {});
  await clock.advance(1_000);
  return work;
};

describe('the executor', () => {
  it('gives the result of a function as a value', async () => {
    const { clock, executor } = await open();
    await executor.deploy(SPEC);
    const answer = await settled(clock, executor.invoke({ function: 'f', event: { a: [1] } }));
    expect(answer).toMatchObject({ status: 'succeeded', result: { a: [1] } });
  });

  it.each(['', '{"a":', 'undefined', '\u0000'])(
    'makes a result of %j, which only a host that was taken over can send, a protocol_error',
    async (resultJson) => {
      const { clock, executor } = await open(resultJson);
      await executor.deploy(SPEC);
      expect(await settled(clock, executor.invoke({ function: 'f' }))).toMatchObject({
        status: 'failed',
        failure: { code: 'protocol_error' },
        receipt: { status: 'failed', error: { code: 'protocol_error' } },
      });
    },
  );
});

describe('an executor with a ledger', () => {
  const answered = async (durability: 'batched' | 'before-answer', durable = false): Promise<boolean> => {
    const { clock, executor, store } = await open(null, 10, 'isolate', {}, durability);
    await executor.deploy(SPEC);
    let wasStored = false;
    const request = { function: 'f', invocationId: 'i', attempt: 3, eventJson: Buffer.from('{}'), durable };
    const answer = executor.invokeJson(request).then(() => {
      wasStored = store.receipt('i')?.attempt === 3;
    });
    await settled(clock, answer);
    return wasStored;
  };

  it('answers before or behind the disk, as the configuration or the caller says', async () => {
    expect(await answered('batched')).toBe(false);
    expect(await answered('before-answer')).toBe(true);
    expect(await answered('batched', true)).toBe(true);
  });

  it('leaves what waits for the receipt of an asynchronous attempt to the queue, under the number of the attempt', async () => {
    const { clock, executor, ledger, store } = await open(null, 10, 'isolate', {}, 'before-answer');
    await executor.deploy(SPEC);
    const { write } = store;
    store.write = () => {
      throw new StrataError('storage_full', 'The disk is full.');
    };
    const attempt = { invocationId: 'i', attempt: 3, tenant: 'default', function: 'f', qualifier: undefined };
    const ran = executor.attempt({ ...attempt, eventJson: Buffer.from('{}'), onWait: () => {} });
    // What has run is no refusal, or it would run again as if it had not.
    expect((await settled(clock, ran)).finished.failure).toBeNull();
    const flushed = ledger?.flush();
    flushed?.catch(() => {});
    await clock.advance(10);
    await expect(flushed).rejects.toMatchObject({ code: 'storage_full' });
    store.write = write;
    await clock.advance(120_000);
    expect(store.receipt('i')?.attempt).toBe(3);
  });

  it('runs nothing that it could not bill, and says so', async () => {
    const { clock, executor, store } = await open(null, 10, 'isolate', {}, 'batched');
    store.write = () => {
      throw new StrataError('storage_full', 'The disk is full.');
    };
    await executor.deploy(SPEC);
    for (let at = 0; at < 12; at += 1) await settled(clock, executor.invoke({ function: 'f' }));
    await expect(executor.invoke({ function: 'f' })).rejects.toMatchObject({ code: 'ledger_unavailable' });
  });

  it('finds a receipt in the ledger that memory has forgotten', async () => {
    const { clock, executor } = await open(null, 10, 'isolate', {}, 'batched');
    await executor.deploy(SPEC);
    const { receipt } = await settled(clock, executor.invoke({ function: 'f' }));
    for (let at = 0; at < 10; at += 1) await settled(clock, executor.invoke({ function: 'f' }));
    expect(executor.invocation(receipt.invocationId)).toEqual({ receipt, logs: [] });
    expect(() => executor.invocation(receipt.invocationId, { tenant: 'other' })).toThrow(
      /No finished invocation/,
    );
  });
});

describe('a container’s result', () => {
  it.each(['', '{"a":', 'undefined', '\u0000', '\ufeff{}'])(
    'of %j is result_invalid, so that nobody is handed what is not JSON',
    async (resultJson) => {
      const { clock, executor } = await open(resultJson, 10, 'nodejs24');
      await executor.deploy({ ...SPEC, runtime: 'nodejs24' });
      const request = { function: 'f', eventJson: Buffer.from('{}') };
      expect(await settled(clock, executor.invokeJson(request))).toMatchObject({
        resultJson: null,
        failure: { code: 'result_invalid' },
      });
      expect(executor.logs('f')).toEqual([]);
    },
  );

  it('of JSON is given out byte for byte', async () => {
    const { clock, executor } = await open(' {"a": 1}\n', 10, 'provided');
    await executor.deploy({ ...SPEC, runtime: 'provided' });
    const { resultJson } = await settled(
      clock,
      executor.invokeJson({ function: 'f', eventJson: Buffer.from('{}') }),
    );
    expect(Buffer.from(resultJson ?? []).toString()).toBe(' {"a": 1}\n');
  });
});

describe('a runtime that is not served', () => {
  it('is refused with the reason, when deployed and when invoked', async () => {
    const { executor } = await open();
    const python = { ...SPEC, runtime: 'python3', handler: 'index.run' } as const;
    await expect(executor.deploy(python)).rejects.toMatchObject({
      code: 'runtime_unavailable',
      message: 'The runtime python3 is not served here: no Docker engine answers.',
    });
    await expect(executor.deploy({ ...SPEC, runtime: 'provided' })).rejects.toMatchObject({
      message: expect.stringContaining('it was not set up'),
    });
    expect(executor.runtimes()).toEqual([
      { runtime: 'isolate', tier: 'isolate', available: true, reason: null },
      { runtime: 'nodejs24', tier: 'container', available: false, reason: 'it was not set up' },
      { runtime: 'python3', tier: 'container', available: false, reason: 'no Docker engine answers' },
      { runtime: 'provided', tier: 'container', available: false, reason: 'it was not set up' },
    ]);
  });

  it('that does not exist is a bad request', async () => {
    const { executor } = await open();
    const ruby = { ...SPEC, runtime: 'ruby' as never };
    await expect(executor.deploy(ruby)).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

describe('a queue of no length', () => {
  it.each([
    [1, 'concurrency_limit', 'maxInstances'],
    [50, 'overloaded', 'queueLength'],
  ])(
    'runs what is ready, and refuses the rest with maxInstances %i as %s',
    async (maxInstances, code, kind) => {
      const { clock, executor } = await open(null, 0);
      await executor.deploy({ ...SPEC, maxInstances });
      const runs = executor.invoke({ function: 'f' });
      await expect(executor.invoke({ function: 'f' })).rejects.toMatchObject({ code, limit: { kind } });
      expect(await settled(clock, runs)).toMatchObject({ status: 'succeeded' });
    },
  );
});

describe('a caller that does not wait for ever', () => {
  const waiting = async () => {
    const opened = await open();
    await opened.executor.deploy({ ...SPEC, maxInstances: 1 });
    const first = opened.executor.invoke({ function: 'f' });
    return { ...opened, first };
  };

  it('is refused with queue_timeout after maxWaitMs, and holds nothing', async () => {
    const { clock, executor, first } = await waiting();
    const refused = executor.invoke({ function: 'f', maxWaitMs: 1 });
    const served = executor.invoke({ function: 'f', maxWaitMs: 900_000 });
    refused.catch(() => {});
    await clock.advance(1);
    await expect(refused).rejects.toMatchObject({
      ...{ code: 'queue_timeout', status: 429 },
      limit: { kind: 'maxWaitMs', configured: 1 },
    });
    expect(await settled(clock, first)).toMatchObject({ status: 'succeeded' });
    expect(await settled(clock, served)).toMatchObject({ status: 'succeeded' });
    expect(executor.inFlight).toBe(0);
    expect(executor.pools().tiers.isolate?.slots.busy).toBe(0);
  });

  it('with a maxWaitMs of 0 takes what is ready and nothing else', async () => {
    const { clock, executor, first } = await waiting();
    const refused = executor.invoke({ function: 'f', maxWaitMs: 0 });
    await expect(settled(clock, refused)).rejects.toMatchObject({ code: 'queue_timeout' });
    await settled(clock, first);
    expect(await settled(clock, executor.invoke({ function: 'f', maxWaitMs: 0 }))).toMatchObject({
      status: 'succeeded',
    });
  });

  it.each([-1, 900_001, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null])(
    'may not ask for a maxWaitMs of %j',
    async (maxWaitMs) => {
      const { executor } = await open();
      await executor.deploy(SPEC);
      const request = { function: 'f', maxWaitMs: maxWaitMs as number };
      await expect(executor.invoke(request)).rejects.toMatchObject({
        code: 'invalid_request',
        message: expect.stringContaining('0 to 900000'),
      });
    },
  );

  it('leaves when its signal says so while it waits, and the next one is served', async () => {
    const { clock, executor, first } = await waiting();
    const caller = new AbortController();
    const left = executor.invoke({ function: 'f', signal: caller.signal });
    const next = executor.invoke({ function: 'f' });
    left.catch(() => {});
    await clock.advance(1);
    expect(executor.pools().queued).toBe(2);
    caller.abort();
    expect(executor.pools().queued).toBe(1);
    await expect(left).rejects.toMatchObject({ code: 'cancelled', retryable: true });
    expect(await settled(clock, first)).toMatchObject({ status: 'succeeded' });
    expect(await settled(clock, next)).toMatchObject({ status: 'succeeded' });
    expect(executor.inFlight).toBe(0);
    expect(executor.pools().tiers.isolate?.slots.busy).toBe(0);
    expect((await executor.metrics()).body).toMatch(/^strata_refusals_total\{code="cancelled"\} 1$/m);
  });

  it('gets what runs already, and its record is kept', async () => {
    const { clock, executor } = await open();
    await executor.deploy(SPEC);
    const caller = new AbortController();
    const runs = executor.invoke({ function: 'f', signal: caller.signal });
    await clock.advance(1);
    caller.abort();
    const { receipt } = await settled(clock, runs);
    expect(executor.invocation(receipt.invocationId).receipt.status).toBe('succeeded');
  });

  it('is not served when it had gone before it came', async () => {
    const { executor } = await open();
    await executor.deploy(SPEC);
    const request = { function: 'f', signal: AbortSignal.abort() };
    await expect(executor.invoke(request)).rejects.toMatchObject({ code: 'cancelled' });
    expect(executor.inFlight).toBe(0);
  });

  it('leaves no listener on a signal that lives on, whether it waited or not', async () => {
    const { clock, executor, first } = await waiting();
    const { signal } = new AbortController();
    const waited = executor.invoke({ function: 'f', signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await settled(clock, first);
    await settled(clock, waited);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    const warm = executor.invoke({ function: 'f', signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    await settled(clock, warm);
  });
});

describe('a server that is full', () => {
  const full = async (admission: Partial<AdmissionSettings> = {}) => {
    const opened = await open(null, 10, 'isolate', { maxInFlight: 1, ...admission });
    await opened.executor.deploy(SPEC);
    const first = opened.executor.invoke({ function: 'f' });
    return { ...opened, first };
  };
  const gauges = async (executor: LocalExecutor): Promise<number[]> => {
    const { body } = await executor.metrics();
    return ['admission_queue_depth', 'in_flight'].map((name) =>
      Number(new RegExp(`^strata_${name} (\\d+)$`, 'm').exec(body)?.[1]),
    );
  };

  it('lets the next one in when one leaves, and its wait is on its receipt', async () => {
    const { clock, executor, first } = await full();
    const cameAt = new Date(clock.wallMs()).toISOString();
    const second = executor.invoke({ function: 'f' });
    expect(await gauges(executor)).toEqual([1, 1]);
    const { receipt: ahead } = await settled(clock, first);
    const { receipt } = await settled(clock, second);
    const took = ahead.phasesMs.load + ahead.phasesMs.init + ahead.phasesMs.handler;
    expect(took).toBeGreaterThan(0);
    expect(receipt.phasesMs.queue).toBeGreaterThanOrEqual(took);
    expect(receipt.startedAt).toBe(cameAt);
    expect(await gauges(executor)).toEqual([0, 0]);
  });

  it('keeps nobody longer than the caller waits, in the line and for an instance together', async () => {
    const { clock, executor, first } = await full({ maxInFlight: 2 });
    await executor.deploy({ ...SPEC, name: 'g', maxInstances: 1 });
    const busy = executor.invoke({ function: 'g' });
    const both = [executor.invoke({ function: 'g', maxWaitMs: 3 })];
    both.push(executor.invoke({ function: 'g', maxWaitMs: 3 }));
    for (const refused of both) refused.catch(() => {});
    await clock.advance(3);
    const outcomes = await Promise.allSettled(both);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected')
        expect(outcome.reason).toMatchObject({ code: 'queue_timeout', limit: { configured: 3 } });
    expect(executor.unadmitted).toBe(0);
    await settled(clock, Promise.all([first, busy]));
    expect(executor.inFlight).toBe(0);
  });

  it('lets a caller go that leaves the line, or between the line and the queue', async () => {
    const { clock, executor, first } = await full();
    const callers = [new AbortController(), new AbortController()];
    const left = callers.map(({ signal }) => executor.invoke({ function: 'f', signal }));
    for (const one of left) one.catch(() => {});
    callers[0]?.abort();
    await expect(left[0]).rejects.toMatchObject({ code: 'cancelled' });
    first.then(
      () => callers[1]?.abort(),
      () => {},
    );
    await settled(clock, first);
    await settled(clock, Promise.allSettled(left));
    for (const { signal } of callers) expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect([executor.inFlight, executor.unadmitted]).toEqual([0, 0]);
    expect(await settled(clock, executor.invoke({ function: 'f' }))).toMatchObject({ status: 'succeeded' });
  });

  it('tells a caller once that it waits, whether in the line or in the queue', async () => {
    const { clock, executor, first } = await full({ maxInFlight: 2 });
    await executor.deploy({ ...SPEC, name: 'g', maxInstances: 1 });
    const busy = executor.invoke({ function: 'g' });
    let told = 0;
    const onWait = () => {
      told += 1;
    };
    const eventJson = Buffer.from('{}');
    const waits = [1, 2, 3].map(() => executor.invokeJson({ function: 'g', eventJson, onWait }));
    await settled(clock, Promise.all([first, busy, ...waits]));
    expect(told).toBe(3);
  });

  it('refuses those in the line when it drains, and finishes those inside', async () => {
    const { clock, executor, first } = await full();
    const second = executor.invoke({ function: 'f' });
    second.catch(() => {});
    const drained = executor.drain();
    await expect(second).rejects.toMatchObject({ code: 'draining', status: 503 });
    expect(await settled(clock, first)).toMatchObject({ status: 'succeeded' });
    await drained;
  });
});

describe('reserved concurrency', () => {
  const limits = { maxInFlight: 10, maxInFlightPerTenant: 10 };
  const reserve = (name: string, reservedConcurrency: number) => ({ ...SPEC, name, reservedConcurrency });

  it('that there is not is refused at deployment, and nothing is stored or changed', async () => {
    const { executor } = await open(null, 10, 'isolate', limits);
    await executor.deploy(reserve('f', 5));
    await expect(executor.deploy(reserve('g', 5))).rejects.toMatchObject({ code: 'conflict', status: 409 });
    await expect(executor.deploy(reserve('f', 10))).rejects.toMatchObject({ code: 'conflict' });
    expect(executor.list().functions.map(({ name }) => name)).toEqual(['f']);
    expect(executor.get('f').reservedConcurrency).toBe(5);
    await executor.deploy(reserve('g', 4));
  });

  it('is free again when it is given up by a deployment or a deletion', async () => {
    const { executor } = await open(null, 10, 'isolate', limits);
    await executor.deploy(reserve('f', 9));
    await executor.deploy(reserve('f', 3));
    await executor.deploy(reserve('g', 6));
    await executor.delete('g');
    await executor.deploy(reserve('h', 6));
    await expect(executor.deploy(reserve('g', 1))).rejects.toMatchObject({ code: 'conflict' });
  });

  it('is counted once, however many deployments come together', async () => {
    const { executor } = await open(null, 10, 'isolate', limits);
    const deployments = ['f', 'g', 'f', 'h', 'f'].map((name) => executor.deploy(reserve(name, 4)));
    const refused = (await Promise.allSettled(deployments)).filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(1);
    await executor.deploy(reserve('i', 1));
    await expect(executor.deploy(reserve('j', 1))).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('versions and aliases', () => {
  const deployed = async (count: number, extra: Partial<FunctionSpecInput> = {}) => {
    const opened = await open();
    for (let number = 1; number <= count; number += 1) {
      await opened.executor.deploy({ ...SPEC, ...extra, env: { NUMBER: String(number) } });
      await opened.executor.versions.publish('f');
    }
    return opened;
  };
  const ran = async (clock: ManualClock, work: Promise<InvokeAnswer>): Promise<string> => {
    const answer = await settled(clock, work);
    expect(answer.status).toBe('succeeded');
    return answer.receipt.version;
  };

  it('run what they name, which is on the receipt', async () => {
    const { clock, executor } = await deployed(2);
    await executor.versions.putAlias('f', 'live', { version: '1', weights: { 2: 1 } });
    const invoke = (qualifier?: string) =>
      ran(clock, executor.invoke({ function: 'f', ...(qualifier && { qualifier }) }));
    expect(await invoke()).toBe('$LATEST');
    expect(await invoke('1')).toBe('1');
    expect(await invoke('live')).toBe('2');
    await executor.versions.putAlias('f', 'live', { version: '1' });
    expect(await invoke('live')).toBe('1');
    await expect(executor.invoke({ function: 'f', qualifier: '3' })).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(executor.invoke({ function: 'f', sessionKey: '' })).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });

  it('of a deleted version end when they are done, and who waits for one still runs', async () => {
    const { clock, executor } = await deployed(2, { maxInstances: 1 });
    const both = [1, 2].map(() => executor.invoke({ function: 'f', qualifier: '1' }));
    await clock.advance(1);
    await executor.versions.delete('f', '1');
    await expect(executor.invoke({ function: 'f', qualifier: '1' })).rejects.toMatchObject({
      code: 'not_found',
    });
    expect(await Promise.all(both.map((one) => ran(clock, one)))).toEqual(['1', '1']);
    expect(executor.pools().tiers.isolate?.ready.code).toBe(0);
  });

  it('keep the minInstances of $LATEST and of what aliases point to, and of nothing else', async () => {
    const { clock, executor } = await deployed(1, { minInstances: 1 });
    await clock.advance(5_000);
    // The pool of this test finishes no load ahead: what it lacks is what it is asked for.
    const wanted = () =>
      executor
        .pools()
        .tiers.isolate?.unmet?.map((one) => one.function)
        .sort() ?? [];
    expect(wanted()).toEqual(['f@$LATEST']);
    await ran(clock, executor.invoke({ function: 'f', qualifier: '1' }));
    expect(wanted()).toEqual(['f@$LATEST']);
    await executor.deploy({ ...SPEC, env: { NUMBER: '2' }, minInstances: 2 });
    await executor.versions.publish('f');
    await executor.versions.putAlias('f', 'live', { version: '2' });
    expect(wanted()).toEqual(['f@$LATEST', 'f@2']);
    await executor.deploy({ ...SPEC, minInstances: 1, enabled: false });
    expect(wanted()).toEqual([]);
    await executor.deploy({ ...SPEC, minInstances: 0 });
    expect(wanted()).toEqual(['f@2']);
    await executor.versions.deleteAlias('f', 'live');
    expect(wanted()).toEqual([]);
    await executor.versions.putAlias('f', 'live', { version: '2' });
    await executor.delete('f');
    await clock.advance(5_000);
    expect(wanted()).toEqual([]);
  });

  it('count to what a tenant may keep ready, and an alias is not moved to what is too much', async () => {
    const { executor } = await deployed(2, { minInstances: 3, memoryMb: 128 });
    await executor.versions.putAlias('f', 'live', { version: '1' });
    const more = executor.versions.putAlias('f', 'live', { version: '1', weights: { 2: 0.1 } });
    await expect(more).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('1152 MB'),
    });
    expect(executor.versions.alias('f', 'live').weights).toEqual({});
    // What it leaves is given up for what it comes to, so that an alias can always be moved back.
    await executor.versions.putAlias('f', 'live', { version: '2' });
    await expect(
      executor.deploy({ ...SPEC, name: 'g', minInstances: 3, memoryMb: 128 }),
    ).rejects.toMatchObject({
      code: 'conflict',
    });
    await executor.versions.deleteAlias('f', 'live');
    await executor.deploy({ ...SPEC, name: 'g', minInstances: 3, memoryMb: 128 });
  });

  it('share what their function reserves', async () => {
    const { clock, executor } = await open(null, 10, 'isolate', { maxInFlight: 4, maxInFlightPerTenant: 4 });
    await executor.deploy({ ...SPEC, reservedConcurrency: 2 });
    await executor.deploy({ ...SPEC, name: 'other' });
    await executor.versions.publish('f');
    await executor.versions.putAlias('f', 'live', { version: '1' });
    const others = [1, 2].map(() => executor.invoke({ function: 'other' }));
    await expect(executor.invoke({ function: 'other' })).rejects.toMatchObject({ code: 'concurrency_limit' });
    const own = [executor.invoke({ function: 'f', qualifier: 'live' }), executor.invoke({ function: 'f' })];
    await expect(executor.invoke({ function: 'f' })).rejects.toMatchObject({ code: 'concurrency_limit' });
    expect(executor.inFlight).toBe(4);
    for (const one of [...others, ...own]) await ran(clock, one);
  });

  it('let in whom their function lets in now, and not whom it let in when they were published', async () => {
    const { clock, executor } = await deployed(1, { auth: 'none' });
    await executor.versions.putAlias('f', 'live', { version: '1' });
    const asStranger = (qualifier: string) =>
      executor.invokeJson({ function: 'f', qualifier, eventJson: Buffer.from('{}'), credential: 'none' });
    expect((await settled(clock, asStranger('1'))).version).toBe('1');
    await executor.deploy({ ...SPEC, auth: 'key' });
    for (const qualifier of ['$LATEST', '1', 'live'])
      await expect(asStranger(qualifier)).rejects.toMatchObject({ code: 'unauthorized' });
    await executor.deploy({ ...SPEC, auth: 'none' });
    expect((await settled(clock, asStranger('live'))).version).toBe('1');
  });

  it('are refused while their function is disabled, and who waited when it was runs', async () => {
    const { clock, executor } = await deployed(1, { maxInstances: 1 });
    await executor.versions.putAlias('f', 'live', { version: '1' });
    const waiting = ['$LATEST', '$LATEST', '1', 'live'].map((qualifier) =>
      executor.invoke({ function: 'f', qualifier }),
    );
    await clock.advance(1);
    await executor.deploy({ ...SPEC, enabled: false });
    for (const qualifier of ['$LATEST', '1', 'live'])
      await expect(executor.invoke({ function: 'f', qualifier })).rejects.toMatchObject({
        ...{ code: 'function_disabled', status: 409, retryable: false },
      });
    expect(executor.get('f', { qualifier: 'live' }).version).toBe('1');
    expect(await Promise.all(waiting.map((one) => ran(clock, one)))).toEqual([
      '$LATEST',
      '$LATEST',
      '1',
      '1',
    ]);
    await executor.deploy(SPEC);
    expect(await ran(clock, executor.invoke({ function: 'f', qualifier: 'live' }))).toBe('1');
  });

  it.each(Array.from({ length: 12 }, (_, index) => index + 1))(
    'fail no invocation that found them, whatever is deployed, published, moved and deleted meanwhile (schedule %i)',
    async (seed) => {
      const { clock, executor } = await deployed(2);
      await executor.versions.putAlias('f', 'live', { version: '1' });
      const random = seededRandom(seed);
      const upTo = (count: number): number => Math.floor(random.fraction() * count);
      const invocations: Promise<InvokeAnswer>[] = [];
      const changes: Promise<unknown>[] = [];
      const versions = () => executor.versions.list('f').versions.map(({ version }) => version);
      const any = () => versions()[upTo(versions().length)] ?? '$LATEST';
      const acts = [
        () =>
          invocations.push(
            executor.invoke({ function: 'f', qualifier: 'live', sessionKey: String(upTo(5)) }),
          ),
        () => invocations.push(executor.invoke({ function: 'f' })),
        () => invocations.push(executor.invoke({ function: 'f', qualifier: any() })),
        () => changes.push(executor.deploy({ ...SPEC, env: { NUMBER: String(upTo(4)) } })),
        () => changes.push(executor.versions.publish('f')),
        () => changes.push(executor.versions.putAlias('f', 'live', { version: any() })),
        () => changes.push(executor.versions.delete('f', any())),
      ];
      for (let step = 0; step < 120; step += 1) {
        if (executor.pools().queued < 6) acts[upTo(acts.length)]?.();
        for (const work of [...invocations.slice(-1), ...changes.slice(-1)]) work.catch(() => {});
        await clock.advance(upTo(4));
      }
      const outcomes = await settled(clock, Promise.allSettled(changes));
      // What was deleted before its turn came, or is in use, may be refused; nothing else.
      for (const outcome of outcomes)
        if (outcome.status === 'rejected')
          expect(['conflict', 'not_found', 'invalid_request']).toContain(outcome.reason.code);
      expect(invocations.length).toBeGreaterThan(10);
      for (const invocation of invocations) await ran(clock, invocation);
      await executor.delete('f');
      await clock.advance(100);
      expect(executor.pools().tiers.isolate?.ready.code).toBe(0);
      expect(executor.inFlight).toBe(0);
    },
  );
});

describe('draining', () => {
  it('refuses what is new, and still shows what there is', async () => {
    const { executor } = await open();
    await executor.deploy(SPEC);
    await executor.drain();
    for (const call of [
      () => executor.deploy({ ...SPEC, name: 'g' }),
      () => executor.delete('f'),
      () => executor.invoke({ function: 'f' }),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'draining' });
    }
    expect(executor.list().functions.map(({ name }) => name)).toEqual(['f']);
    expect(executor.get('f').name).toBe('f');
  });

  it('finishes a deployment that it took', async () => {
    const { clock, executor } = await open();
    const deploying = executor.deploy(SPEC);
    const closing = executor.close();
    await expect(deploying).resolves.toMatchObject({ created: true });
    await settled(clock, closing);
  });
});

it('a closed executor answers every call with draining', async () => {
  const { clock, executor } = await open();
  await executor.deploy(SPEC);
  await settled(clock, executor.close());
  for (const call of [
    async () => executor.deploy(SPEC),
    async () => executor.delete('f'),
    async () => executor.invoke({ function: 'f' }),
    async () => executor.invokeJson({ function: 'f', eventJson: Buffer.from('{}') }),
    async () => executor.get('f'),
    async () => executor.list(),
    async () => executor.logs('f'),
    async () => executor.invocation('i'),
    async () => executor.versions.publish('f'),
    async () => executor.versions.list('f'),
    async () => executor.versions.delete('f', '1'),
    async () => executor.versions.putAlias('f', 'a', { version: '1' }),
    async () => executor.versions.alias('f', 'a'),
    async () => executor.versions.aliases('f'),
    async () => executor.versions.deleteAlias('f', 'a'),
  ]) {
    await expect(call()).rejects.toMatchObject({ code: 'draining', status: 503 });
  }
  await executor.close();
});
