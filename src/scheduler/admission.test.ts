import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StrataError } from '../core/errors.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { Admission, type AdmissionSettings, type EnterOptions, type Ticket } from './admission.ts';

const SETTINGS: AdmissionSettings = {
  ...{ maxInFlight: 10, maxInFlightPerTenant: 10, maxLength: 100, timeoutMs: 10_000 },
};

const open = (settings: Partial<AdmissionSettings> = {}) => {
  const clock = new ManualClock();
  return { clock, admission: new Admission({ clock, settings: { ...SETTINGS, ...settings } }) };
};

const by = (tenant: string, name = 'f') => ({ tenant, group: `${tenant}/${name}` });

/** Those that get in at once. */
const fill = (admission: Admission, tenant: string, count: number, name = 'f'): Ticket[] =>
  Array.from({ length: count }, () => admission.enter(by(tenant, name))).map((ticket) => {
    if (ticket instanceof Promise) throw new Error('it has to wait');
    return ticket;
  });

/** One that has to wait, and what becomes of it. */
const wait = (admission: Admission, tenant: string, options: EnterOptions = {}, name = 'f') => {
  const seen: { ticket: Ticket | null; refused: string | null; cancel: () => void } = {
    ...{ ticket: null, refused: null, cancel: () => {} },
  };
  const onWait = (cancel: () => void): void => {
    seen.cancel = cancel;
  };
  const enter = async (): Promise<Ticket> => admission.enter(by(tenant, name), { onWait, ...options });
  void enter().then(
    (ticket) => {
      seen.ticket = ticket;
    },
    (error: StrataError) => {
      seen.refused = error.code;
    },
  );
  return seen;
};

