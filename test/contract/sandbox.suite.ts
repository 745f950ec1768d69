/**
 * What every tier of sandboxes promises, as one suite; `sandbox.test.ts` runs it against each of them.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Runtime, textFiles } from '../../src/core/spec.ts';
import type { Carrier, Instance, InvokeRequest, LoadRequest, SandboxTier } from '../../src/sandbox/api.ts';
import type { Behaviour } from '../../src/sandbox/fake/backend.ts';

export interface Subject {
  readonly tier: SandboxTier;
  readonly dialect: Dialect;
  /** Lets time pass until the promise settles: the manual clock is turned, the system's goes by itself. */
  settle<Value>(promise: Promise<Value>): Promise<Value>;
  /** Makes a sandbox deaf in which no function can do that itself; absent where the behaviour `stuck` does. */
  deafen?(carrier: Carrier): Promise<void>;
}

/** What a function looks like in a tier. */
export interface Dialect {
  readonly runtime: Runtime;
  readonly path: string;
  readonly memoryMb: number;
  readonly sources: Readonly<Record<Behaviour, string>>;
  /** What a function breaks is its own process, which the carrier outlives. */
  readonly carrierSurvives: boolean;
  digestOf(behaviour: Behaviour): string;
}

/** The same behaviours as the fake's, in JavaScript for isolates. */
export const ISOLATE_DIALECT: Dialect = {
  runtime: 'isolate',
  path: 'index.js',
  memoryMb: 32,
  carrierSurvives: false,
  digestOf: (behaviour) => behaviour,
  sources: {
    echo: 'exports.handler = (event) => event;',
    sleep: 'exports.handler = (event) => new Promise((resolve) => setTimeout(resolve, event.ms, event));',
    throw: 'exports.handler = () => { throw new Error("boom"); };',
    loop: 'exports.handler = () => { for (;;); };',
    // A thrown value whose name never comes: copying it out spins where no termination reaches.
    stuck:
      'exports.handler = () => { (async () => { throw new (class Spin extends Error { get name() { for (;;); } })(); })(); return new Promise(() => {}); };',
    crash: 'exports.handler = () => "a".repeat(2 ** 29 - 24).split("");',
    exhaust:
      'exports.handler = () => { const map = new Map(); for (let i = 0; ; i += 1) map.set(i, { i }); };',
    broken: 'throw new Error("boom");',
    'endless-load': 'for (;;);',
  },
};

const loadRequest = (dialect: Dialect, behaviour: Behaviour, initTimeoutMs = 5_000): LoadRequest => ({
  functionName: 'f',
  functionVersion: '$LATEST',
  codeDigest: dialect.digestOf(behaviour),
  files: textFiles({ [dialect.path]: dialect.sources[behaviour] }),
  runtime: dialect.runtime,
  handler: 'index.handler',
  entry: { path: dialect.path, exportName: 'handler' },
  initializer: null,
  initializerEntry: null,
  env: {},
  memoryMb: dialect.memoryMb,
  initTimeoutMs,
  initCpuMs: 5_000,
  resultMaxBytes: 1_000_000,
  logMaxBytes: 10_000,
});

const invokeRequest = (event: unknown, timeoutMs = 5_000): InvokeRequest => ({
  invocationId: '00000000-0000-4000-8000-000000000000',
  eventJson: Buffer.from(JSON.stringify(event)),
  timeoutMs,
  cpuMs: 60_000,
});

const text = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString('utf8');

