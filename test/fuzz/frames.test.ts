/**
 * The framed protocol: its reader against a second one, and the server's side of both tiers against sandboxes that lie.
 */
import { describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE, StrataError } from '../../src/core/errors.ts';
import { textFiles } from '../../src/core/spec.ts';
import { ManualClock } from '../../src/ports/manual-clock.ts';
import type {
  Carrier,
  Instance,
  InvokeOutcome,
  InvokeRequest,
  LoadOutcome,
  LoadRequest,
  SandboxTier,
} from '../../src/sandbox/api.ts';
import { FRAME, type Frame, FrameError, FrameReader } from '../../src/sandbox/protocol/frames.ts';
import { FRAME_LIMIT, type ReadFrame, readFrames, someFrames } from './frame-reference.ts';
import { type Dice, fuzz, hex, mutate, pieces } from './mutator.ts';
import {
  agentTier,
  forgedFrame,
  framesOf,
  honestAnswer,
  hostTier,
  LOG_MAX_BYTES,
  Puppet,
  RESULT_MAX_BYTES,
} from './puppets.ts';

const asFrame = ({ numbers, meta, ...rest }: ReadFrame): Frame => ({
  ...rest,
  ...{ a: numbers.readDoubleLE(0), b: numbers.readDoubleLE(8), c: numbers.readDoubleLE(16) },
  meta: meta.toString('utf8'),
});

describe('the reader of frames', () => {
  it('sees the frames that a second reader sees, and refuses as soon as that can be known', async () => {
    await fuzz('frame-reader', 4_000, (dice) => {
      const honest = someFrames(dice);
      const stream = dice.once(5) ? honest : mutate(dice, honest, [someFrames(dice), honest]);
      const expected = readFrames(stream);
      const frames: Frame[] = [];
      const reader = new FrameReader(FRAME_LIMIT, (frame) => {
        frames.push({ ...frame, payload: Buffer.from(frame.payload) });
      });
      let pushed = 0;
      let refusedIn: readonly [from: number, to: number] | null = null;
      for (const piece of pieces(dice, stream)) {
        const from = pushed;
        pushed += piece.length;
        try {
          reader.push(piece);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(FrameError);
          refusedIn = [from, pushed];
          break;
        }
      }
      expect(frames, hex(stream)).toEqual(expected.frames.map(asFrame));
      expect(refusedIn === null, hex(stream)).toBe(expected.refusedAt === null);
      if (refusedIn === null || expected.refusedAt === null) return;
      const [from, to] = refusedIn;
      expect(expected.refusedAt > from && expected.refusedAt <= to, hex(stream)).toBe(true);
    });
  });
});

const LOAD: LoadRequest = {
  ...{ runtime: 'isolate', functionName: 'f', functionVersion: '1', codeDigest: 'ab'.repeat(32) },
  ...{ files: textFiles({ 'index.js': 'x' }), handler: 'index.handler', initializer: null, env: {} },
  ...{ entry: { path: 'index.js', exportName: 'handler' }, initializerEntry: null, memoryMb: 128 },
  ...{ initTimeoutMs: 1_000, initCpuMs: 1_000, resultMaxBytes: RESULT_MAX_BYTES, logMaxBytes: LOG_MAX_BYTES },
};
const INVOKE: InvokeRequest = { invocationId: 'i', eventJson: Buffer.from('{}'), timeoutMs: 500, cpuMs: 500 };

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Counts calls, and looks at each end. */
class Ledger {
  readonly ends: (InvokeOutcome | LoadOutcome)[] = [];
  opened = 0;

  watch(call: Promise<InvokeOutcome | LoadOutcome>): void {
    this.opened += 1;
    void call.then((outcome) => this.ends.push(outcome));
  }
}

const checkOutcome = (outcome: InvokeOutcome | LoadOutcome): void => {
  expect(Number.isSafeInteger(outcome.cpuNs) && outcome.cpuNs >= 0, `cpuNs ${outcome.cpuNs}`).toBe(true);
  expect(outcome.logs.reduce((sum, { message }) => sum + message.length + 1, 0)).toBeLessThanOrEqual(
    LOG_MAX_BYTES,
  );
  const times = 'handlerMs' in outcome ? [outcome.handlerMs] : [outcome.loadMs, outcome.initMs];
  for (const timeMs of times) expect(Number.isFinite(timeMs) && timeMs >= 0, `${timeMs} ms`).toBe(true);
  if (outcome.failure !== null) {
    expect(Object.hasOwn(ERROR_CATALOGUE, outcome.failure.code)).toBe(true);
    expect(outcome.failure.code).not.toBe('internal_error');
  } else if ('resultJson' in outcome) {
    expect(outcome.resultJson?.length).toBeLessThanOrEqual(RESULT_MAX_BYTES);
  }
};