describe('who may be inside', () => {
  it('gets in at once while there is room, and its ticket gives the place back once', () => {
    const { admission } = open();
    const [first, second] = fill(admission, 'a', 2);
    expect(admission.inFlight).toBe(2);
    first?.leave();
    first?.leave();
    expect(admission.inFlight).toBe(1);
    second?.leave();
    expect(admission.view()).toEqual({
      ...{ inFlight: 0, maxInFlight: 10, waiting: 0, reserved: 0, heldBack: 0 },
    });
    expect(admission.known).toBe(0);
  });

  it('is refused at the limit of its tenant, and told when one of that tenant will have left', async () => {
    const { admission, clock } = open({ maxInFlightPerTenant: 4 });
    const tickets = fill(admission, 'a', 4);
    for (const ticket of tickets.splice(0)) {
      ticket.leave();
      fill(admission, 'a', 1);
      await clock.advance(500);
    }
    expect(() => admission.enter(by('a'))).toThrow(
      expect.objectContaining({
        ...{ code: 'concurrency_limit', retryAfterMs: 500 },
        limit: { kind: 'maxInFlightPerTenant', configured: 4, observed: 4 },
      }),
    );
    expect(fill(admission, 'b', 4)).toHaveLength(4);
  });

  it('is refused at a limit of its own where that is less, as it is now', () => {
    const limits = new Map([
      ['a', 2],
      ['b', 99],
    ]);
    const { admission } = open({
      ...{ maxInFlight: 20, maxInFlightPerTenant: 4 },
      inFlightOf: (tenant) => limits.get(tenant),
    });
    const refused = (tenant: string, configured: number): void =>
      expect(() => admission.enter(by(tenant))).toThrow(
        expect.objectContaining({
          limit: { kind: 'maxInFlightPerTenant', configured, observed: configured },
        }),
      );
    fill(admission, 'a', 2);
    refused('a', 2);
    limits.set('a', 3);
    fill(admission, 'a', 1);
    refused('a', 3);
    for (const tenant of ['b', 'c']) {
      fill(admission, tenant, 4);
      refused(tenant, 4);
    }
    expect(() => admission.reserve('a/f', 'a', 4)).toThrow(expect.objectContaining({ code: 'conflict' }));
  });

  it('waits in line when the server is full, and those in line count towards the limit of their tenant', async () => {
    const { admission, clock } = open({ maxInFlight: 4, maxInFlightPerTenant: 4 });
    const tickets = [...fill(admission, 'a', 3), ...fill(admission, 'b', 1)];
    const waiting = wait(admission, 'a');
    expect(admission.waiting).toBe(1);
    expect(() => admission.enter(by('a'))).toThrow(expect.objectContaining({ code: 'concurrency_limit' }));
    tickets[3]?.leave();
    await clock.advance(0);
    expect(waiting.ticket).not.toBeNull();
    expect(admission.view()).toMatchObject({ inFlight: 4, waiting: 0 });
  });

  it('is refused when the line is full, and told how long the line takes as it moves', async () => {
    const { admission, clock } = open({ maxInFlight: 2, maxLength: 2 });
    const [one, two] = fill(admission, 'a', 2);
    await clock.advance(100);
    one?.leave();
    fill(admission, 'a', 1);
    await clock.advance(100);
    two?.leave();
    fill(admission, 'a', 1);
    const waiting = [wait(admission, 'a'), wait(admission, 'a')];
    expect(() => admission.enter(by('a'))).toThrow(
      expect.objectContaining({
        ...{ code: 'overloaded', retryAfterMs: 150 },
        limit: { kind: 'queueLength', configured: 2, observed: 2 },
      }),
    );
    expect(waiting.map(({ refused }) => refused)).toEqual([null, null]);
  });

  it('waits no longer than the queue, or the caller, allows', async () => {
    const { admission, clock } = open({ maxInFlight: 1, timeoutMs: 1_000 });
    fill(admission, 'a', 1);
    const [long, short] = [wait(admission, 'a'), wait(admission, 'a', { maxWaitMs: 50 })];
    expect(() => admission.enter(by('a'), { maxWaitMs: 0 })).toThrow(
      expect.objectContaining({ code: 'queue_timeout', limit: expect.objectContaining({ configured: 0 }) }),
    );
    await clock.advance(50);
    expect([long.refused, short.refused]).toEqual([null, 'queue_timeout']);
    await clock.advance(950);
    expect(long.refused).toBe('queue_timeout');
    expect(admission.view()).toMatchObject({ inFlight: 1, waiting: 0 });
    expect(clock.pendingTimers).toBe(0);
  });

  it('leaves the line when its caller goes away, at its head or behind it, and the next one moves up', async () => {
    const { admission, clock } = open({ maxInFlight: 1 });
    const [inside] = fill(admission, 'a', 1);
    const [head, second, third] = [wait(admission, 'a'), wait(admission, 'a'), wait(admission, 'a')];
    second.cancel();
    head.cancel();
    // The place is freed just when nobody is at the head.
    inside?.leave();
    expect(admission.inFlight).toBe(0);
    const late = wait(admission, 'b');
    await clock.advance(0);
    expect([head.refused, second.refused, third.refused]).toEqual(['cancelled', 'cancelled', null]);
    expect([third.ticket === null, late.ticket === null]).toEqual([false, true]);
    third.cancel();
    expect(admission.view()).toMatchObject({ inFlight: 1, waiting: 1 });
  });

  it('is refused while it waits when everybody is', async () => {
    const { admission, clock } = open({ maxInFlight: 1 });
    const [inside] = fill(admission, 'a', 1);
    const waiting = [wait(admission, 'a'), wait(admission, 'b'), wait(admission, 'c')];
    admission.refuseAll(new StrataError('draining', 'The server is shutting down.'));
    await clock.advance(0);
    expect(waiting.map(({ refused }) => refused)).toEqual(['draining', 'draining', 'draining']);
    inside?.leave();
    expect(admission.known).toBe(0);
    expect(admission.view()).toMatchObject({ inFlight: 0, waiting: 0 });
  });

  it('goes before those whom nobody waits for', async () => {
    const { admission, clock } = open({ maxInFlight: 1 });
    let [ticket] = fill(admission, 'a', 1);
    const order: string[] = [];
    for (const [tenant, priority] of [
      ['head', 0],
      ['async', 0],
      ['sync', 1],
    ] as const)
      void Promise.resolve(admission.enter(by(tenant), { priority })).then((next) => {
        order.push(tenant);
        ticket = next;
      });
    for (let turn = 0; turn < 3; turn += 1) {
      ticket?.leave();
      await clock.advance(0);
    }
    expect(order).toEqual(['head', 'sync', 'async']);
  });
});

