import { describe, expect, it } from 'vitest';
import type { NetworkFailure } from '../guest/contract.ts';
import { type Frame, FrameError } from '../sandbox/protocol/frames.ts';
import {
  CHUNK_BYTES,
  FETCH,
  HEAD_MAX_BYTES,
  NETWORK_FRAME,
  type NetworkFields,
  type NetworkFrameType,
  WINDOW_BYTES,
} from '../sandbox/protocol/network-frames.ts';
import { denied, failed } from './failures.ts';
import { EgressSession, type Grant, type SessionHost } from './session.ts';
import type { RequestListener } from './supervisor.ts';

type Sent = [type: NetworkFrameType, fields: NetworkFields];

const HEAD = Buffer.from('{"any":"text"}');

/** A session between a sandbox and a broker that the test plays. */
const open = (
  limits: Partial<SessionHost['limits']> = {},
  allow = ['a.com:443'],
  offered = true,
  kind: Grant['kind'] = 'exchange',
) => {
  const toSandbox: Sent[] = [];
  const toBroker: Sent[] = [];
  const listeners: RequestListener[] = [];
  const counts = { open: 0, ended: 0, most: 10 };
  const session = new EgressSession(
    {
      limits: {
        maxHeaderBytes: 4_096,
        maxRequests: 5,
        maxSentBytes: 200_000,
        maxReceivedBytes: 200_000,
        ...limits,
      },
      enter: () => {
        if (counts.open >= counts.most) return counts.most;
        counts.open += 1;
        return null;
      },
      leave: () => {
        counts.open -= 1;
      },
      request: (listener) => {
        if (!offered) return null;
        listeners.push(listener);
        return {
          send: (type, fields) => toBroker.push([type, fields]),
          end: () => {
            counts.ended += 1;
          },
        };
      },
    },
    { tenant: 'acme', functionId: 'f1', allow, kind },
  );
  session.attach((type, fields) => toSandbox.push([type, fields]));
  const frame = (type: NetworkFrameType, fields: Partial<Frame>): void =>
    session.accept({
      ...{ type, flags: 0, instance: 1, nonce: 1, a: 1, b: 0, c: 0, meta: '', payload: Buffer.alloc(0) },
      ...fields,
    });
  const begin = (a: number, flags = 0): void =>
    frame(NETWORK_FRAME.fetch, { a, flags, meta: 'a.com:443', payload: HEAD });
  const tunnel = (a: number, target = 'a.com:443'): void =>
    frame(NETWORK_FRAME.fetch, {
      a,
      flags: FETCH.tunnel | FETCH.body,
      meta: target,
      payload: Buffer.from(target),
    });
  const failures = (): NetworkFailure[] =>
    toSandbox
      .filter(([type]) => type === NETWORK_FRAME.end)
      .map(([, { meta = '' }]) => JSON.parse(meta) as NetworkFailure);
  return { session, toSandbox, toBroker, listeners, counts, frame, begin, tunnel, failures };
};

const listener = ({ listeners }: ReturnType<typeof open>, index = 0): RequestListener => {
  const found = listeners[index];
  if (found === undefined) throw new Error(`there is no request ${index} at the broker`);
  return found;
};

