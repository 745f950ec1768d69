import { describe, expect, it } from 'vitest';
import { ManualClock } from '../ports/manual-clock.ts';
import { seededRandom } from '../ports/random.ts';
import type { Backend, BackendCarrier, BackendEvents } from './backend.ts';
import { guardTier } from './guard.ts';

/** A backend whose carrier says what a test lets it say. */
const scripted = (): {
  backend: Backend;
  events: () => BackendEvents;
  nonces: number[];
  killed: () => boolean;
  /** From now on it answers nothing, and shows that it is stopped. */
  stop: () => void;
} => {
  let events: BackendEvents | undefined;
  let killed = false;
  let stopped = false;
  const nonces: number[] = [];
  let exit: (how: { exitCode: number | null; signal: string | null }) => void = () => undefined;
  const carrier: BackendCarrier = {
    exited: new Promise((resolve) => {
      exit = resolve;
    }),
    boot: (instance) => {
      if (!stopped) events?.booted(instance);
    },
    load: (_instance, nonce) => nonces.push(nonce),
    invoke: (_instance, nonce) => nonces.push(nonce),
    terminate: () => undefined,
    dispose: () => undefined,
    kill: () => {
      killed = true;
      exit({ exitCode: null, signal: 'SIGKILL' });
    },
    usage: () => null,
    stopped: () => stopped,
    stderrTail: () => '',
  };
  return {
    nonces,
    killed: () => killed,
    stop: () => {
      stopped = true;
    },
    events: () => {
      if (events === undefined) throw new Error('nothing was provisioned');
      return events;
    },
    backend: {
      tier: 'isolate',
      confinement: { kind: 'none', summary: '', gaps: [] },
      capacity: 4,
      meter: 'isolate',
      provision: async (given) => {
        events = given;
        return carrier;
      },
      close: async () => undefined,
    },
  };
};

const INVOKE = { invocationId: 'i', eventJson: Buffer.from('{}'), timeoutMs: 2_000, cpuMs: 2_000 };

const setUp = async (own: Partial<Backend> = {}) => {
  const clock = new ManualClock();
  const script = scripted();
  const options = { clock, random: seededRandom(3), startTimeoutMs: 5_000, killGraceMs: 50, watchdog: null };
  const tier = guardTier({ ...script.backend, ...own }, options);
  const carrier = await tier.provision();
  const instance = await carrier.boot(128);
  return { clock, script, tier, carrier, instance };
};

const answer = (cpuNs: number) => ({
  ...{ cpuNs, firstMs: 1, second: -1, failed: false, tail: null, payload: Buffer.from('1') },
});

describe('the guard', () => {
  it('kills a sandbox that answers a call nobody made', async () => {
    const { script, carrier } = await setUp();
    script.events().settled(1, 12_345, answer(1));
    expect((await carrier.exited).cause).toBe('protocol');
  });

  it('kills a sandbox that answers twice', async () => {
    const { script, carrier, instance } = await setUp();
    const outcome = instance.invoke(INVOKE);
    const [nonce = 0] = script.nonces;
    script.events().settled(1, nonce, answer(1));
    expect((await outcome).failure).toBeNull();
    script.events().settled(1, nonce, answer(1));
    expect((await carrier.exited).cause).toBe('protocol');
  });

  it('kills a sandbox that floods it with frames that answer nothing', async () => {
    const { script, carrier } = await setUp();
    for (let count = 0; count < 60_000 && !script.killed(); count += 1) script.events().parked(1, 1, true);
    expect((await carrier.exited).cause).toBe('protocol');
  });

  it('takes only so many of those in a second as the tier’s own are', async () => {
    const { clock, script } = await setUp({ unaskedPerSecond: 1_000 });
    for (let second = 0; second < 3; second += 1) {
      for (let count = 0; count < 999; count += 1) script.events().parked(1, 1, true);
      await clock.advance(1_000);
    }
    expect(script.killed()).toBe(false);
    for (let count = 0; count < 1_001; count += 1) script.events().parked(1, 1, true);
    expect(script.killed()).toBe(true);
  });

  it.each(['call', 'boot', 'disposal'] as const)(
    'kills a sandbox that was stopped while a %s is awaited, and blames nobody',
    async (what) => {
      const { clock, script, carrier, instance } = await setUp();
      script.stop();
      const call = what === 'call' ? instance.invoke(INVOKE) : null;
      const boot =
        what === 'boot' ? expect(carrier.boot(128)).rejects.toMatchObject({ code: 'start_failed' }) : null;
      const disposal = what === 'disposal' ? instance.dispose() : null;
      await clock.advance(450);
      expect(await carrier.exited).toMatchObject({ cause: 'stopped', suspects: [], proven: false });
      expect((await call)?.failure?.code).toBe(what === 'call' ? 'sandbox_lost' : undefined);
      await Promise.all([boot, disposal]);
    },
  );

  it('ends those that are idle and stopped as well once one is found, and leaves the others', async () => {
    const clock = new ManualClock();
    const scripts = [scripted(), scripted(), scripted()];
    const [first, second, third] = scripts;
    const waiting = [...scripts];
    const backend: Backend = {
      ...scripted().backend,
      provision: (events, signal) => (waiting.shift() ?? scripted()).backend.provision(events, signal),
    };
    const options = {
      clock,
      random: seededRandom(3),
      startTimeoutMs: 5_000,
      killGraceMs: 50,
      watchdog: null,
    };
    const tier = guardTier(backend, options);
    const carriers = [await tier.provision(), await tier.provision(), await tier.provision()];
    const instance = await carriers[0]?.boot(128);
    first?.stop();
    second?.stop();
    const call = instance?.invoke(INVOKE);
    await clock.advance(450);
    expect((await call)?.failure?.code).toBe('sandbox_lost');
    expect((await carriers[1]?.exited)?.cause).toBe('stopped');
    expect(third?.killed()).toBe(false);
  });

  it('believes no CPU time beyond the time that has passed', async () => {
    const { clock, script, instance } = await setUp();
    const outcome = instance.invoke(INVOKE);
    await clock.advance(100);
    script.events().settled(1, script.nonces[0] ?? 0, answer(Number.MAX_VALUE));
    const { cpuNs } = await outcome;
    expect(cpuNs).toBe(120e6);
  });

  it('has the process killed whose start takes too long, and says so', async () => {
    const clock = new ManualClock();
    const { backend } = scripted();
    let abandoned = false;
    const silent: Backend = {
      ...backend,
      provision: (_events, signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            abandoned = true;
            reject(new Error('killed'));
          });
        }),
    };
    const options = { clock, random: seededRandom(3), startTimeoutMs: 500, killGraceMs: 50, watchdog: null };
    const tier = guardTier(silent, options);
    const refused = expect(tier.provision()).rejects.toMatchObject({ code: 'start_failed' });
    await clock.advance(501);
    await refused;
    expect(abandoned).toBe(true);
    await tier.close();
  });
});
