/**
 * What a server has on its machine: processes, descriptors, memory, containers, control groups, folders.
 *
 * Owns looking at a server from outside (`/proc`, the engine, its metrics) and saying what one look has more than another.
 * Never asks the server what it holds but for the number of sandboxes that its pools count, and holds that against what
 * is there. Works on a server process of its own and on an executor inside of the test's process.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { dockerEngine } from '../../src/sandbox/container/engine.ts';
import { descendants, type ProcessId } from './processes.ts';

/** Where to look. */
export interface Watched {
  /** The server's process; the test's own for an executor inside of it. */
  readonly pid: number;
  /** Text of `/metrics`; null when only the machine is looked at. */
  readonly metrics: (() => Promise<string>) | null;
  /** The engine's address; null when the server has no containers. */
  readonly engineHost: string | null;
  /** Where it keeps its sockets (`container.runDir`); the system's temporary folder unless told. */
  readonly runDir?: string;
}

/** `wrapper` is what stands around a host or the broker: bwrap, unshare; `other` is what should not be there. */
export type Role = 'server' | 'host' | 'broker' | 'wrapper' | 'other';

export interface SeenProcess extends ProcessId {
  readonly role: Role;
  readonly residentMb: number;
  readonly state: string;
}

export interface SeenContainer {
  readonly id: string;
  readonly runtime: string;
}

export interface Remains {
  /** The server first, then everything below it. */
  readonly processes: readonly SeenProcess[];
  /**
   * Of the server, by kind: `connection` for TCP, `socket` for unix sockets, `account` for the kernel's files about
   * sandboxes, `file` for others.
   */
  readonly descriptors: Readonly<Record<string, number>>;
  /** Of this server's process: those of other servers of the same data folder are not among them. */
  readonly containers: readonly SeenContainer[];
  /** Control groups that carry the server's name. */
  readonly groups: readonly string[];
  /** Run folders that carry the server's name. */
  readonly folders: readonly string[];
  /** Sandboxes that the server's pools count, by runtime; null without metrics. */
  readonly counted: Readonly<Record<string, number>> | null;
  readonly repairs: number;
}

/** How much more than before is no leak. */
export interface Allowance {
  /** What the resident memory of the server, and of the broker, may have grown by. */
  readonly memoryMb: number;
  /** More of a kind than before: a pool that keeps one more host ready, for example. */
  readonly processes?: Partial<Readonly<Record<Role, number>>>;
  /** Where the pools cannot be asked: else each is held against what they count. */
  readonly containers?: number;
  /** For each sandbox that there is more than before. */
  readonly descriptorsPerSandbox?: number;
  /** Beyond those. */
  readonly descriptors?: number;
  /** How long it may take to settle. */
  readonly limitMs?: number;
}

const SETTLE_LIMIT_MS = 10_000;
const LOOK_INTERVAL_MS = 20;
const PAGE_MB = 4 / 1024;
/** Of a container its connections and one to the engine; of a host its pipe and its streams. */
const DESCRIPTORS_PER_SANDBOX = 6;
/** Files of a container's control groups, opened when they are needed first, and two of a host's in /proc. */
const ACCOUNTS_PER_SANDBOX = 24;

/** One look at everything. */
export const remainsOf = async (watched: Watched): Promise<Remains> => {
  const { pid } = watched;
  const [metrics, containers] = await Promise.all([
    watched.metrics?.() ?? null,
    watched.engineHost === null ? [] : containersOf(watched.engineHost, pid),
  ]);
  return {
    processes: processesOf(pid),
    descriptors: descriptorsOf(pid),
    containers,
    groups: groupsOf(pid),
    folders: foldersOf(pid, [tmpdir(), watched.runDir ?? tmpdir()]),
    counted: metrics === null ? null : countedIn(metrics),
    repairs: metrics === null ? 0 : sumOf(metrics, 'strata_pool_repairs_total'),
  };
};

/**
 * Waits, within bounds, until nothing is there that was not before, and answers what still is, a line for each: none
 * when it is as before. Machines tell nobody when a process has gone, so this looks again and again.
 */
export const leftSince = async (
  watched: Watched,
  before: Remains,
  allowance: Allowance,
): Promise<readonly string[]> => (await settledSince(watched, before, allowance)).left;

/** The same with the last look, for who goes on from there. */
export const settledSince = async (
  watched: Watched,
  before: Remains,
  allowance: Allowance,
): Promise<{ readonly left: readonly string[]; readonly now: Remains }> => {
  const endMs = performance.now() + (allowance.limitMs ?? SETTLE_LIMIT_MS);
  for (;;) {
    const now = await remainsOf(watched);
    const left = differences(before, now, allowance);
    if (left.length === 0 || performance.now() > endMs) return { left, now };
    await delay(LOOK_INTERVAL_MS);
  }
};

