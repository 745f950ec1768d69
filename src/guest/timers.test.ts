/** Timers: order, owners, limits. */
import { describe, expect, it } from 'vitest';
import { OP } from './contract.ts';
import { failureOf, GuestIsolate, messagesOf, type TestRecord } from './testing.ts';

const delayOf = (records: TestRecord[]): number => {
  const found = records.filter((record) => record.kind === 'T');
  expect(found).toHaveLength(1);
  return Number(found[0]?.payload);
};

describe('timers', () => {
  it('announces the earliest and runs what is due in due order', async () => {
    const guest = await GuestIsolate.load(`exports.handler = () => new Promise((resolve) => {
      const order = [];
      setTimeout((x) => { order.push(x); resolve(order); }, 3000, 'late');
      setTimeout(() => order.push('early'), 1000);
      setTimeout(() => order.push('early too'), 1000);
      setTimeout(() => order.push('middle'), 2000);
    });`);
    const delay = delayOf(await guest.invoke());
    expect(delay).toBeGreaterThan(900);
    expect(delay).toBeLessThanOrEqual(1000);
    expect(await guest.tick(1, 500)).toMatchObject([{ kind: 'T', owner: 1 }]);
    expect(delayOf(await guest.tick(1, 1600))).toBeLessThanOrEqual(1000);
    expect(await guest.tick(1, 1500)).toEqual([
      { kind: 'R', owner: 1, payload: '["early","early too","middle","late"]' },
    ]);
  });

  it('repeats an interval until it is cleared', async () => {
    const guest = await GuestIsolate.load(`exports.handler = () => new Promise((resolve) => {
      let n = 0; const t = setInterval(() => { n += 1; if (n === 3) { clearInterval(t); resolve(n); } }, 100); });`);
    await guest.invoke();
    for (let index = 0; index < 2; index += 1)
      expect(delayOf(await guest.tick(1, 200))).toBeLessThanOrEqual(100);
    expect(await guest.tick(1, 200)).toEqual([{ kind: 'R', owner: 1, payload: '3' }]);
  });

  it('takes an announcement back when the timer is cleared', async () => {
    const guest = await GuestIsolate.load(`let t; exports.handler = (e, c, callback) => {
      t = setTimeout(() => { clearTimeout(Number(long)); callback(null, typeof t.unref().ref()); setTimeout(() => {}, 9); }, 10);
      const long = setTimeout(() => {}, 5000); setImmediate(() => {}); };`);
    expect(delayOf(await guest.invoke())).toBe(0);
    expect(await guest.tick(1, 100)).toEqual([{ kind: 'R', owner: 1, payload: '"object"' }]);
    const again =
      await GuestIsolate.load(`let t; exports.handler = () => new Promise(() => { t = setTimeout(() => {}, 50);
      setTimeout(() => clearTimeout(t), 10); });`);
    await again.invoke();
    expect(await again.tick(1, 20)).toEqual([{ kind: 'T', owner: 1, payload: '-1' }]);
  });

  it('keeps the timers of owners apart', async () => {
    const guest = await GuestIsolate.load(`exports.handler = (e) => new Promise((resolve) => {
      setTimeout(() => { console.log(e); resolve(e); }, 100); });`);
    await guest.invoke('a');
    await guest.invoke('b');
    const first = await guest.tick(2, 500);
    expect(first.at(-1)).toEqual({ kind: 'R', owner: 2, payload: '"b"' });
    expect(messagesOf(first)).toEqual(['b']);
    await guest.enter([OP.CANCEL, 1]);
    expect(await guest.tick(1, 500)).toEqual([]);
  });

  it('fails the owner whose timer, microtask or listener throws', async () => {
    const guest = await GuestIsolate.load(`exports.handler = (e) => new Promise(() => {
      const boom = () => { throw new Error(e); };
      if (e === 'timer') setTimeout(boom, 1); else if (e === 'microtask') queueMicrotask(boom);
      else { const t = new EventTarget(); t.addEventListener('x', boom); t.dispatchEvent(new Event('x')); } });`);
    await guest.invoke('timer');
    expect(failureOf(await guest.tick(1, 10))).toMatchObject({
      code: 'function_error',
      error: { message: 'timer' },
    });
    expect(failureOf(await guest.invoke('microtask')).error?.message).toBe('microtask');
    expect(failureOf(await guest.invoke('listener')).error?.message).toBe('listener');
    expect(guest.rejections).toEqual([]);
  });

  it('fails loading when a timer of its throws, and drops it afterwards', async () => {
    const source =
      'setTimeout(() => { throw new Error("late"); }, 1); exports.handler = () => 1; exports.init = () => new Promise(() => {});';
    const loaded = await GuestIsolate.load(source);
    expect(await loaded.tick(0, 10)).toEqual([]);
    const initialising = await GuestIsolate.load(source, {
      initializerExport: 'init',
      initializerPath: 'index.js',
    });
    await initialising.enter([OP.INIT, initialising.nowMs]);
    expect(failureOf(await initialising.tick(0, 10)).code).toBe('init_error');
  });

  it('names the limit and what is not a function', async () => {
    const guest = await GuestIsolate.load(
      `exports.handler = (n) => { try { for (let i = 0; i < n; i++) setTimeout(() => {}, 1000); setTimeout('x'); } catch (e) { return e.name + ': ' + e.message; } };`,
      {},
      { timersMax: 5 },
    );
    expect(await guest.result(6)).toContain('RangeError: Too many timers: the limit is 5');
    expect(await guest.result(5)).toBe(
      "TypeError: setTimeout needs a function as its first argument, not 'x'",
    );
  });

  it('clamps delays as Node does', async () => {
    const guest = await GuestIsolate.load(
      `exports.handler = (e) => new Promise(() => { setTimeout(() => {}, e); });`,
    );
    for (const delay of [-5, 0, 'x', 1e12]) {
      const announced = delayOf(await guest.invoke(delay));
      if (delay === 1e12) expect(announced).toBeGreaterThan(2e9);
      else expect(announced).toBeLessThanOrEqual(1);
    }
  });

  it('gives no constructor away', async () => {
    const guest = await GuestIsolate.load(
      'exports.handler = () => { const t = setTimeout(() => {}, 1); return typeof t.constructor; };',
    );
    expect(await guest.result()).toBe('undefined');
  });
});
