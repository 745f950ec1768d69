/**
 * Forgets what has ended: what is too old, and the oldest of what is too much.
 *
 * Owns the choice. Invariants: what has not ended, or is still to be delivered, is never forgotten; where all tenants
 * together have too much, those above their equal part give up their oldest.
 */
import type { SQLInputValue } from 'node:sqlite';
import type { SweepLimits } from './operations.ts';

export interface Sql {
  run(sql: string, ...values: SQLInputValue[]): number;
  all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[];
}

/** So much in one transaction; the rest has to wait for the next sweep. */
const SWEEP_MAX = 2_000;
const ENDED = "finished_ms IS NOT NULL AND delivery IS NOT 'pending'";

/** How many were forgotten. */
export const sweep = (limits: SweepLimits, sql: Sql): number => {
  let forgotten = 0;
  for (const [dead, beforeMs] of [
    [0, limits.finishedBeforeMs],
    [1, limits.deadBeforeMs],
  ] as const) {
    forgotten += sql.run(
      `DELETE FROM invocations WHERE seq IN (SELECT seq FROM invocations INDEXED BY finished
       WHERE ${ENDED} AND dead = ? AND finished_ms < ? LIMIT ?)`,
      ...[dead, beforeMs, SWEEP_MAX],
    );
  }
  const kept = sql.all(
    `SELECT tenant, dead, count(*) AS count, sum(kept_bytes) AS bytes FROM invocations INDEXED BY finished
     WHERE ${ENDED} GROUP BY tenant, dead`,
  );
  const tenants = kept.map((row) => ({
    tenant: String(row.tenant),
    dead: Number(row.dead),
    count: Number(row.count),
    bytes: Number(row.bytes),
  }));
  for (const one of tenants) {
    const most = one.dead === 1 ? limits.maxDeadPerTenant : limits.maxKeptPerTenant;
    if (one.count > most) forgotten += forgetOldest(sql, one, one.count - most);
  }
  const count = tenants.reduce((sum, one) => sum + (one.dead === 1 ? 0 : one.count), 0);
  const bytes = tenants.reduce((sum, one) => sum + one.bytes, 0);
  const part = { count: limits.maxKept / tenants.length, bytes: limits.maxBytes / tenants.length };
  for (const one of tenants) {
    const tooMany = count > limits.maxKept && one.dead === 0 ? one.count - part.count : 0;
    const tooLarge = bytes > limits.maxBytes ? (1 - part.bytes / one.bytes) * one.count : 0;
    const excess = Math.ceil(Math.max(tooMany, tooLarge));
    if (excess > 0) forgotten += forgetOldest(sql, one, excess);
  }
  return forgotten;
};

const forgetOldest = (
  sql: Sql,
  { tenant, dead }: { readonly tenant: string; readonly dead: number },
  count: number,
): number =>
  sql.run(
    `DELETE FROM invocations WHERE seq IN (SELECT seq FROM invocations INDEXED BY finished
     WHERE ${ENDED} AND tenant = ? AND dead = ? ORDER BY finished_ms LIMIT ?)`,
    ...[tenant, dead, Math.min(count, SWEEP_MAX)],
  );