describe('fairness', () => {
  it('makes nobody wait for the flood of another tenant', async () => {
    const places = 10;
    const holdMs = 100;
    const { admission, clock } = open({
      ...{ maxInFlight: places, maxInFlightPerTenant: 1_000, maxLength: 1_000 },
    });
    const run = async (tenant: string): Promise<void> => {
      const ticket = await admission.enter(by(tenant));
      clock.setTimer(holdMs, () => ticket.leave());
    };
    const flood = (): void => {
      for (let have = admission.waiting; have < 10 * places; have += 1) void run('flood');
    };
    const waits: number[] = [];
    for (let second = 0; second < 20; second += 1) {
      flood();
      await clock.advance(0);
      const cameMs = clock.nowMs();
      void run('other').then(() => waits.push(clock.nowMs() - cameMs));
      for (let step = 0; step < 100; step += 1) {
        await clock.advance(10);
        flood();
      }
    }
    expect(waits).toHaveLength(20);
    // The head of the line is a flooder: one place goes to it, the next one to the other tenant.
    expect(Math.max(...waits)).toBeLessThanOrEqual(holdMs);
  });

  it('lets who floods the line give way to others, one place for each', async () => {
    const { admission, clock } = open({ maxInFlight: 1, maxInFlightPerTenant: 100, maxLength: 4 });
    fill(admission, 'flood', 1);
    const flooders = Array.from({ length: 4 }, () => wait(admission, 'flood'));
    const others = ['a', 'b', 'c'].map((tenant) => wait(admission, tenant));
    await clock.advance(0);
    expect(flooders.map(({ refused }) => refused)).toEqual([null, null, 'overloaded', 'overloaded']);
    // The flood has as many as another would have then, beside the head.
    expect(others.map(({ refused }) => refused)).toEqual([null, null, 'overloaded']);
    expect(admission.waiting).toBe(4);
  });

  it('remembers nothing of a hundred thousand tenants that somebody made up', async () => {
    const { admission, clock } = open({ maxInFlight: 50, maxLength: 50 });
    let refused = 0;
    const tickets: Ticket[] = [];
    for (let index = 0; index < 100_000; index += 1) {
      try {
        const ticket = admission.enter(by(`t${index}`));
        if (ticket instanceof Promise) ticket.catch(() => {});
        else tickets.push(ticket);
      } catch {
        refused += 1;
      }
    }
    expect(refused).toBe(99_900);
    expect(admission.known).toBe(100);
    await clock.advance(SETTINGS.timeoutMs);
    for (const ticket of tickets) ticket.leave();
    expect(admission.known).toBe(0);
  });
});

