/**
 * The control groups that this process is in, innermost first: what bounds its memory and its CPU.
 *
 * Owns finding and reading them, in both versions. A bound of an outer group holds as much as one's own, so all of them
 * are looked at. In a container the path that the kernel names may be the engine's and not be visible; the root of the
 * mount is the container's own group then, and is always among them. Never writes; what cannot be read is null.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MemoryGroup {
  readonly limitBytes: () => number | null;
  /** Without the file cache that the kernel drops first. */
  readonly usedBytes: () => number | null;
}

export interface CpuGroup {
  /** The CPUs that the group may use, with a fraction; null without a quota. */
  readonly quotaCpus: () => number | null;
  /** CPU time of the whole group since it was made. */
  readonly usedMs: () => number | null;
}

export interface OwnCgroups {
  readonly memory: readonly MemoryGroup[];
  readonly cpu: readonly CpuGroup[];
}

export const openOwnCgroups = (proc: string, root: string): OwnCgroups => {
  const paths = controlPaths(readText(join(proc, 'self', 'cgroup')));
  const unified = paths.get('') ?? '/';
  // A controller that version 1 has is not there in version 2, and the other way round.
  const folders = (controller: string): { readonly v1: boolean; readonly all: readonly string[] } => {
    const own = paths.get(controller);
    return own === undefined
      ? { v1: false, all: withAncestors(root, unified) }
      : { v1: true, all: withAncestors(join(root, controller), own) };
  };
  const memory = folders('memory');
  const cpu = folders('cpu');
  return {
    memory: memory.all.map(memory.v1 ? memoryV1 : memoryV2),
    cpu: cpu.v1
      ? cpu.all.map((folder, at) => cpuV1(folder, folders('cpuacct').all[at] ?? folder))
      : cpu.all.map(cpuV2),
  };
};

const memoryV1 = (folder: string): MemoryGroup => ({
  limitBytes: () => numberIn(join(folder, 'memory.limit_in_bytes')),
  usedBytes: () =>
    less(
      numberIn(join(folder, 'memory.usage_in_bytes')),
      field(folder, 'memory.stat', 'total_inactive_file'),
    ),
});

const memoryV2 = (folder: string): MemoryGroup => ({
  limitBytes: () => numberIn(join(folder, 'memory.max')),
  usedBytes: () =>
    less(numberIn(join(folder, 'memory.current')), field(folder, 'memory.stat', 'inactive_file')),
});

const NS_PER_MS = 1e6;
const US_PER_MS = 1e3;

const cpuV1 = (folder: string, accounting: string): CpuGroup => ({
  quotaCpus: () =>
    cpusOf(numberIn(join(folder, 'cpu.cfs_quota_us')), numberIn(join(folder, 'cpu.cfs_period_us'))),
  usedMs: () => per(numberIn(join(accounting, 'cpuacct.usage')), NS_PER_MS),
});

const cpuV2 = (folder: string): CpuGroup => ({
  quotaCpus: () => {
    const [quota, period] = readText(join(folder, 'cpu.max')).trim().split(' ');
    return cpusOf(numberOf(quota), numberOf(period));
  },
  usedMs: () => per(field(folder, 'cpu.stat', 'usage_usec'), US_PER_MS),
});

/** `4:memory:/docker/…` → one pair for each controller; version 2's line has none and stands under ''. */
export const controlPaths = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const [, controllers, ...path] = line.split(':');
      if (controllers === undefined || path.length === 0) return [];
      return controllers.split(',').map((controller) => [controller, path.join(':')]);
    }),
  );

/** More than any real nesting; a path that is longer is not looked at beyond it. */
const DEPTH_MAX = 32;

/** The folder of a path and those above it, up to the root. */
const withAncestors = (root: string, path: string): string[] => {
  const names = path.split('/').filter((name) => name !== '');
  // A group outside one's own namespace is shown with `..`, and cannot be seen.
  if (names.includes('..') || names.length > DEPTH_MAX) return [root];
  return [...names.map((_, at) => join(root, ...names.slice(0, names.length - at))), root];
};

const cpusOf = (quotaUs: number | null, periodUs: number | null): number | null =>
  quotaUs === null || periodUs === null || quotaUs === 0 || periodUs === 0 ? null : quotaUs / periodUs;

const per = (amount: number | null, unit: number): number | null => (amount === null ? null : amount / unit);

const less = (amount: number | null, part: number | null): number | null =>
  amount === null ? null : Math.max(0, amount - (part ?? 0));

const field = (folder: string, file: string, name: string): number | null => {
  const match = new RegExp(`^${name} (\\d+)$`, 'm').exec(readText(join(folder, file)));
  return numberOf(match?.[1]);
};

const numberIn = (path: string): number | null => numberOf(readText(path).trim());

/** Null for `max`, for −1 and for whatever else is not a count. */
const numberOf = (text: string | undefined): number | null =>
  /^\d{1,20}$/.test(text ?? '') ? Number(text) : null;

const readText = (path: string): string => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
};
