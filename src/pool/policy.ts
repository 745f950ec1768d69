/**
 * What the pool does next: a pure function from what it is to what it should start and end.
 *
 * Owns the fixed policy: a set number of pristine sandboxes with booted runtimes, spare runtimes for each tenant at
 * work, and demotion by idle time, code → runtime → container → gone. Never acts.
 */
import type { Sandbox, Slot } from './slot.ts';

export interface PolicySettings {
  /** Sandboxes without a tenant that are kept up. */
  readonly pristine: number;
  /** So many of them get runtimes; the others stay at layer container, which costs next to nothing. */
  readonly warmPristine: number;
  /** Runtimes booted ahead in each of those. */
  readonly runtimesPerPristine: number;
  /** Runtimes kept booted for a tenant, in the sandbox it used last. */
  readonly spareRuntimes: number;
  readonly maxSandboxes: number;
  /** Sandboxes that may be starting at once. */
  readonly startParallelism: number;
  /** Runtimes that may be booting at once in one sandbox. */
  readonly bootParallelism: number;
  /** A tenant's spare runtimes are given up this long after its last use of the sandbox. */
  readonly runtimeIdleMs: number;
  /** A tenant's sandbox without code is ended this long after its last use. */
  readonly sandboxIdleMs: number;
  /** The memory of runtimes that are booted ahead in pristine sandboxes. */
  readonly runtimeMemoryMb: number;
}

export type Action =
  | { readonly kind: 'start-sandbox' }
  | { readonly kind: 'boot-runtime'; readonly sandbox: Sandbox; readonly memoryMb: number }
  | { readonly kind: 'dispose-slot'; readonly slot: Slot; readonly why: 'code idle' | 'runtime idle' }
  | { readonly kind: 'end-sandbox'; readonly sandbox: Sandbox };

export const planFixed = (
  sandboxes: Iterable<Sandbox>,
  nowMs: number,
  settings: PolicySettings,
): readonly Action[] => {
  const actions: Action[] = [];
  const all = [...sandboxes];
  const starting = all.filter((sandbox) => sandbox.state === 'starting').length;
  const pristine = all.filter((sandbox) => sandbox.tenant === null && sandbox.state !== 'ending').length;
  const live = all.filter((sandbox) => sandbox.state !== 'gone').length;
  const wanted = Math.min(
    settings.pristine - pristine,
    settings.startParallelism - starting,
    settings.maxSandboxes - live,
  );
  for (let index = 0; index < wanted; index += 1) actions.push({ kind: 'start-sandbox' });

  const warm = warmPristine(all, settings.warmPristine);
  const newest = newestByTenant(all);
  const codeCounts = countCode(all);
  for (const sandbox of all) {
    if (sandbox.state !== 'ready') continue;
    if (sandbox.tenant === null) {
      const ahead = warm.has(sandbox) ? settings.runtimesPerPristine : 0;
      actions.push(...boots(sandbox, ahead, settings.runtimeMemoryMb, settings));
      continue;
    }
    const active = nowMs - sandbox.usedMs < settings.runtimeIdleMs;
    const spares = active && newest.get(sandbox.tenant) === sandbox && sandbox.quarantinedFor === null;
    const demotions = idleCode(sandbox, nowMs, codeCounts);
    const elsewhere = spares ? sparesOf(all, sandbox) : 0;
    const wanted = spares ? settings.spareRuntimes - elsewhere : 0;
    actions.push(...demotions, ...boots(sandbox, wanted, sandbox.spareMemoryMb, settings));
    if (!active) actions.push(...idleRuntimes(sandbox));
    if (isEmpty(sandbox) && nowMs - sandbox.usedMs >= settings.sandboxIdleMs)
      actions.push({ kind: 'end-sandbox', sandbox });
  }
  return actions;
};

/** The pristine sandboxes that are to have runtimes: those that have some already first. */
const warmPristine = (sandboxes: readonly Sandbox[], count: number): ReadonlySet<Sandbox> => {
  const ready = sandboxes.filter((sandbox) => sandbox.tenant === null && sandbox.state === 'ready');
  return new Set(ready.sort((a, b) => b.slots.size - a.slots.size).slice(0, count));
};

