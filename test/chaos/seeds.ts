/**
 * With which seeds faults strike: one, or as many as STRATA_CHAOS_RUNS says from STRATA_CHAOS_SEED on.
 */
const first = Number(process.env.STRATA_CHAOS_SEED ?? 1);
const runs = Number(process.env.STRATA_CHAOS_RUNS ?? 1);

export const SEEDS: readonly number[] = Array.from({ length: runs }, (_, at) => first + at);