/** What the sandbox says to all it has heard since last time; with a lie now and then. */
const answer = (dice: Dice, puppet: Puppet, from: number, lies: boolean): void => {
  const honest = puppet.heard.slice(from).map((frame) => honestAnswer(dice, frame));
  for (const bytes of honest) {
    if (dice.once(8)) continue;
    const said = lies && dice.once(3) ? mutate(dice, bytes, honest) : bytes;
    for (const piece of pieces(dice, said)) puppet.say(piece);
  }
  if (lies && dice.once(3)) puppet.say(forgedFrame(dice, puppet.heard));
};

/** A life of one carrier: calls, answers, lies and time in any order; in the end everything has settled once. */
const life = async (dice: Dice, tier: SandboxTier, puppet: Puppet, clock: ManualClock): Promise<Ledger> => {
  const ledger = new Ledger();
  const carrier: Carrier = await tier.provision();
  const instances: Instance[] = [];
  let heard = 0;
  let boots = 0;
  const lies = !dice.once(10);
  for (let step = 4 + dice.int(16); step > 0; step -= 1) {
    const instance = instances.length === 0 ? null : dice.pick(instances);
    const move = dice.int(6);
    if (instance === null || move === 0) {
      boots += 1;
      carrier.boot(128).then(
        (booted) => {
          instances.push(booted);
          ledger.watch(booted.load(LOAD));
          if (dice.once(2)) ledger.watch(booted.invoke(INVOKE));
        },
        (thrown: unknown) => {
          expect(thrown).toBeInstanceOf(StrataError);
          expect((thrown as StrataError).code).toBe('start_failed');
        },
      );
    } else if (move === 1) void instance.dispose();
    else if (move === 2) await clock.advance(dice.pick([1, 60, 600]));
    else ledger.watch(instance.invoke(INVOKE));
    await turn();
    const until = puppet.heard.length;
    answer(dice, puppet, heard, lies);
    heard = until;
    await turn();
  }
  // What was sent is bounded by what was asked for: a few frames for each call and each boot.
  expect(puppet.heard.length).toBeLessThanOrEqual(8 * (ledger.opened + boots) + 8);
  await clock.advance(20_000);
  const closed = tier.close();
  puppet.die();
  await clock.advance(20_000);
  await closed;
  for (const instance of instances) await instance.gone;
  expect(ledger.ends.length).toBe(ledger.opened);
  ledger.ends.forEach(checkOutcome);
  expect(clock.pendingTimers, 'timers left').toBe(0);
  return ledger;
};

describe('the server', () => {
  it('settles every call once whatever an isolate host sends', async () => {
    let calls = 0;
    await fuzz('host-frames', 400, async (dice) => {
      const [puppet, clock] = [new Puppet(), new ManualClock()];
      calls += (await life(dice, hostTier(puppet, clock), puppet, clock)).ends.length;
    });
    expect(calls).toBeGreaterThan(0);
  });

  it('settles every call once whatever the agent of a container sends', async () => {
    let calls = 0;
    await fuzz('agent-frames', 400, async (dice) => {
      const [puppet, clock] = [new Puppet(), new ManualClock()];
      calls += (await life(dice, agentTier(puppet, clock, dice), puppet, clock)).ends.length;
    });
    expect(calls).toBeGreaterThan(0);
  });

  it('kills a sandbox whose lie could be taken for an answer to somebody else', async () => {
    await fuzz('wrong-nonce', 60, async (dice) => {
      const [puppet, clock] = [new Puppet(), new ManualClock()];
      const tier = hostTier(puppet, clock);
      const carrier = await tier.provision();
      const booting = carrier.boot(128);
      await turn();
      puppet.say(framesOf((writer) => writer.send(FRAME.booted, 1)));
      const instance = await booting;
      const load = instance.load(LOAD);
      await turn();
      const asked = puppet.heard.find(({ type }) => type === FRAME.load)?.nonce ?? 0;
      const nonce = dice.pick([0, asked + 1, asked - 1, dice.int(1_000)]);
      puppet.say(framesOf((writer) => writer.send(dice.pick([FRAME.loaded, FRAME.outcome]), 1, nonce)));
      const { failure } = await load;
      expect(failure?.code).toBe('protocol_error');
      expect((await carrier.exited).cause).toBe('protocol');
      await tier.close();
    });
  });
});
