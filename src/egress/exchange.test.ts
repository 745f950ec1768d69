import { describe, expect, it } from 'vitest';
import { ManualClock } from '../ports/manual-clock.ts';
import type { Frame } from '../sandbox/protocol/frames.ts';
import {
  DATA,
  FETCH,
  NETWORK_FRAME,
  type NetworkFields,
  type NetworkFrameType,
  WINDOW_BYTES,
} from '../sandbox/protocol/network-frames.ts';
import { exchange } from './exchange.ts';
import { denied } from './failures.ts';
import type { Grant } from './session.ts';

/** One request between the server and a session that the test plays. */
const open = (body: Uint8Array, url = 'https://a.com/hook?x=1') => {
  const clock = new ManualClock();
  const frames: Frame[] = [];
  const state = { closed: 0, grant: null as Grant | null };
  let answer: (type: NetworkFrameType, fields: NetworkFields) => void = () => {};
  const source = {
    open(grant: Grant) {
      state.grant = grant;
      return {
        attach: (send: typeof answer) => {
          answer = send;
        },
        accept: (frame: Frame) => void frames.push(frame),
        close: () => {
          state.closed += 1;
          return { requests: 1, refused: 0, sentBytes: 0, receivedBytes: 0, refusals: [] };
        },
      };
    },
  };
  const status = exchange(source, clock, {
    ...{ tenant: 'acme', functionId: 'webhook/acme/f', method: 'POST', url, headers: [['X-A', 'b']] },
    ...{ body, timeoutMs: 1_000 },
  });
  status.catch(() => {});
  return { clock, frames, state, status, answer: (...told: Parameters<typeof answer>) => answer(...told) };
};

describe('a request of the server', () => {
  it('may reach the host and port of its URL alone', () => {
    expect(open(Buffer.from('{}')).state.grant?.allow).toEqual(['a.com:443']);
    expect(open(Buffer.from('{}'), 'http://[2001:db8::1]:8080/').state.grant?.allow).toEqual([
      '[2001:db8::1]:8080',
    ]);
    expect(open(Buffer.from('{}'), 'http://b.com/').state.grant?.allow).toEqual(['b.com:80']);
  });

  it('sends no more than its credit, and the rest when there is more', () => {
    const { frames, answer } = open(Buffer.alloc(WINDOW_BYTES + 10, 'x'));
    const sent = (): number =>
      frames
        .filter(({ type }) => type === NETWORK_FRAME.data)
        .reduce((sum, { payload }) => sum + payload.length, 0);
    expect(frames[0]).toMatchObject({ type: NETWORK_FRAME.fetch, flags: FETCH.body, a: 1 });
    expect(sent()).toBe(WINDOW_BYTES);
    answer(NETWORK_FRAME.credit, { a: 1, b: 100 });
    expect(sent()).toBe(WINDOW_BYTES + 10);
    expect(frames.at(-1)?.flags).toBe(DATA.last);
  });

  it('resolves with the status, and leaves the rest of the answer unread', async () => {
    const { status, state, answer } = open(Buffer.from('{}'));
    answer(NETWORK_FRAME.head, { a: 1, meta: '{"status":204,"statusText":"","headers":[]}' });
    expect(await status).toBe(204);
    expect(state.closed).toBe(1);
  });

  it('says why there was no answer', async () => {
    const { status, state, answer } = open(Buffer.from('{}'));
    answer(NETWORK_FRAME.end, { a: 1, meta: JSON.stringify(denied('not there')) });
    await expect(status).rejects.toThrow('network_denied: not there');
    expect(state.closed).toBe(1);
  });

  it('ends at its time', async () => {
    const { status, state, clock } = open(Buffer.from('{}'));
    await clock.advance(1_000);
    await expect(status).rejects.toThrow(/within 1000 ms/);
    expect(state.closed).toBe(1);
  });
});