describe('reserved concurrency', () => {
  it('is held back from all others, and found when all the rest is full', () => {
    const { admission } = open();
    admission.reserve('a/kept', 'a', 3);
    expect(fill(admission, 'b', 7)).toHaveLength(7);
    expect(admission.view()).toMatchObject({ inFlight: 7, reserved: 3, heldBack: 3 });
    void wait(admission, 'b');
    expect(fill(admission, 'a', 3, 'kept')).toHaveLength(3);
    expect(admission.enter(by('a', 'kept'))).toBeInstanceOf(Promise);
    expect(admission.view()).toMatchObject({ inFlight: 10, waiting: 2, heldBack: 0 });
  });

  it('is held back from the other functions of the same tenant too', () => {
    const { admission } = open({ maxInFlightPerTenant: 5 });
    admission.reserve('a/kept', 'a', 2);
    fill(admission, 'a', 3);
    expect(() => admission.enter(by('a'))).toThrow(expect.objectContaining({ code: 'concurrency_limit' }));
    const [kept] = fill(admission, 'a', 2, 'kept');
    kept?.leave();
    expect(() => admission.enter(by('a'))).toThrow(expect.objectContaining({ code: 'concurrency_limit' }));
    expect(fill(admission, 'a', 1, 'kept')).toHaveLength(1);
  });

  it('goes to who waits for it when one of its own leaves, before the head of the line', async () => {
    const { admission, clock } = open({ maxInFlight: 2 });
    admission.reserve('a/kept', 'a', 1);
    const [kept] = fill(admission, 'a', 1, 'kept');
    const [other] = fill(admission, 'b', 1);
    const [head, later] = [wait(admission, 'b'), wait(admission, 'a', {}, 'kept')];
    kept?.leave();
    await clock.advance(0);
    expect([head.ticket === null, later.ticket === null]).toEqual([true, false]);
    other?.leave();
    await clock.advance(0);
    expect(head.ticket).not.toBeNull();
  });

  it('is refused beyond what may be reserved, of a tenant and in all, and nothing changes', () => {
    const { admission } = open({ maxInFlight: 20, maxInFlightPerTenant: 10 });
    admission.reserve('a/f', 'a', 8);
    expect(() => admission.reserve('a/g', 'a', 3)).toThrow(
      expect.objectContaining({ code: 'conflict', message: expect.stringMatching(/ 3 .* 11; .* allows 10/) }),
    );
    admission.reserve('b/f', 'b', 10);
    expect(() => admission.reserve('c/f', 'c', 1)).toThrow(
      expect.objectContaining({ code: 'conflict', message: expect.stringMatching(/ 18, 90 % .* 20/) }),
    );
    expect(admission.view()).toMatchObject({ reserved: 18, heldBack: 18 });
    expect(admission.reserved('c/f')).toBe(0);
    for (const tenant of ['a', 'b']) admission.reserve(`${tenant}/f`, tenant, 0);
    expect(admission.known).toBe(0);
  });

  it('that is given up lets in who waits', async () => {
    const { admission, clock } = open({ maxInFlight: 3 });
    admission.reserve('a/kept', 'a', 2);
    fill(admission, 'b', 1);
    const waiting = [wait(admission, 'b'), wait(admission, 'b'), wait(admission, 'b')];
    admission.reserve('a/kept', 'a', 0);
    await clock.advance(0);
    expect(waiting.map(({ ticket }) => ticket !== null)).toEqual([true, true, false]);
  });

  it('that comes while the server is full is found as soon as somebody leaves', async () => {
    const { admission, clock } = open({ maxInFlight: 3 });
    const inside = fill(admission, 'b', 3);
    const [head, first] = [wait(admission, 'b'), wait(admission, 'a', {}, 'kept')];
    admission.reserve('a/kept', 'a', 2);
    const kept = wait(admission, 'a', {}, 'kept');
    inside[0]?.leave();
    await clock.advance(0);
    // Who came before the reservation has none of it.
    expect([head.ticket, first.ticket, kept.ticket].map((ticket) => ticket !== null)).toEqual([
      ...[false, false, true],
    ]);
  });
});