describe('the network of an invocation', () => {
  it('passes a request on with its policy and its answer back, and counts what the broker tells', () => {
    const it = open();
    it.begin(1);
    expect(it.toBroker[0]?.[0]).toBe(NETWORK_FRAME.fetch);
    expect(JSON.parse(it.toBroker[0]?.[1].meta ?? '')).toMatchObject({
      ...{ allow: ['a.com:443'], maxSentBytes: 200_000, maxReceivedBytes: 200_000 },
    });
    listener(it).head('{"status":200}');
    listener(it).data(Buffer.from('abc'), false, 0, 0);
    listener(it).data(Buffer.from('d'), true, 120, 340);
    expect(it.toSandbox.map(([type]) => type)).toEqual([
      NETWORK_FRAME.head,
      NETWORK_FRAME.data,
      NETWORK_FRAME.data,
    ]);
    expect(it.counts).toMatchObject({ open: 0, ended: 1 });
    expect(it.session.close()).toEqual({
      ...{ requests: 1, refused: 0, sentBytes: 120, receivedBytes: 340, refusals: [] },
    });
  });

  it('ends with the invocation: places are given back, the broker is told, and nothing comes any more', () => {
    const it = open();
    it.begin(1);
    it.begin(2);
    const before = it.toSandbox.length;
    const account = it.session.close();
    expect(it.counts).toMatchObject({ open: 0, ended: 2 });
    listener(it).head('{}');
    listener(it).data(Buffer.from('late'), true, 1, 1);
    listener(it, 1).lost('gone');
    it.begin(3);
    expect(it.toSandbox.length).toBe(before);
    expect(account).toMatchObject({ requests: 2, sentBytes: 2 * HEAD.length });
    expect(it.session.close()).toEqual(account);
    expect(it.counts).toMatchObject({ open: 0, ended: 2 });
  });

  it('refuses without a broker when the function lists nothing', () => {
    const it = open({}, []);
    it.begin(1);
    expect(it.toBroker).toEqual([]);
    expect(it.failures()).toMatchObject([{ code: 'network_denied', refused: true }]);
    expect(it.session.close()).toMatchObject({
      ...{ requests: 1, refused: 1 },
      refusals: [
        {
          code: 'network_denied',
          target: 'a.com:443',
          detail: expect.stringContaining('network.allow is empty'),
        },
      ],
    });
  });

  it('refuses more requests than an invocation may make, and more at once than there may be', () => {
    const it = open({ maxRequests: 2 });
    it.counts.most = 1;
    it.begin(1);
    it.begin(2);
    it.begin(3);
    expect(it.failures()).toMatchObject([
      { code: 'network_limit', limit: { kind: 'networkRequestsAtOnce', configured: 1 } },
      { code: 'network_limit', limit: { kind: 'networkRequests', configured: 2, observed: 3 } },
    ]);
    expect(it.session.close()).toMatchObject({ requests: 3, refused: 2 });
  });

  it('fails where functions have no network at all', () => {
    const it = open({}, undefined, false);
    it.begin(1);
    expect(it.failures()).toMatchObject([{ code: 'network_unavailable' }]);
    expect(it.counts.open).toBe(0);
  });

  it('lists the first refusals and counts them all', () => {
    const it = open({ maxRequests: 100 }, []);
    for (let number = 1; number <= 50; number += 1) it.begin(number);
    const { refused, refusals } = it.session.close();
    expect([refused, refusals.length]).toEqual([50, 10]);
  });

  it('tells what a broker that died had begun', () => {
    const it = open();
    it.begin(1);
    listener(it).head('{}');
    listener(it).data(Buffer.alloc(10), false, 0, 0);
    listener(it).lost('it ended');
    expect(it.failures()).toMatchObject([{ code: 'network_unavailable', message: 'it ended' }]);
    expect(it.session.close()).toMatchObject({ refused: 1, receivedBytes: 12 });
  });

  it('shows of a target what can be printed', () => {
    const it = open({}, []);
    it.frame(NETWORK_FRAME.fetch, { a: 1, meta: `a\n\u001b[31m${'x'.repeat(1_000)}`, payload: HEAD });
    const { refusals } = it.session.close();
    expect(refusals[0]?.target).toMatch(/^a\?\?\[31mx+$/);
    expect(refusals[0]?.target.length).toBe(300);
  });
});

describe('limits of bytes', () => {
  it('hold for heads before they go to the broker', () => {
    const it = open();
    it.frame(NETWORK_FRAME.fetch, { payload: Buffer.alloc(20_000) });
    expect(it.failures()).toMatchObject([{ limit: { kind: 'networkHeaderBytes', configured: 4_096 } }]);
    expect(it.toBroker).toEqual([]);
  });

  it('count what the answers of an invocation bring together', () => {
    const it = open({ maxReceivedBytes: 100 });
    it.begin(1);
    it.begin(2);
    listener(it).data(Buffer.alloc(60), true, 0, 0);
    it.begin(3);
    expect(JSON.parse(it.toBroker[2]?.[1].meta ?? '')).toMatchObject({
      maxReceivedBytes: 40,
      receivedLimit: 100,
    });
    listener(it, 1).data(Buffer.alloc(60), false, 0, 0);
    expect(it.failures()).toMatchObject([
      { code: 'network_limit', limit: { kind: 'networkReceivedBytes', configured: 100 } },
    ]);
    expect(it.counts.open).toBe(1);
  });

  it('count what its requests send together', () => {
    const it = open({ maxSentBytes: 100 });
    it.begin(1, 1);
    it.frame(NETWORK_FRAME.data, { payload: Buffer.alloc(60) });
    it.frame(NETWORK_FRAME.data, { payload: Buffer.alloc(60) });
    expect(it.failures()).toMatchObject([{ limit: { kind: 'networkSentBytes', configured: 100 } }]);
    expect(it.toBroker.filter(([type]) => type === NETWORK_FRAME.data)).toHaveLength(1);
  });
});

describe('a broker that breaks the protocol', () => {
  it('by sending more than there is room for is found out', () => {
    const it = open({ maxReceivedBytes: 1e9 });
    it.begin(1);
    for (let sent = 0; sent < WINDOW_BYTES; sent += CHUNK_BYTES)
      listener(it).data(Buffer.alloc(CHUNK_BYTES), false, 0, 0);
    expect(() => listener(it).data(Buffer.alloc(1), false, 0, 0)).toThrow(FrameError);
  });

  it('by using up what it was not sent is found out', () => {
    const it = open();
    it.begin(1, 1);
    expect(() => listener(it).used(1)).toThrow(FrameError);
  });

  it('and answers a request twice is found out', () => {
    const it = open();
    it.begin(1);
    listener(it).head('{}');
    expect(() => listener(it).head('{}')).toThrow(FrameError);
  });
});

describe('a sandbox that breaks the protocol', () => {
  type Session = ReturnType<typeof open>;
  const cases: readonly [string, (it: Session) => void][] = [
    ['numbers a request 0', (it) => it.begin(0)],
    ['numbers a request with a fraction', (it) => it.begin(1.5)],
    ['numbers a request with nothing', (it) => it.begin(Number.NaN)],
    ['numbers a request beyond counting', (it) => it.begin(2 ** 60)],
    ['numbers two requests alike', (it) => [it.begin(1), it.begin(1)]],
    ['numbers downwards', (it) => [it.begin(5), it.begin(4)]],
    ['speaks of a request that was not begun', (it) => [it.begin(1), it.frame(NETWORK_FRAME.data, { a: 2 })]],
    ['sends an answer', (it) => [it.begin(1), it.frame(NETWORK_FRAME.head, { a: 1 })]],
    [
      'sends a head that is too large',
      (it) => it.frame(NETWORK_FRAME.fetch, { payload: Buffer.alloc(HEAD_MAX_BYTES + 1) }),
    ],
    [
      'sends a part that is too large',
      (it) => [it.begin(1, 1), it.frame(NETWORK_FRAME.data, { payload: Buffer.alloc(CHUNK_BYTES + 1) })],
    ],
    [
      'sends more than its credit',
      (it) => {
        it.begin(1, 1);
        for (let sent = 0; sent <= WINDOW_BYTES; sent += CHUNK_BYTES)
          it.frame(NETWORK_FRAME.data, { payload: Buffer.alloc(CHUNK_BYTES) });
      },
    ],
    [
      'sends parts without bytes, which no credit holds back',
      (it) => [it.begin(1, 1), it.frame(NETWORK_FRAME.data, {})],
    ],
    [
      'sends a part behind the last one',
      (it) => [
        it.begin(1, 1),
        it.frame(NETWORK_FRAME.data, { flags: 1 }),
        it.frame(NETWORK_FRAME.data, { flags: 1 }),
      ],
    ],
    [
      'sends a body that it did not announce',
      (it) => [it.begin(1), it.frame(NETWORK_FRAME.data, { payload: Buffer.alloc(1) })],
    ],
    ['gives credit for nothing', (it) => [it.begin(1), it.frame(NETWORK_FRAME.credit, { b: 1 })]],
    [
      'gives credit for more than it got',
      (it) => {
        it.begin(1);
        listener(it).data(Buffer.alloc(10), false, 0, 0);
        it.frame(NETWORK_FRAME.credit, { b: 11 });
      },
    ],
    ...[-1, 0, 0.5, Number.NaN, Number.POSITIVE_INFINITY].map((bytes): [string, (it: Session) => void] => [
      `gives ${bytes} bytes of credit`,
      (it) => {
        it.begin(1);
        listener(it).data(Buffer.alloc(10), false, 0, 0);
        it.frame(NETWORK_FRAME.credit, { b: bytes });
      },
    ]),
  ];

  it.each(cases)('and %s is found out', (_name, act) => {
    expect(() => act(open())).toThrow(FrameError);
  });

  it('is not one that speaks of a request that has just ended', () => {
    const it = open();
    it.begin(1, 1);
    listener(it).data(Buffer.from('x'), true, 1, 1);
    it.frame(NETWORK_FRAME.data, { a: 1, payload: Buffer.alloc(10) });
    it.frame(NETWORK_FRAME.credit, { a: 1, b: 1 });
    it.frame(NETWORK_FRAME.end, { a: 1 });
    expect(it.counts).toMatchObject({ open: 0, ended: 1 });
  });

  it('is not one that sends again what the broker has used up', () => {
    const it = open();
    it.begin(1, 1);
    for (let round = 0; round < 4; round += 1) {
      it.frame(NETWORK_FRAME.data, { payload: Buffer.alloc(CHUNK_BYTES) });
      listener(it).used(CHUNK_BYTES);
    }
    expect(it.toSandbox.filter(([type]) => type === NETWORK_FRAME.credit)).toHaveLength(4);
  });
});

describe('the tunnels of an invocation', () => {
  const openTunnels = (limits = {}) => open(limits, ['a.com:443'], true, 'tunnel');

  it('are passed on as such, and where they lead to is not counted as sent', () => {
    const it = openTunnels();
    it.tunnel(1);
    expect(it.toBroker[0]?.[1]).toMatchObject({
      flags: FETCH.tunnel | FETCH.body,
      payload: Buffer.from('a.com:443'),
    });
    expect(it.session.close()).toMatchObject({ requests: 1, sentBytes: 0, receivedBytes: 0 });
  });

  it('that fail say what a proxy answers with', () => {
    const it = openTunnels({ maxRequests: 3 });
    it.tunnel(1);
    listener(it).failed(denied('no'), 0, 0);
    it.tunnel(2);
    listener(it, 1).lost('gone');
    it.tunnel(3);
    listener(it, 2).failed(failed('ECONNREFUSED', 'nobody there'), 0, 0);
    it.tunnel(4);
    expect(it.toSandbox.map(([, { b }]) => b)).toEqual([403, 503, 502, 429]);
  });

  it.each([
    ['an exchange', (it: ReturnType<typeof open>) => it.begin(1)],
    ['a tunnel with too long a target', (it: ReturnType<typeof open>) => it.tunnel(1, 'a'.repeat(301))],
  ])('are all that there is: %s breaks the protocol', (_what, ask) => {
    expect(() => ask(openTunnels())).toThrow(FrameError);
  });

  it('are none where a sandbox makes exchanges', () => {
    const it = open();
    expect(() => it.tunnel(1)).toThrow(FrameError);
  });

  it('go on for another invocation, and each pays for its time', () => {
    const [first, second] = [openTunnels(), openTunnels()];
    first.tunnel(7);
    listener(first).head('');
    listener(first).data(Buffer.alloc(1_000), false, 0, 0);
    first.session.handOver(second.session);
    expect(first.session.close()).toMatchObject({ requests: 1, receivedBytes: 1_000 });
    expect(first.counts).toMatchObject({ open: 1, ended: 0 });
    const before = first.toSandbox.length;
    listener(first).data(Buffer.alloc(500), false, 0, 0);
    second.frame(NETWORK_FRAME.credit, { a: 7, b: 1_500 });
    second.frame(NETWORK_FRAME.data, { a: 7, payload: Buffer.alloc(20) });
    listener(first).data(Buffer.alloc(0), true, 30, 1_600);
    expect(first.toSandbox.length).toBe(before);
    expect(second.toSandbox.map(([type, { a }]) => [type, a])).toEqual([
      [NETWORK_FRAME.data, 7],
      [NETWORK_FRAME.data, 7],
    ]);
    // In this test each has a host of its own: the place is given back to that of the second.
    expect([first.counts.ended, second.counts.open]).toEqual([1, -1]);
    expect(second.session.close()).toMatchObject({ requests: 0, sentBytes: 30, receivedBytes: 600 });
    expect(() => second.tunnel(7)).not.toThrow();
  });
});
