/**
 * The network of functions: sessions between sandboxes and a broker that both lie.
 */
import { describe, expect, it } from 'vitest';
import { EgressSession } from '../../src/egress/session.ts';
import { type RequestListener, Supervisor } from '../../src/egress/supervisor.ts';
import { ManualClock } from '../../src/ports/manual-clock.ts';
import type { ProcessHandle } from '../../src/ports/processes.ts';
import { FRAME, type Frame, FrameError } from '../../src/sandbox/protocol/frames.ts';
import {
  CHUNK_BYTES,
  NETWORK_FRAME,
  type NetworkFields,
  type NetworkFrameType,
  sendNetworkFrame,
  WINDOW_BYTES,
} from '../../src/sandbox/protocol/network-frames.ts';
import { type Dice, fuzz, mutate, pieces } from './mutator.ts';
import { framesOf, Puppet } from './puppets.ts';

const LIMITS = { maxHeaderBytes: 500, maxRequests: 6, maxSentBytes: 300_000, maxReceivedBytes: 300_000 };
const TYPES = Object.values(NETWORK_FRAME);

const oddNumber = (dice: Dice): number =>
  dice.pick([
    0,
    1,
    2,
    3,
    -1,
    0.5,
    Number.NaN,
    Infinity,
    2 ** 53,
    WINDOW_BYTES,
    WINDOW_BYTES + 1,
    CHUNK_BYTES,
  ]);

const oddFrame = (dice: Dice): Frame => ({
  ...{ type: dice.once(12) ? dice.int(26) : dice.pick(TYPES), flags: dice.int(4), instance: 1, nonce: 1 },
  ...{ a: dice.once(6) ? oddNumber(dice) : 1 + dice.int(8), b: oddNumber(dice), c: oddNumber(dice) },
  meta: dice.pick(['', 'a.com:443', '\n\x1b[31m', 'é'.repeat(400)]),
  payload: Buffer.alloc(dice.pick([0, 1, 100, 5_000, CHUNK_BYTES, CHUNK_BYTES + 1])),
});

interface Asked {
  readonly listener: RequestListener;
  uploaded: number;
  over: boolean;
}

/** A session with both sides played; what it did is checked at each step. */
class Scene {
  readonly asked: Asked[] = [];
  /** By request: how many ends the sandbox was told, and bytes that it may still take. */
  readonly ends = new Map<number, number>();
  open = 0;
  readonly session: EgressSession;

  constructor(allow: readonly string[]) {
    this.session = new EgressSession(
      {
        limits: LIMITS,
        enter: () => {
          if (this.open >= 3) return 3;
          this.open += 1;
          return null;
        },
        leave: () => {
          this.open -= 1;
        },
        request: (listener) => {
          const asked: Asked = { listener, uploaded: 0, over: false };
          this.asked.push(asked);
          return {
            send: (type, { payload }) => {
              expect(asked.over, 'a frame to the broker after the end').toBe(false);
              if (type === NETWORK_FRAME.data) asked.uploaded += payload?.length ?? 0;
            },
            end: () => {
              expect(asked.over, 'ended twice').toBe(false);
              asked.over = true;
            },
          };
        },
      },
      { tenant: 'acme', functionId: 'f', allow, kind: 'exchange' },
    );
    this.session.attach((type, fields) => this.#toSandbox(type, fields));
  }

  #toSandbox(type: NetworkFrameType, { a = 0, flags = 0, meta = '' }: NetworkFields): void {
    expect(this.ends.get(a) ?? 0, `a frame for request ${a} after its end`).toBe(0);
    if (type === NETWORK_FRAME.end) {
      const { code, message } = JSON.parse(meta) as { code: string; message: string };
      expect(code.length > 0 && message.length > 0).toBe(true);
      expect(code).not.toBe('internal_error');
    }
    if (type === NETWORK_FRAME.end || (type === NETWORK_FRAME.data && flags === 1)) this.ends.set(a, 1);
  }

  /** The broker says something of one of its requests. */
  say(dice: Dice): void {
    const live = this.asked.filter(({ over }) => !over);
    if (live.length === 0) return;
    const { listener } = dice.pick(live);
    const count = dice.pick([0, 1, 100, WINDOW_BYTES + 1]);
    const move = dice.int(6);
    if (move === 0) listener.head('{"status":200}');
    else if (move === 1) listener.used(count);
    else if (move === 2) listener.lost('gone');
    else if (move === 3)
      listener.failed({ code: 'E', message: 'no', refused: dice.once(2), limit: null }, count, count);
    else listener.data(Buffer.alloc(dice.pick([0, 1, 5_000, CHUNK_BYTES])), dice.once(4), count, count);
  }
}