export const sandboxContract = (name: string, create: () => Promise<Subject>): void => {
  describe(`a sandbox of the ${name} tier`, () => {
    let subject: Subject;
    beforeAll(async () => {
      subject = await create();
    });
    afterAll(async () => {
      await subject.settle(subject.tier.close());
    });

    const provision = (): Promise<Carrier> => subject.settle(subject.tier.provision());
    const booted = async (carrier: Carrier): Promise<Instance> =>
      subject.settle(carrier.boot(subject.dialect.memoryMb));
    /** Where a neighbour lives: in the same carrier, or in one of its own where each holds one instance. */
    const beside = (carrier: Carrier): Promise<Carrier> =>
      carrier.capacity > 1 ? Promise.resolve(carrier) : provision();
    const loaded = async (carrier: Carrier, behaviour: Behaviour): Promise<Instance> => {
      const instance = await booted(carrier);
      const outcome = await subject.settle(instance.load(loadRequest(subject.dialect, behaviour)));
      expect(outcome.failure).toBeNull();
      return instance;
    };

    /** The carrier ended with what broke in it, or outlived it and holds the next instance. */
    const endedBy = async (carrier: Carrier, instance: Instance): Promise<void> => {
      if (subject.dialect.carrierSurvives) {
        await subject.settle(instance.gone);
        expect(carrier.ended).toBe(false);
        const next = await loaded(carrier, 'echo');
        expect(text((await subject.settle(next.invoke(invokeRequest([2])))).resultJson)).toBe('[2]');
        carrier.kill('idle');
      } else expect((await subject.settle(carrier.exited)).suspects).toEqual([instance]);
    };

    it('loads code and returns what the handler returned, byte for byte', async () => {
      const carrier = await provision();
      const instance = await loaded(carrier, 'echo');
      const outcome = await subject.settle(
        instance.invoke(invokeRequest({ greeting: 'Grüße 🌍', n: [1, 2] })),
      );
      expect(outcome.failure).toBeNull();
      expect(text(outcome.resultJson)).toBe('{"greeting":"Grüße 🌍","n":[1,2]}');
      expect(outcome.cpuNs).toBeGreaterThan(0);
      expect(Number.isInteger(outcome.cpuNs)).toBe(true);
      carrier.kill('idle');
    });

    it('takes an invocation right behind the load', async () => {
      const carrier = await provision();
      const instance = await booted(carrier);
      const loading = instance.load(loadRequest(subject.dialect, 'echo'));
      const invoking = instance.invoke(invokeRequest({ a: 1 }));
      const [load, outcome] = await subject.settle(Promise.all([loading, invoking]));
      expect(load.failure).toBeNull();
      expect(text(outcome.resultJson)).toBe('{"a":1}');
      carrier.kill('idle');
    });

    it('answers what a handler throws as a result, and serves on', async () => {
      const carrier = await provision();
      const instance = await loaded(carrier, 'throw');
      for (let round = 0; round < 2; round += 1) {
        const outcome = await subject.settle(instance.invoke(invokeRequest({})));
        expect(outcome.failure?.code).toBe('function_error');
        expect(outcome.failure?.error).toMatchObject({ type: 'Error', message: 'boom' });
      }
      expect(instance.ended).toBe(false);
      carrier.kill('idle');
    });

    it('runs overlapping invocations side by side', async () => {
      const carrier = await provision();
      const instance = await loaded(carrier, 'sleep');
      const outcomes = await subject.settle(
        Promise.all([30, 10, 20].map((ms) => instance.invoke(invokeRequest({ ms })))),
      );
      expect(outcomes.map(({ resultJson }) => text(resultJson))).toEqual([
        '{"ms":30}',
        '{"ms":10}',
        '{"ms":20}',
      ]);
      carrier.kill('idle');
    });

    it('reports code that fails to load, and ends the instance', async () => {
      const carrier = await provision();
      const instance = await booted(carrier);
      const outcome = await subject.settle(instance.load(loadRequest(subject.dialect, 'broken')));
      expect(outcome.failure?.code).toBe('init_error');
      expect(outcome.failure?.error?.message).toBe('boom');
      expect(instance.ended).toBe(true);
      expect(carrier.ended).toBe(false);
      carrier.kill('idle');
    });

    it('stops code that does not end loading', async () => {
      const carrier = await provision();
      const instance = await booted(carrier);
      const outcome = await subject.settle(instance.load(loadRequest(subject.dialect, 'endless-load', 100)));
      expect(outcome.failure?.code).toBe('init_timeout');
      expect(outcome.failure?.limit).toMatchObject({ kind: 'initTimeoutMs', configured: 100 });
      expect(instance.ended).toBe(true);
      carrier.kill('idle');
    });

    it('stops a loop at its deadline and leaves the neighbour in the carrier alone', async () => {
      const carrier = await provision();
      const neighbour = await loaded(await beside(carrier), 'echo');
      const instance = await loaded(carrier, 'loop');
      const outcome = await subject.settle(instance.invoke(invokeRequest({}, 100)));
      expect(outcome.failure?.code).toBe('function_timeout');
      expect(outcome.failure?.limit).toMatchObject({ kind: 'timeoutMs', configured: 100 });
      expect(instance.ended).toBe(true);
      expect(text((await subject.settle(neighbour.invoke(invokeRequest([1])))).resultJson)).toBe('[1]');
      carrier.kill('idle');
    });

    it('kills the carrier of what cannot be stopped, and names it alone as the cause', async () => {
      const carrier = await provision();
      const home = await beside(carrier);
      const neighbour = await loaded(home, 'sleep');
      const instance = await loaded(carrier, 'stuck');
      const waiting = neighbour.invoke(invokeRequest({ ms: 60_000 }, 90_000));
      const running = instance.invoke(invokeRequest({}, 100));
      await subject.deafen?.(carrier);
      expect((await subject.settle(running)).failure?.code).toBe('function_timeout');
      const exit = await subject.settle(carrier.exited);
      expect(exit.cause).toBe('unresponsive');
      expect(exit.suspects).toEqual([instance]);
      // Who lived in the same carrier went with it; who did not has to be ended.
      home.kill('idle');
      expect((await subject.settle(waiting)).failure?.code).toBe('sandbox_lost');
    });

    it('blames a crash on the one that ran alone, and not on who only waited', async () => {
      const carrier = await provision();
      const home = await beside(carrier);
      const neighbour = await loaded(home, 'sleep');
      const instance = await loaded(carrier, 'crash');
      const waiting = neighbour.invoke(invokeRequest({ ms: 60_000 }, 90_000));
      await subject.settle(neighbour.invoke(invokeRequest({ ms: 1 })));
      const outcome = await subject.settle(instance.invoke(invokeRequest({})));
      expect(['sandbox_exited', 'memory_limit']).toContain(outcome.failure?.code);
      expect(instance.ended).toBe(true);
      await endedBy(carrier, instance);
      home.kill('idle');
      expect((await subject.settle(waiting)).failure?.code).toBe('sandbox_lost');
    });

    it('calls it the memory limit when memory runs out', async () => {
      const carrier = await provision();
      const instance = await loaded(carrier, 'exhaust');
      const outcome = await subject.settle(instance.invoke(invokeRequest({}, 30_000)));
      expect(outcome.failure?.code).toBe('memory_limit');
      if (!subject.dialect.carrierSurvives) carrier.kill('idle');
      await endedBy(carrier, instance);
    });

    it('settles every call at once after dispose and after kill, any number of times', async () => {
      const carrier = await provision();
      const instance = await loaded(carrier, 'sleep');
      await subject.settle(Promise.all([instance.dispose(), instance.dispose()]));
      expect((await subject.settle(instance.invoke(invokeRequest({ ms: 1 })))).failure?.code).toBe(
        'sandbox_lost',
      );
      const other = await loaded(carrier, 'sleep');
      const waiting = other.invoke(invokeRequest({ ms: 60_000 }, 90_000));
      carrier.kill('evicted');
      carrier.kill('idle');
      expect((await subject.settle(waiting)).failure?.code).toBe('sandbox_lost');
      expect((await subject.settle(carrier.exited)).cause).toBe('evicted');
      await subject.settle(other.dispose());
      await expect(subject.settle(carrier.boot(subject.dialect.memoryMb))).rejects.toMatchObject({
        code: 'start_failed',
      });
    });
  });
};
