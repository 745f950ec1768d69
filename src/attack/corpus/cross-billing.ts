/**
 * Attacks of one tenant on the account and the time of another: who is billed, who waits, whose answer is whose.
 */
import type { Receipt } from '../../core/receipt.ts';
import { systemClock } from '../../ports/clock.ts';
import { type AttackCase, holds } from '../case.ts';
import { ATTACKER, NEIGHBOUR, type Target } from '../target.ts';
import { answered, having } from './having.ts';

const BURNT_MS = 150;
const BURNS = `exports.handler = (event) => { if (!event.burn) return 1; for (;;); };`;
const WAITS =
  'exports.handler = (event) => new Promise((resolve) => setTimeout(resolve, event.ms, event.ms));';
/** A call that waits computes next to nothing. */
const WAITING_CPU_MAX_MS = 60;
/** A start beside calls that only wait; much more would mean that it waited for them. */
const START_BOUND_MS = 1_500;

const receiptOf = async (target: Target, id: string, tenant: string): Promise<Receipt> => {
  const receipt = await target.receipt(id, tenant);
  holds(receipt !== null, `${tenant} has no receipt of its own call`);
  return receipt as Receipt;
};

export const BILLING_CASES: readonly AttackCase[] = [
  {
    id: 326,
    group: 'cross',
    name: 'processor time that another is billed for',
    harmless: true,
    wire: async (target) => {
      const spec = { cpuMs: BURNT_MS, timeoutMs: 8_000 };
      const functions = [
        { tenant: ATTACKER, name: 'cross-burns', source: BURNS, spec },
        { tenant: ATTACKER, name: 'cross-waits', source: WAITS },
        { tenant: NEIGHBOUR, name: 'cross-waits', source: WAITS },
      ];
      await having(target, functions, async () => {
        for (const { tenant, name } of functions) await target.invoke(name, { ms: 1 }, { tenant });
        const waiting = [ATTACKER, NEIGHBOUR].map(async (tenant) => {
          const reply = await target.invoke('cross-waits', { ms: 250 }, { tenant });
          answered(reply, 250, `${tenant}, who waits`);
          return receiptOf(target, reply.invocationId, tenant);
        });
        const burnt = await target.invoke('cross-burns', { burn: true });
        const bill = await receiptOf(target, burnt.invocationId, ATTACKER);
        holds(bill.error?.code === 'cpu_limit', `the burner was answered with ${burnt.text.slice(0, 200)}`);
        holds(bill.usage.cpuMs >= BURNT_MS, `the burner was billed ${bill.usage.cpuMs} ms`);
        for (const { tenant, function: name, usage, cost } of await Promise.all(waiting)) {
          holds(
            usage.cpuMs < WAITING_CPU_MAX_MS && cost.cuSeconds < WAITING_CPU_MAX_MS / 1_000,
            `${tenant}/${name} only waited and was billed ${usage.cpuMs} ms`,
          );
        }
      });
    },
  },
  {
    id: 327,
    group: 'cross',
    name: 'slow calls that fill the server while another starts',
    harmless: true,
    wire: async (target) => {
      const functions = [
        { tenant: ATTACKER, name: 'cross-slow', source: WAITS, spec: { concurrency: 10 } },
        { tenant: NEIGHBOUR, name: 'cross-new', source: 'exports.handler = () => 1;' },
      ];
      await having(target, functions, async () => {
        const slow = Array.from({ length: 20 }, () => target.invoke('cross-slow', { ms: 1_000 }));
        const startedMs = systemClock.nowMs();
        const reply = await target.invoke('cross-new', {}, { tenant: NEIGHBOUR });
        const tookMs = systemClock.nowMs() - startedMs;
        answered(reply, 1, 'the neighbour');
        const receipt = await receiptOf(target, reply.invocationId, NEIGHBOUR);
        holds(tookMs < START_BOUND_MS, `the neighbour's start took ${tookMs.toFixed(0)} ms`);
        holds(receipt.phasesMs.queue < START_BOUND_MS, `the neighbour queued ${receipt.phasesMs.queue} ms`);
        for (const one of await Promise.all(slow)) answered(one, 1_000, 'a slow call');
      });
    },
  },
  {
    id: 328,
    group: 'cross',
    name: 'calls that overlap in one instance, and answer each other',
    harmless: true,
    wire: async (target) => {
      const source = `const open = [];
exports.handler = (event, context, callback) => {
  console.log('of ' + event.n);
  open.push({ callback, n: event.n });
  setTimeout(() => callback(null, [event.n, context.invocationId]), 20 + event.n);
  if (open.length === 8) for (const other of open) if (other.n !== event.n) other.n = 'forged';
};`;
      await having(
        target,
        [{ tenant: ATTACKER, name: 'cross-overlap', source, spec: { concurrency: 8, maxInstances: 1 } }],
        async () => {
          await target.invoke('cross-overlap', { n: 0 });
          const calls = Array.from({ length: 8 }, (_, n) => target.invoke('cross-overlap', { n }));
          for (const [n, reply] of (await Promise.all(calls)).entries()) {
            answered(reply, [n, reply.invocationId], `call ${n}`);
            const lines = (await target.logs(reply.invocationId)).map(({ message }) => message);
            holds(lines.join() === `of ${n}`, `call ${n} has the log ${JSON.stringify(lines)}`);
          }
        },
      );
    },
  },
  {
    id: 329,
    group: 'cross',
    name: 'a crash that takes the neighbour along',
    harmless: true,
    wire: async (target) => {
      const functions = [
        { tenant: ATTACKER, name: 'cross-ends', source: BURNS, spec: { timeoutMs: 200, cpuMs: 5_000 } },
        { tenant: ATTACKER, name: 'cross-beside', source: WAITS },
        { tenant: NEIGHBOUR, name: 'cross-beside', source: WAITS },
      ];
      await having(target, functions, async () => {
        for (const { tenant, name } of functions) await target.invoke(name, { ms: 1 }, { tenant });
        const beside = [ATTACKER, NEIGHBOUR].map((tenant) =>
          target.invoke('cross-beside', { ms: 500 }, { tenant }),
        );
        const ended = await target.invoke('cross-ends', { burn: true });
        holds((ended.json as { code?: string }).code === 'function_timeout', ended.text.slice(0, 200));
        for (const reply of await Promise.all(beside)) answered(reply, 500, 'who was beside');
      });
    },
  },
];