/** What the later look has more than the earlier, a line for each. */
const differences = (before: Remains, after: Remains, allowance: Allowance): readonly string[] => [
  ...strays(after),
  ...moreProcesses(before, after, allowance),
  ...moreDescriptors(before, after, allowance),
  ...moreMemory(before, after, allowance),
  ...moreContainers(before, after, allowance),
  ...twice(after.folders),
  ...more('repairs of a pool', before.repairs, after.repairs, 0),
];

/** What is there and the server does not know of, and what it counts that is not there. */
const strays = ({ processes, containers, groups, counted }: Remains): readonly string[] => {
  const zombies = processes
    .filter(({ state }) => state === 'Z')
    .map(({ name, pid }) => `zombie ${name} ${pid}`);
  if (counted === null) return zombies;
  const living = (role: Role): number =>
    processes.filter((process) => process.role === role && process.state !== 'Z').length;
  const hosts = living('host');
  const said = (runtime: string): number => counted[runtime] ?? 0;
  const runtimes = new Set([...Object.keys(counted), ...containers.map(({ runtime }) => runtime)]);
  runtimes.delete('isolate');
  return [
    ...zombies,
    ...unequal('hosts', said('isolate'), hosts),
    ...[...runtimes].flatMap((runtime) =>
      unequal(
        `containers of ${runtime}`,
        said(runtime),
        containers.filter((container) => container.runtime === runtime).length,
      ),
    ),
    // Two around each host, one around the broker, and one more where something is about to start.
    ...more('wrappers', 2 * hosts + 2, living('wrapper'), 0),
    // A group for each tenant that has hosts, one for what is nobody's, one for the server.
    ...(groups.length > hosts + 2 ? [`${groups.length} control groups for ${hosts} hosts`] : []),
  ];
};

const unequal = (what: string, said: number, there: number): readonly string[] =>
  said === there ? [] : [`${what}: the pool counts ${said}, there are ${there}`];

const more = (what: string, before: number, after: number, allowed: number): readonly string[] =>
  after <= before + allowed ? [] : [`${what}: ${after}, ${before} before`];

/** Those that the pool counts are its own; their number is the policy's. */
const moreContainers = (before: Remains, after: Remains, { containers = 0 }: Allowance): readonly string[] =>
  after.counted === null
    ? more('containers', before.containers.length, after.containers.length, containers)
    : [];

/** A server has one folder of a kind. */
const twice = (folders: readonly string[]): readonly string[] => {
  const kinds = folders.map((name) => /^strata-[a-z]+-/.exec(name)?.[0] ?? name);
  return kinds.length === new Set(kinds).size ? [] : [`run folders: ${folders.join(', ')}`];
};

const moreProcesses = (before: Remains, after: Remains, { processes = {} }: Allowance): readonly string[] => {
  const count = ({ processes: all }: Remains, role: Role): number =>
    all.filter((process) => process.role === role).length;
  return (['server', 'host', 'broker', 'wrapper', 'other'] as const).flatMap((role) => {
    // These are held against what the pool counts where that is known.
    if (after.counted !== null && (role === 'host' || role === 'wrapper')) return [];
    // The broker is started at the first need.
    const known = role === 'broker' ? Math.max(1, count(before, role)) : count(before, role);
    return more(`processes: ${role}`, known, count(after, role), processes[role] ?? 0);
  });
};

const moreDescriptors = (before: Remains, after: Remains, allowance: Allowance): readonly string[] => {
  const { descriptorsPerSandbox = DESCRIPTORS_PER_SANDBOX, descriptors = 0 } = allowance;
  // Connections are the clients' to keep; accounts are held against the number of sandboxes.
  const total = ({ descriptors: kinds }: Remains): number =>
    Object.entries(kinds).reduce((sum, [kind, count]) => sum + (OTHERS.has(kind) ? 0 : count), 0);
  const { account = 0 } = after.descriptors;
  const grown = Math.max(0, sandboxesIn(after) - sandboxesIn(before));
  return [
    ...more('descriptors', total(before), total(after), grown * descriptorsPerSandbox + descriptors).map(
      (line) => `${line} (${JSON.stringify(before.descriptors)} → ${JSON.stringify(after.descriptors)})`,
    ),
    ...more('descriptors of accounts', sandboxesIn(after) * ACCOUNTS_PER_SANDBOX, account, 0),
  ];
};

const OTHERS: ReadonlySet<string> = new Set(['connection', 'account']);

