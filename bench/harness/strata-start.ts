/**
 * A call to Strata that has to start from a given layer, and the waiting until the pool is such that it can.
 *
 * Owns the retries and the rest. The waiting is outside of what is timed; the questions follow each other without a
 * pause, so that the processors are as awake as they are for subjects that need not wait.
 */
import type { Start } from '../../src/core/receipt.ts';
import type { Runtime } from '../../src/core/spec.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { type CallSubject, verifyReply } from './call-rounds.ts';
import { pause } from './children.ts';
import { type PoolView, type Strata, unexpected } from './strata.ts';

export interface StartSubject {
  readonly id: string;
  readonly slow: boolean;
  readonly strata: Strata;
  readonly runtime: Runtime;
  readonly start: Start;
  /** Ephemeral for cold starts, so that each call leaves nothing that could serve the next. */
  readonly function: string;
  /** Makes the pool ready for one call, and resolves with the tenant that calls. */
  prepare(deadlineMs: number): Promise<string>;
}

const REFILL_TIMEOUT_MS = 15_000;
const POLL_MS = 1;
/** A refill begins some milliseconds after the start that made it necessary: it shows within this time. */
const QUIET_MS = 10;

export const startSubject = (subject: StartSubject): CallSubject => ({
  id: subject.id,
  slow: subject.slow,
  async call(name) {
    const { strata, start } = subject;
    const deadlineMs = systemClock.nowMs() + REFILL_TIMEOUT_MS;
    const tenant = await subject.prepare(deadlineMs);
    for (let retries = 0; ; retries += 1) {
      const reply = await strata.invoke(subject.function, { name }, { tenant, start });
      if (reply.status !== 412) {
        verifyReply(reply, name, start === 'code' ? 'used' : 'fresh');
        if (reply.headers['strata-start'] !== start) throw unexpected(`asked for start ${start}`, reply);
        return { elapsedMs: reply.elapsedMs, retries };
      }
      if (systemClock.nowMs() > deadlineMs) {
        throw new Error(`layer ${start} was not ready within ${REFILL_TIMEOUT_MS} ms`);
      }
      await refilled(subject, tenant, deadlineMs);
    }
  },
});

const refilled = async (
  { strata, runtime, start }: StartSubject,
  tenant: string,
  deadlineMs: number,
): Promise<void> => {
  while (systemClock.nowMs() < deadlineMs) {
    await pause(POLL_MS);
    if (start === 'none' || (await strata.pool(runtime, tenant)).ready[start] > 0) return;
  }
};

export interface Rest {
  readonly strata: Strata;
  readonly runtime: Runtime;
  readonly tenant: string;
  /** What the pool has to be, beside starting and ending nothing; said by the error when it never is. */
  readonly like: (pool: PoolView) => boolean;
}

/** Waits until the pool is as it should be, starts and ends nothing, and has been so for a while. */
export const untilAtRest = async (rest: Rest, deadlineMs: number): Promise<void> => {
  const { strata, runtime, tenant, like } = rest;
  let sinceMs: number | null = null;
  for (;;) {
    const pool = await strata.pool(runtime, tenant);
    const nowMs = systemClock.nowMs();
    if (isCalm(pool) && like(pool)) sinceMs ??= nowMs;
    else sinceMs = null;
    if (sinceMs !== null && nowMs - sinceMs >= QUIET_MS) return;
    if (nowMs > deadlineMs) {
      const { slots, ready } = pool;
      const seen = JSON.stringify({ slots, ready, sandboxes: pool.sandboxes.map(({ layer }) => layer) });
      throw new Error(`the pool ${runtime} was not at rest within ${REFILL_TIMEOUT_MS} ms: ${seen}`);
    }
  }
};

const isCalm = ({ slots, sandboxes }: PoolView): boolean =>
  slots.starting + slots.draining === 0 && sandboxes.every(({ state }) => state === 'ready');

/** Asks for the pools for so long and longer, until `enough`: as much work for the processors as waiting for rest. */
export const keepAwake = async (
  strata: Strata,
  forMs: number,
  deadlineMs: number,
  enough: () => boolean,
): Promise<void> => {
  const untilMs = systemClock.nowMs() + forMs;
  for (;;) {
    await strata.pools();
    const nowMs = systemClock.nowMs();
    if (nowMs >= untilMs && enough()) return;
    if (nowMs > deadlineMs) throw new Error(`the sandbox was not idle within ${REFILL_TIMEOUT_MS} ms`);
  }
};