describe('a session', () => {
  it('keeps its account and its promises whatever sandbox and broker send', async () => {
    await fuzz('egress-session', 3_000, (dice) => {
      const scene = new Scene(dice.once(5) ? [] : ['a.com:443']);
      let fetches = 0;
      for (let step = dice.int(60); step > 0; step -= 1) {
        try {
          if (dice.once(2)) scene.say(dice);
          else {
            const frame = oddFrame(dice);
            if (frame.type === NETWORK_FRAME.fetch) fetches += 1;
            scene.session.accept(frame);
          }
        } catch (thrown) {
          if (!(thrown instanceof FrameError)) throw thrown;
          break;
        }
        expect(scene.open).toBe(scene.asked.filter(({ over }) => !over).length);
        expect(scene.open).toBeLessThanOrEqual(3);
      }
      const account = scene.session.close();
      expect(scene.open).toBe(0);
      expect(scene.asked.every(({ over }) => over)).toBe(true);
      expect(scene.asked.reduce((sum, { uploaded }) => sum + uploaded, 0)).toBeLessThanOrEqual(
        LIMITS.maxSentBytes,
      );
      expect(account.requests).toBeLessThanOrEqual(fetches);
      expect(account.refused).toBeLessThanOrEqual(account.requests);
      expect(account.refusals.length).toBeLessThanOrEqual(10);
      for (const { target } of account.refusals) expect(target).toMatch(/^[\x21-\x7e]{0,300}$/);
      for (const bytes of [account.sentBytes, account.receivedBytes])
        expect(Number.isSafeInteger(bytes) && bytes >= 0, String(bytes)).toBe(true);
      scene.session.accept(oddFrame(dice));
      expect(scene.session.close()).toEqual(account);
    });
  });
});

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('the supervisor', () => {
  it('tells each request one end whatever a broker sends, and kills one that breaks the protocol', async () => {
    await fuzz('broker-frames', 200, async (dice) => {
      const clock = new ManualClock();
      const puppets: Puppet[] = [];
      const supervisor = new Supervisor({
        ...{ clock, startTimeoutMs: 1_000, requestTimeoutMs: 5_000, onFault: () => undefined },
        spawn: async () => {
          const puppet = new Puppet();
          puppets.push(puppet);
          setImmediate(() => puppet.say(framesOf((writer) => writer.send(FRAME.ready, 0))));
          return handleOf(puppet);
        },
      });
      const ends: number[] = [];
      for (let count = 1 + dice.int(4); count > 0; count -= 1) {
        const at = ends.push(0) - 1;
        const ended = (): void => {
          ends[at] = (ends[at] ?? 0) + 1;
          request.end();
        };
        const request = supervisor.request({
          head: () => undefined,
          data: (_bytes, last, sent, received) => {
            expect(sent >= 0 && received >= 0).toBe(true);
            if (last) ended();
          },
          used: (bytes) => expect(Number.isSafeInteger(bytes)).toBe(true),
          failed: ended,
          lost: ended,
        });
        request.send(NETWORK_FRAME.fetch, { payload: Buffer.from('{}') });
      }
      for (let step = 2 + dice.int(8); step > 0; step -= 1) {
        await turn();
        const said = framesOf((writer) => {
          const fields = {
            ...oddFrame(dice),
            meta: dice.pick(['{"code":"E","message":"m"}', '{}', 'null', '']),
          };
          sendNetworkFrame(writer, dice.pick(TYPES), 0, 1 + dice.int(5), fields);
        });
        for (const piece of pieces(dice, dice.once(2) ? said : mutate(dice, said)))
          puppets.at(-1)?.say(piece);
        if (dice.once(4)) await clock.advance(dice.pick([100, 2_000]));
      }
      await clock.advance(60_000);
      expect(ends).toEqual(ends.map(() => 1));
      await supervisor.close();
    });
  });
});

const handleOf = (puppet: Puppet): ProcessHandle => ({
  ...{ pid: 1, channel: puppet.channel, exited: puppet.exited, stderrTail: () => '', usage: () => null },
  ...{ kill: () => puppet.die(), workerPid: () => null, stopped: () => false },
});
