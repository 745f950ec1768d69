import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { StrataError } from '../core/errors.ts';
import { broken, POLICY, QueueWorld } from './testing.ts';

const MINUTE_MS = 60_000;

/** The error that a promise is rejected with. */
const refusedWith = (promise: Promise<unknown>): Promise<StrataError> =>
  promise.then(
    () => Promise.reject(new Error('it was not refused')),
    (error: StrataError) => error,
  );

const accepted = async (world: QueueWorld, ...args: Parameters<QueueWorld['accept']>): Promise<string> => {
  const accepting = world.accept(...args);
  accepting.catch(() => {});
  await world.run(0);
  return accepting;
};

describe('an accepted event', () => {
  it('runs, and its result and receipt are kept', async () => {
    const world = await new QueueWorld().open();
    world.script = ({ eventJson }) => ({ tookMs: 5, result: JSON.parse(Buffer.from(eventJson).toString()) });
    const id = await accepted(world, { event: { n: 7 } });
    await world.run(100);
    const view = await world.queue.get(id, 'acme');
    expect(view).toMatchObject({ status: 'succeeded', attempts: 1, result: { n: 7 }, resultDropped: false });
    expect(view?.receipt).toMatchObject({ invocationId: id, status: 'succeeded' });
    expect([...world.ledger.keys()]).toEqual([`${id}/1`]);
    expect(world.queue.stats()).toMatchObject({ queued: 0, running: 0, ended: { succeeded: 1 } });
  });

  it('is nobody else’s', async () => {
    const world = await new QueueWorld().open();
    const id = await accepted(world);
    expect(await world.queue.get(id, 'other')).toBeNull();
    expect((await refusedWith(world.queue.cancel(id, 'other'))).code).toBe('not_found');
  });

  it('is refused when it is too large, and when its function does not exist', async () => {
    const world = await new QueueWorld().open();
    expect((await refusedWith(world.accept({ event: 'x'.repeat(1_001) }))).code).toBe('payload_too_large');
    expect((await refusedWith(world.accept({ function: 'g' }))).code).toBe('not_found');
  });

  it('is refused while the disk is full, and holds no place then', async () => {
    const world = await new QueueWorld({ maxQueued: 1, maxQueuedPerTenant: 1 }).open();
    world.diskFull = true;
    expect((await refusedWith(world.accept())).code).toBe('storage_full');
    world.diskFull = false;
    await expect(world.accept()).resolves.toBe('id-2');
  });

  it('ends when the disk was full meanwhile and has room again', async () => {
    const world = await new QueueWorld().open();
    world.script = () => ({ tookMs: 100, result: 1 });
    const id = await accepted(world);
    world.diskFull = true;
    await world.run(5_000);
    world.diskFull = false;
    await world.run(5_000);
    expect(world.database.get(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(world.began).toHaveLength(1);
  });
});

describe('retries', () => {
  it('follow what the function failed, with a pause that doubles, and end in a dead letter', async () => {
    const world = await new QueueWorld().open();
    const times: number[] = [];
    world.script = () => {
      times.push(world.clock.nowMs());
      return { fails: broken() };
    };
    const id = await accepted(world, { event: 1 });
    await world.run(MINUTE_MS);
    expect(times).toHaveLength(3);
    const [first = 0, second = 0, third = 0] = times;
    expect(second - first).toBeGreaterThanOrEqual(500);
    expect(second - first).toBeLessThanOrEqual(1_000);
    expect(third - second).toBeGreaterThanOrEqual(1_000);
    expect(third - second).toBeLessThanOrEqual(2_000);
    expect(await world.queue.get(id, 'acme')).toMatchObject({
      ...{ status: 'failed', attempts: 3, deadLetter: true, failure: { code: 'function_error' } },
    });
    expect([...world.ledger.keys()]).toEqual([`${id}/1`, `${id}/2`, `${id}/3`]);
  });

  it('after refusals and lost sandboxes use up none of the function’s', async () => {
    const world = await new QueueWorld({}, { maxRetries: 0 }).open();
    let turn = 0;
    world.script = () => {
      turn += 1;
      if (turn < 5) return { refused: new StrataError('overloaded', 'Full.') };
      if (turn < 9) return { fails: { ...broken(), code: 'sandbox_lost' } };
      return { result: 'at last' };
    };
    const id = await accepted(world);
    await world.run(60 * MINUTE_MS);
    expect(await world.queue.get(id, 'acme')).toMatchObject({ status: 'succeeded', attempts: 5 });
  });

  it('end when the event is too old', async () => {
    const world = await new QueueWorld({}, { maxEventAgeMs: 10 * MINUTE_MS }).open();
    world.script = () => ({ refused: new StrataError('overloaded', 'Full.') });
    const id = await accepted(world);
    await world.run(11 * MINUTE_MS);
    const view = await world.queue.get(id, 'acme');
    expect(view).toMatchObject({ status: 'expired', deadLetter: true, failure: { code: 'event_expired' } });
    expect(Date.parse(view?.finishedAt ?? '') - Date.parse(view?.acceptedAt ?? '')).toBe(10 * MINUTE_MS);
  });

  it('are none for a function that was deleted, which ends as a dead letter', async () => {
    const world = await new QueueWorld().open();
    world.script = () => ({ refused: new StrataError('not_found', 'There is no function f.') });
    const id = await accepted(world);
    await world.run(10);
    expect(await world.queue.get(id, 'acme')).toMatchObject({
      ...{ status: 'failed', attempts: 0, deadLetter: true, failure: { code: 'not_found' } },
    });
  });

  it('are none for what is delivered at most once', async () => {
    const world = await new QueueWorld({}, { delivery: 'at-most-once' }).open();
    world.script = () => ({ fails: { ...broken(), code: 'sandbox_lost' } });
    const id = await accepted(world);
    await world.run(10 * MINUTE_MS);
    expect(await world.queue.get(id, 'acme')).toMatchObject({ status: 'failed', attempts: 1 });
  });
});

describe('after a crash', () => {
  it('what ran runs again under the same number, and is billed once', async () => {
    const world = await new QueueWorld().open();
    world.script = () => ({ tookMs: 1_000, result: 1 });
    const id = await accepted(world);
    await world.run(500);
    world.crash();
    await world.open();
    await world.run(5_000);
    expect(world.began).toHaveLength(2);
    expect([...world.ledger.keys()]).toEqual([`${id}/1`]);
    expect(await world.queue.get(id, 'acme')).toMatchObject({ status: 'succeeded', attempts: 1 });
  });

  it('what is delivered at most once has failed and does not run again', async () => {
    const world = await new QueueWorld({}, { delivery: 'at-most-once' }).open();
    world.script = () => ({ tookMs: 1_000, result: 1 });
    const id = await accepted(world);
    await world.run(500);
    world.crash();
    await world.open();
    await world.run(5_000);
    expect(world.began).toHaveLength(1);
    expect(await world.queue.get(id, 'acme')).toMatchObject({
      ...{ status: 'failed', deadLetter: true, failure: { code: 'interrupted' } },
    });
  });

  it('again and again, an event is given up: it may be what kills the server', async () => {
    const world = await new QueueWorld({ maxInterruptions: 2 }).open();
    world.script = () => ({ tookMs: 1_000, result: 1 });
    const id = await accepted(world);
    for (const _ of [1, 2, 3]) {
      await world.run(500);
      world.crash();
      await world.open();
    }
    await world.run(5_000);
    expect(await world.queue.get(id, 'acme')).toMatchObject({
      ...{ status: 'failed', failure: { code: 'interrupted' } },
    });
  });
});

describe('an idempotency key', () => {
  it('brings the same invocation for the same event, and none for another', async () => {
    const world = await new QueueWorld().open();
    const first = await accepted(world, { event: 1, idempotencyKey: 'k' });
    await world.run(100);
    expect(await accepted(world, { event: 1, idempotencyKey: 'k' })).toBe(first);
    expect((await refusedWith(accepted(world, { event: 2, idempotencyKey: 'k' }))).code).toBe('conflict');
    expect(await accepted(world, { event: 1, idempotencyKey: 'k', tenant: 'other' })).not.toBe(first);
    await world.run(100);
    expect(world.began).toHaveLength(2);
    expect(world.queue.stats()).toMatchObject({ queued: 0 });
  });

  it('is one for two requests at once', async () => {
    const world = await new QueueWorld().open();
    const both = [0, 1].map(() => world.accept({ event: 1, idempotencyKey: 'k' }));
    await world.run(100);
    expect(new Set(await Promise.all(both)).size).toBe(1);
    expect(world.began).toHaveLength(1);
  });

  it('is refused when it is too long or has blanks', async () => {
    const world = await new QueueWorld().open();
    for (const idempotencyKey of ['', 'a b', 'k'.repeat(129), 'ä'])
      expect((await refusedWith(world.accept({ idempotencyKey }))).code).toBe('invalid_request');
  });

  it('is forgotten with its invocation, after the time that is set', async () => {
    const world = await new QueueWorld({ keepMs: MINUTE_MS }).open();
    const first = await accepted(world, { idempotencyKey: 'k' });
    await world.run(4 * MINUTE_MS);
    expect(await world.queue.get(first, 'acme')).toBeNull();
    expect(await accepted(world, { idempotencyKey: 'k' })).not.toBe(first);
  });
});

describe('bounds', () => {
  it('refuse a tenant with a backlog, and leave room for another', async () => {
    const world = await new QueueWorld({ maxQueued: 10, maxQueuedPerTenant: 10 }).open();
    world.isRoom = () => false;
    const greedy = await Promise.allSettled(Array.from({ length: 20 }, () => world.accept()));
    expect(greedy.filter(({ status }) => status === 'fulfilled')).toHaveLength(8);
    for (const tenant of ['b', 'c']) await expect(world.accept({ tenant })).resolves.toMatch(/^id-/);
    const error = await refusedWith(world.accept());
    expect(error).toMatchObject({ code: 'overloaded', limit: { kind: 'asyncQueued' } });
    expect(error.retryAfterMs).toBeGreaterThan(0);
  });

  it('let tenants take turns, so that a backlog delays nobody else', async () => {
    const world = await new QueueWorld({ maxRunning: 1, maxRunningPerTenant: 1 }).open();
    world.script = () => ({ tookMs: 10, result: 1 });
    for (let count = 0; count < 50; count += 1) await accepted(world);
    await accepted(world, { tenant: 'other' });
    await world.run(25);
    expect(world.began.slice(0, 3).map(({ tenant }) => tenant)).toContain('other');
  });

  it('hold no more at once than may run, in all, of a tenant and of a function', async () => {
    const world = await new QueueWorld({ maxRunning: 5, maxRunningPerTenant: 4 }).open();
    world.policies.set('g', POLICY);
    world.script = () => ({ tookMs: 1_000, result: 1 });
    for (let count = 0; count < 10; count += 1) await accepted(world);
    expect(world.queue.stats().running).toBe(2);
    for (let count = 0; count < 10; count += 1) await accepted(world, { function: 'g' });
    expect(world.queue.stats().running).toBe(4);
    for (let count = 0; count < 10; count += 1) await accepted(world, { tenant: 'other' });
    expect(world.queue.stats().running).toBe(5);
  });

  it('begin nothing while only one place is left for those who wait', async () => {
    const world = await new QueueWorld().open();
    let room = false;
    world.isRoom = () => room;
    const id = await accepted(world);
    await world.run(1_000);
    expect(world.began).toHaveLength(0);
    room = true;
    await world.run(1_000);
    expect((await world.queue.get(id, 'acme'))?.status).toBe('succeeded');
  });

  it('forget the oldest of what has ended, and dead letters apart from the rest', async () => {
    const world = await new QueueWorld({ maxKeptPerTenant: 3, maxDeadLettersPerTenant: 2 }).open();
    const ids: string[] = [];
    for (let count = 0; count < 6; count += 1) ids.push(await accepted(world));
    await world.run(20_000);
    const kept = await world.queue.list({ tenant: 'acme', function: 'f' });
    expect(kept.invocations.map(({ invocationId }) => invocationId)).toEqual(ids.slice(3).reverse());
    world.script = () => ({ refused: new StrataError('not_found', 'Gone.') });
    for (let count = 0; count < 4; count += 1) await accepted(world);
    await world.run(20_000);
    expect((await world.queue.deadLetters({ tenant: 'acme', function: 'f' })).invocations).toHaveLength(2);
  });
});

describe('cancelling', () => {
  it('keeps a queued one from running', async () => {
    const world = await new QueueWorld().open();
    world.isRoom = () => false;
    const id = await accepted(world);
    const cancelling = world.queue.cancel(id, 'acme');
    await world.run(0);
    expect((await cancelling).status).toBe('cancelled');
    world.isRoom = () => true;
    await world.run(1_000);
    expect(world.began).toHaveLength(0);
    expect((await refusedWith(world.queue.cancel(id, 'acme'))).code).toBe('conflict');
  });

  it('lets one that runs end, bills it, and does not try it again', async () => {
    const world = await new QueueWorld().open();
    world.script = () => ({ tookMs: 1_000, fails: broken() });
    const id = await accepted(world);
    await world.run(500);
    const cancelling = world.queue.cancel(id, 'acme');
    await world.run(0);
    expect(await cancelling).toMatchObject({ status: 'running', cancelRequested: true });
    await world.run(10 * MINUTE_MS);
    expect(await world.queue.get(id, 'acme')).toMatchObject({ status: 'cancelled', attempts: 1 });
    expect(world.ledger.size).toBe(1);
  });

  it('holds when the server is killed before the end', async () => {
    const world = await new QueueWorld().open();
    world.script = () => ({ tookMs: 1_000, result: 1 });
    const id = await accepted(world);
    await world.run(500);
    void world.queue.cancel(id, 'acme');
    await world.run(0);
    world.crash();
    await world.open();
    await world.run(5_000);
    expect(world.began).toHaveLength(1);
    expect(await world.queue.get(id, 'acme')).toMatchObject({ status: 'cancelled' });
  });
});

describe('dead letters', () => {
  const withDeadLetter = async (): Promise<{ world: QueueWorld; id: string }> => {
    const world = await new QueueWorld({}, { maxRetries: 0 }).open();
    world.script = () => ({ fails: broken() });
    const id = await accepted(world, { event: { n: 1 } });
    await world.run(100);
    return { world, id };
  };

  it('are redriven with the same event, and no attempt number is used twice', async () => {
    const { world, id } = await withDeadLetter();
    world.script = ({ eventJson }) => ({ result: JSON.parse(Buffer.from(eventJson).toString()) });
    const redriving = world.queue.redrive('acme', 'f', null);
    await world.run(100);
    expect(await redriving).toEqual({ redriven: 1 });
    expect(await world.queue.get(id, 'acme')).toMatchObject({
      ...{ status: 'succeeded', attempts: 2, result: { n: 1 }, deadLetter: false },
    });
    expect([...world.ledger.keys()]).toEqual([`${id}/1`, `${id}/2`]);
  });

  it('that are redriven in the transaction in which they ended hold one place, and give it back', async () => {
    const world = await new QueueWorld({ maxQueued: 3, maxQueuedPerTenant: 3 }, { maxRetries: 0 }).open();
    world.script = (_attempt, runs) => ({ tookMs: 100, ...(runs === 0 ? { fails: broken() } : {}) });
    const id = await accepted(world);
    await world.run(50);
    let goOn = (): void => {};
    world.slowDisk = new Promise((resolve) => {
      goOn = resolve;
    });
    // While its transaction is under way, what comes shares the next.
    const other = world.accept();
    await world.run(500);
    const redriving = world.queue.redrive('acme', 'f', null);
    await world.run(0);
    world.slowDisk = null;
    goOn();
    await world.run(1_000);
    expect(await redriving).toEqual({ redriven: 1 });
    expect(await world.queue.get(id, 'acme')).toMatchObject({ status: 'succeeded', attempts: 2 });
    expect(await world.queue.get(await other, 'acme')).toMatchObject({ status: 'failed' });
    expect(world.queue.stats()).toMatchObject({ queued: 0, running: 0 });
    world.isRoom = () => false;
    for (let count = 0; count < 3; count += 1) await accepted(world);
    expect((await refusedWith(accepted(world))).code).toBe('overloaded');
  });

  it('are redriven as far as there is room, also by two calls at once', async () => {
    const world = await new QueueWorld({ maxQueuedPerTenant: 3 }, { maxRetries: 0 }).open();
    world.script = () => ({ fails: broken() });
    for (let count = 0; count < 6; count += 1) {
      await accepted(world);
      await world.run(100);
    }
    world.isRoom = () => false;
    const both = [1, 2].map(() =>
      world.queue.redrive('acme', 'f', null).then(
        ({ redriven }) => redriven,
        ({ code }: StrataError) => code,
      ),
    );
    await world.run(100);
    expect(await Promise.all(both)).toEqual([3, 'overloaded']);
  });

  it('that have no room for their bytes stay dead letters', async () => {
    const { world, id } = await withDeadLetter();
    const small = new QueueWorld({ maxQueuedMbPerTenant: 0.000_001 });
    Object.defineProperty(small, 'database', { value: world.database });
    await small.open();
    expect((await refusedWith(small.queue.redrive('acme', 'f', id))).code).toBe('overloaded');
    expect(await small.queue.get(id, 'acme')).toMatchObject({ deadLetter: true });
  });

  it('are discarded, and are nobody else’s', async () => {
    const { world, id } = await withDeadLetter();
    for (const act of ['redrive', 'discard'] as const)
      expect((await refusedWith(world.queue[act]('other', 'f', id))).code).toBe('not_found');
    expect(await world.queue.discard('acme', 'f', id)).toEqual({ discarded: 1 });
    expect((await world.queue.deadLetters({ tenant: 'acme', function: 'f' })).invocations).toEqual([]);
    expect((await refusedWith(world.queue.redrive('acme', 'f', id))).code).toBe('not_found');
  });

  it('are listed page by page', async () => {
    const world = await new QueueWorld({}, { maxRetries: 0 }).open();
    world.script = () => ({ fails: broken() });
    for (let count = 0; count < 5; count += 1) await accepted(world);
    await world.run(100);
    const first = await world.queue.deadLetters({ tenant: 'acme', function: 'f', limit: 3 });
    const { nextCursor } = first;
    expect(first.invocations).toHaveLength(3);
    const rest = { tenant: 'acme', function: 'f', limit: 3, cursor: nextCursor ?? '' };
    expect(await world.queue.deadLetters(rest)).toMatchObject({ invocations: [{}, {}], nextCursor: null });
    expect((await refusedWith(world.queue.deadLetters({ ...rest, cursor: '1; DROP' }))).code).toBe(
      'invalid_request',
    );
  });
});

describe('destinations', () => {
  it('get Lambda’s record as the event of another function', async () => {
    const world = await new QueueWorld({}, { onSuccess: { function: 'g' } }).open();
    world.policies.set('g', POLICY);
    const id = await accepted(world, { event: { n: 1 } });
    await world.run(1_000);
    const relayed = world.began.find(({ function: name }) => name === 'g');
    expect(JSON.parse(Buffer.from(relayed?.eventJson ?? []).toString())).toMatchObject({
      version: '1.0',
      requestContext: { requestId: id, condition: 'Success', approximateInvokeCount: 1 },
      requestPayload: { n: 1 },
      responseContext: { statusCode: 200, executedVersion: '$LATEST' },
      responsePayload: 'done',
    });
    expect(await world.queue.get(id, 'acme')).toMatchObject({ delivery: { state: 'delivered', tries: 1 } });
    expect(world.queue.stats()).toMatchObject({ queued: 0, running: 0, delivering: 0 });
  });

  it('get JSON to the letter, however deep, and what is none as text', async () => {
    const webhook = 'https://a.com/h';
    const world = await new QueueWorld({ eventMaxBytes: 5_000 }, { onSuccess: { webhook } }).open();
    const deep = `${'['.repeat(900)}"]"${']'.repeat(900)}`;
    const deeper = '['.repeat(999);
    for (const text of [deep, deeper]) await accepted(world, { eventJson: Buffer.from(text) });
    await world.run(1_000);
    const [first, second] = world.posted.map(({ body }) => JSON.parse(Buffer.from(body).toString()));
    expect(JSON.stringify(first.requestPayload)).toBe(deep);
    expect(Buffer.from(world.posted[0]?.body ?? []).toString()).toContain(`"requestPayload":${deep},`);
    expect(second.requestPayload).toBe(deeper);
  });

  it('get no record that is larger than there is room for', async () => {
    const world = await new QueueWorld(
      { maxQueuedMbPerTenant: 0.000_2 },
      { onSuccess: { function: 'g' } },
    ).open();
    world.policies.set('g', POLICY);
    const id = await accepted(world);
    await world.run(10 * MINUTE_MS);
    expect(world.began.map(({ function: name }) => name)).toEqual(['f']);
    expect((await world.queue.get(id, 'acme'))?.delivery).toMatchObject({
      ...{ state: 'failed', tries: 3, error: expect.stringContaining('async.maxQueuedMbPerTenant') },
    });
  });

  it('do not go round for ever', async () => {
    const world = await new QueueWorld({ maxHops: 3 }, { onSuccess: { function: 'f' } }).open();
    await accepted(world);
    await world.run(10 * MINUTE_MS);
    expect(world.began).toHaveLength(4);
    const { invocations } = await world.queue.list({ tenant: 'acme', function: 'f' });
    const last = await world.queue.get(invocations[0]?.invocationId ?? '', 'acme');
    expect(last?.delivery).toMatchObject({ state: 'failed', error: expect.stringMatching(/maxHops/) });
  });

  it('that are webhooks get a signed record, and once more when they did not take it', async () => {
    const world = await new QueueWorld(
      {},
      { maxRetries: 0, onFailure: { webhook: 'https://a.com/h' } },
    ).open();
    world.script = () => ({ fails: broken() });
    let calls = 0;
    world.webhook = () => (++calls === 1 ? 503 : 204);
    const id = await accepted(world);
    await world.run(MINUTE_MS);
    expect(world.posted).toHaveLength(2);
    const [request] = world.posted;
    const headers = new Map(request?.headers);
    const secret = world.queue.webhookSecret('acme', 'f');
    const signed = createHmac('sha256', secret)
      .update(`${headers.get('Strata-Webhook-Timestamp')}.`)
      .update(request?.body ?? '')
      .digest('hex');
    expect(headers.get('Strata-Webhook-Signature')).toBe(`v1=${signed}`);
    expect(new Set(world.posted.map(({ headers: all }) => new Map(all).get('Strata-Webhook-Id')))).toEqual(
      new Set([id]),
    );
    expect(await world.queue.get(id, 'acme')).toMatchObject({ deadLetter: false, delivery: { tries: 2 } });
    expect(world.queue.webhookSecret('other', 'f')).not.toBe(secret);
  });

  it('that take nothing leave a dead letter of what failed', async () => {
    const world = await new QueueWorld(
      {},
      { maxRetries: 0, onFailure: { webhook: 'https://a.com/h' } },
    ).open();
    world.script = () => ({ fails: broken() });
    world.webhook = () => {
      throw new Error('ECONNREFUSED');
    };
    const id = await accepted(world);
    await world.run(10 * MINUTE_MS);
    expect(world.posted).toHaveLength(3);
    expect(await world.queue.get(id, 'acme')).toMatchObject({
      ...{ deadLetter: true, delivery: { state: 'failed', error: 'ECONNREFUSED' } },
    });
  });

  it('are remembered over a crash between result and delivery', async () => {
    const world = await new QueueWorld({}, { onSuccess: { webhook: 'https://a.com/h' } }).open();
    world.script = () => ({ tookMs: 100, result: 1 });
    const id = await accepted(world);
    world.step = (when) => {
      if (when === 'after' && world.database.get(id)?.status === 'succeeded') world.crash();
    };
    await world.run(1_000);
    world.step = () => {};
    expect(world.posted).toHaveLength(0);
    await world.open();
    await world.run(1_000);
    expect(world.posted).toHaveLength(1);
    expect(await world.queue.get(id, 'acme')).toMatchObject({ delivery: { state: 'delivered' } });
  });
});