describe('whatever happens in whatever order', () => {
  const LIMITS = { maxInFlight: 8, maxInFlightPerTenant: 6, maxLength: 6, timeoutMs: 200 };
  const TENANTS = ['a', 'b', 'c'];
  const NAMES = ['f', 'g'];
  const step = fc.record({
    act: fc.constantFrom('enter', 'enter', 'enter', 'leave', 'leave', 'cancel', 'time', 'reserve'),
    tenant: fc.constantFrom(...TENANTS),
    name: fc.constantFrom(...NAMES),
    priority: fc.constantFrom(0 as const, 1 as const),
    pick: fc.nat(1_000),
    waitMs: fc.constantFrom(undefined, 0, 5, 50),
    // The line needs some microtasks to bring the next one forward: whoever comes between must not slip in.
    ticks: fc.constantFrom(0, 1, 2, 3, 5, 50),
  });

  interface Guest {
    readonly tenant: string;
    readonly group: string;
    state: 'waiting' | 'inside' | 'over';
    settled: number;
    ticket: Ticket | null;
    cancel: () => void;
  }

  const play = async (
    steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[],
    changes: boolean,
  ) => {
    const { admission, clock } = open(LIMITS);
    const amounts = new Map([
      ['a/f', 2],
      ['b/f', 1],
      ['b/g', 3],
    ]);
    for (const [group, amount] of amounts) admission.reserve(group, group.slice(0, 1), amount);
    const guests: Guest[] = [];
    const of = (state: Guest['state'], test: (guest: Guest) => boolean = () => true): Guest[] =>
      guests.filter((guest) => guest.state === state && test(guest));
    const settle = (guest: Guest, ticket: Ticket | null): void => {
      guest.settled += 1;
      guest.ticket = ticket;
      guest.state = ticket === null ? 'over' : 'inside';
    };
    const leave = (guest: Guest | undefined): void => {
      if (guest === undefined) return;
      guest.ticket?.leave();
      guest.state = 'over';
      guest.ticket?.leave();
    };
    const enter = ({ tenant, name, priority, waitMs }: (typeof steps)[number]): void => {
      const who = by(tenant, name);
      const guest: Guest = { ...who, state: 'waiting', settled: 0, ticket: null, cancel: () => {} };
      const hadRoom = of('inside', ({ group }) => group === who.group).length < (amounts.get(who.group) ?? 0);
      const hadWaiting = admission.waiting;
      guests.push(guest);
      const onWait = (cancel: () => void): void => {
        guest.cancel = cancel;
      };
      try {
        const ticket = admission.enter(who, { priority, maxWaitMs: waitMs, onWait });
        if (ticket instanceof Promise) {
          if (!changes && settledAll) expect(hadRoom).toBe(false);
          ticket.then(
            (given) => settle(guest, given),
            () => settle(guest, null),
          );
        } else {
          if (!changes && settledAll) expect(hadWaiting === 0 || hadRoom).toBe(true);
          settle(guest, ticket);
        }
      } catch (refusal) {
        expect(refusal).toBeInstanceOf(StrataError);
        if (!changes && settledAll) expect(hadRoom).toBe(false);
        settle(guest, null);
      }
    };
    const expectRight = (): void => {
      const view = admission.view();
      expect(view.inFlight).toBeLessThanOrEqual(LIMITS.maxInFlight);
      expect(view.waiting).toBeLessThanOrEqual(LIMITS.maxLength);
      if (!settledAll) return;
      expect([view.inFlight, view.waiting]).toEqual([of('inside').length, of('waiting').length]);
      for (const tenant of TENANTS) {
        const mine = (guest: Guest): boolean => guest.tenant === tenant;
        const count = of('inside', mine).length + of('waiting', mine).length;
        expect(count).toBeLessThanOrEqual(LIMITS.maxInFlightPerTenant);
      }
      // Nobody waits beside a free place.
      if (view.waiting > 0) expect(view.inFlight + view.heldBack).toBeGreaterThanOrEqual(LIMITS.maxInFlight);
      if (changes) return;
      let heldBack = 0;
      for (const [group, amount] of amounts) {
        const inside = of('inside', (guest) => guest.group === group).length;
        heldBack += Math.max(0, amount - inside);
        if (inside < amount) expect(of('waiting', (guest) => guest.group === group)).toEqual([]);
      }
      expect(view.heldBack).toBe(heldBack);
      expect(view.inFlight + heldBack).toBeLessThanOrEqual(LIMITS.maxInFlight);
    };
    let settledAll = true;
    for (const one of steps) {
      const { act, pick, ticks, tenant, name } = one;
      if (act === 'enter') enter(one);
      if (act === 'leave') leave(of('inside')[pick % of('inside').length]);
      if (act === 'cancel') guests[pick % guests.length]?.cancel();
      if (act === 'time') await clock.advance(pick % 100);
      if (act === 'reserve' && changes) {
        try {
          admission.reserve(`${tenant}/${name}`, tenant, pick % 5);
        } catch (refusal) {
          expect(refusal).toMatchObject({ code: 'conflict' });
        }
      }
      for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
      settledAll = ticks === 50 || act === 'time';
      expectRight();
    }
    await clock.advance(0);
    for (let left = of('inside'); left.length > 0; left = of('inside')) {
      leave(left[0]);
      await clock.advance(0);
      settledAll = true;
      expectRight();
    }
    expect(guests.filter(({ settled }) => settled !== 1)).toEqual([]);
    for (const tenant of TENANTS) for (const name of NAMES) admission.reserve(`${tenant}/${name}`, tenant, 0);
    expect(admission.view()).toMatchObject({ inFlight: 0, waiting: 0, reserved: 0, heldBack: 0 });
    expect([admission.known, clock.pendingTimers]).toEqual([0, 0]);
  };

  it.each([
    ['fixed', false],
    ['changing', true],
  ])('limits hold, reserved room is found and nobody is lost, with %s reservations', async (_, changes) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), (steps) => play(steps, changes)),
      { numRuns: 1_000, seed: 20_261_121 },
    );
  });
});