/** No code in it, nothing at work, and nothing on its way. */
const isEmpty = (sandbox: Sandbox): boolean =>
  sandbox.awaited.length === 0 &&
  ![...sandbox.slots].some(
    ({ layer, state }) => layer === 'code' || state === 'busy' || state === 'starting',
  );

/** The sandbox with room that each tenant used last, else the one used last: where its spare runtimes are kept. */
const newestByTenant = (sandboxes: readonly Sandbox[]): ReadonlyMap<string, Sandbox> => {
  const newest = new Map<string, Sandbox>();
  for (const sandbox of sandboxes) {
    if (sandbox.tenant === null || sandbox.state !== 'ready' || sandbox.quarantinedFor !== null) continue;
    const known = newest.get(sandbox.tenant);
    if (known === undefined || isBetter(sandbox, known)) newest.set(sandbox.tenant, sandbox);
  }
  return newest;
};

const isBetter = (sandbox: Sandbox, known: Sandbox): boolean =>
  hasRoom(sandbox) === hasRoom(known) ? sandbox.usedMs > known.usedMs : hasRoom(sandbox);

const hasRoom = (sandbox: Sandbox): boolean => sandbox.slots.size < sandbox.capacity;

/** Runtimes that the sandbox's tenant has ready, or booting for nobody, in its other sandboxes. */
const sparesOf = (sandboxes: readonly Sandbox[], { tenant, spareMemoryMb, number }: Sandbox): number => {
  let count = 0;
  for (const other of sandboxes) {
    if (other.tenant !== tenant || other.number === number || other.state !== 'ready') continue;
    if (other.quarantinedFor !== null || other.doubtful > 0) continue;
    for (const slot of other.slots) {
      const idle = slot.state === 'free' || (slot.state === 'starting' && slot.placement === null);
      if (idle && slot.layer === 'runtime' && slot.memoryMb === spareMemoryMb) count += 1;
    }
  }
  return count;
};

const boots = (sandbox: Sandbox, wanted: number, memoryMb: number, settings: PolicySettings): Action[] => {
  let ready = 0;
  let starting = 0;
  for (const slot of sandbox.slots) {
    if (slot.state === 'starting') starting += 1;
    else if (slot.state === 'free' && slot.layer === 'runtime' && slot.memoryMb === memoryMb) ready += 1;
  }
  const count = Math.min(
    wanted - ready - starting,
    settings.bootParallelism - starting,
    sandbox.capacity - sandbox.slots.size,
  );
  return Array.from({ length: Math.max(0, count) }, () => ({
    kind: 'boot-runtime' as const,
    sandbox,
    memoryMb,
  }));
};

const countCode = (sandboxes: readonly Sandbox[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const sandbox of sandboxes) {
    for (const slot of sandbox.slots) {
      if (slot.layer !== 'code' || slot.placement === null || slot.state === 'draining') continue;
      counts.set(slot.placement.key, (counts.get(slot.placement.key) ?? 0) + 1);
    }
  }
  return counts;
};

/** Idle code is demoted; a fresh runtime takes its place through the count of spare runtimes. */
const idleCode = (sandbox: Sandbox, nowMs: number, counts: Map<string, number>): Action[] => {
  const actions: Action[] = [];
  for (const slot of sandbox.slots) {
    if (slot.state !== 'free' || slot.layer !== 'code' || slot.placement === null) continue;
    if (nowMs - slot.usedMs < slot.placement.idleTimeoutMs) continue;
    const count = counts.get(slot.placement.key) ?? 0;
    if (count <= slot.placement.minInstances) continue;
    counts.set(slot.placement.key, count - 1);
    actions.push({ kind: 'dispose-slot', slot, why: 'code idle' });
  }
  return actions;
};

const idleRuntimes = (sandbox: Sandbox): Action[] =>
  [...sandbox.slots]
    .filter((slot) => slot.state === 'free' && slot.layer === 'runtime')
    .map((slot) => ({ kind: 'dispose-slot' as const, slot, why: 'runtime idle' as const }));
