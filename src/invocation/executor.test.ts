import { getEventListeners } from 'node:events';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { toReceipt } from '../billing/receipts.ts';
import type { Runtime } from '../core/spec.ts';
import { Budget } from '../pool/budget.ts';
import { DEFAULT_COSTS } from '../pool/costs.ts';
import { patient } from '../pool/fixture.ts';
import { LayeredPool } from '../pool/layered-pool.ts';
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
) => {
  const clock = new ManualClock();
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
    receiptOf: toReceipt,
    newId: () => random.uuid(),
    send: async () => 200,
    resolve: (...name) => registry.resolve(...name),
  });
  const executor: LocalExecutor = new LocalExecutor({
    queue,
    ...{ clock, random, logger: pino({ level: 'silent' }), registry },
    lanes: new Lanes({
      lanes: [{ runtime, confinement: tier.confinement, pool, scheduler }],
      unavailable: new Map([['python3', 'no Docker engine answers']]),
      budget,
      release: async () => {},
    }),
    records: new Records({ maxInvocations: 10, maxLogLines: 10 }),
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
  return { clock, executor };
};

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
  ]) {
    await expect(call()).rejects.toMatchObject({ code: 'draining', status: 503 });
  }
  await executor.close();
});