const moreMemory = (before: Remains, after: Remains, { memoryMb }: Allowance): readonly string[] => {
  const resident = ({ processes }: Remains, role: Role): number =>
    processes
      .filter((process) => process.role === role)
      .reduce((sum, process) => sum + process.residentMb, 0);
  return (['server', 'broker'] as const).flatMap((role) =>
    more(
      `memory of ${role} in MB`,
      Math.round(resident(before, role)),
      Math.round(resident(after, role)),
      memoryMb,
    ),
  );
};

const sandboxesIn = ({ processes, containers }: Remains): number =>
  processes.filter(({ role }) => role === 'host').length + containers.length;

const processesOf = (root: number): readonly SeenProcess[] =>
  [root, ...descendants(root).map(({ pid }) => pid)].flatMap((pid) => {
    const seen = look(pid);
    if (seen === null) return [];
    const { words, ...process } = seen;
    return [{ ...process, role: pid === root ? 'server' : roleOf(words) }];
  });

const roleOf = ([command = '', ...words]: readonly string[]): Role => {
  // What has just been killed has no words left.
  if (command === '' || /(?:^|\/)(?:bwrap|unshare|setpriv|prlimit|sh)$/.test(command)) return 'wrapper';
  if (words.some((word) => word.endsWith('/host.mjs'))) return 'host';
  if (words.some((word) => word.endsWith('/egress-broker.cjs'))) return 'broker';
  return 'other';
};

const look = (pid: number): (ProcessId & { state: string; residentMb: number; words: string[] }) | null => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const residentMb = Number(fields[21]) * PAGE_MB;
    return { pid, name, startTicks: fields[19] ?? '', state: fields[0] ?? '', residentMb, words };
  } catch {
    return null;
  }
};

const descriptorsOf = (pid: number): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  const connections = connectionsOf(pid);
  for (const name of names(`/proc/${pid}/fd`)) {
    const kind = kindOf(target(`/proc/${pid}/fd/${name}`), connections);
    if (kind !== null) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
};

const kindOf = (link: string | null, connections: ReadonlySet<string>): string | null => {
  if (link === null) return null;
  if (/^\/(?:sys\/fs\/cgroup|proc\/\d+\/statm?$)/.test(link)) return 'account';
  const [, kind = 'file', inode = ''] = /^(socket|pipe|anon_inode):\[?(.*?)\]?$/.exec(link) ?? [];
  return kind === 'socket' && connections.has(inode) ? 'connection' : kind;
};

/** Inodes of sockets of TCP: those of clients come and go as they like. */
const connectionsOf = (pid: number): ReadonlySet<string> =>
  new Set(
    ['tcp', 'tcp6'].flatMap((name) =>
      text(`/proc/${pid}/net/${name}`)
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(/\s+/)[9] ?? ''),
    ),
  );

const containersOf = async (engineHost: string, pid: number): Promise<readonly SeenContainer[]> => {
  const seen = look(pid);
  const listed = await dockerEngine(engineHost).list({ 'strata.process': `${pid}:${seen?.startTicks ?? 0}` });
  return listed.map(({ id, labels }) => ({ id, runtime: labels['strata.runtime'] ?? '' }));
};

/** Groups lie beside the server's own, which the test shares unless somebody moved the server. */
const groupsOf = (pid: number): readonly string[] => {
  const own = ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup'].flatMap((root) => [
    root,
    ...text(`/proc/${process.pid}/cgroup`)
      .split('\n')
      .filter((line) => /^\d+:(?:[^:]*\bcpu\b[^:]*)?:/.test(line))
      .map((line) => join(root, line.split(':')[2] ?? '/')),
  ]);
  const named = new RegExp(`^strata-(?:server-)?${pid}-`);
  return [...new Set(own.flatMap((folder) => names(folder).filter((name) => named.test(name))))];
};

const foldersOf = (pid: number, parents: readonly string[]): readonly string[] => {
  const named = new RegExp(`^strata-(?:host-|egress-|run-[0-9a-f]{8}-)${pid}-`);
  return [...new Set(parents)].flatMap((parent) => names(parent).filter((name) => named.test(name)));
};

const countedIn = (metrics: string): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const [, labels = '', value] of metrics.matchAll(/^strata_pool_sandboxes\{(.*)\} (\S+)$/gm)) {
    const runtime = /runtime="([^"]*)"/.exec(labels)?.[1] ?? '';
    counts[runtime] = (counts[runtime] ?? 0) + Number(value);
  }
  return counts;
};

/** The sum over all labels of one metric. */
export const sumOf = (metrics: string, name: string, labels = /(?:)/): number => {
  let sum = 0;
  for (const [, found = '', value] of metrics.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))) {
    if (labels.test(found)) sum += Number(value);
  }
  return sum;
};

const names = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

const target = (path: string): string | null => {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
};

const text = (path: string): string => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
};
