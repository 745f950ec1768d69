/**
 * Question: what memory do many warm functions take, of one tenant and of many?
 *
 * Reads the private memory of the server's descendants, so that spare hosts and the jail are in the sums; what a
 * function or a tenant adds is a difference between two rows of one server. A row counts only when the server
 * itself says that all its functions are warm.
 */
import type { FunctionSpecInput } from '../src/core/spec.ts';
import { pause, Scope } from './harness/children.ts';
import { type Bench, progress, runFromCommandLine } from './harness/command.ts';
import { FUNCTION_SOURCE } from './harness/peers.ts';
import { descendantsOf, readMemory } from './harness/proc.ts';
import { compare, type Row, reasonOf, row } from './harness/result.ts';
import { divide, sum } from './harness/stats.ts';
import { QUIET, Strata, unexpected } from './harness/strata.ts';

const FULL = { functionsOfOneTenant: [1, 100, 1_000], tenants: 100, settleMs: 2_000 };
const SPARE_HOSTS = 28;
const QUICK = { functionsOfOneTenant: [1, 10], tenants: 5, settleMs: 500 };

/** What the kernel calls a Node process: by its main thread since Node 24. */
const NODE_COMMANDS: ReadonlySet<string> = new Set(['MainThread', 'node']);

/** Functions stay warm for the whole measurement. */
const SPEC = {
  runtime: 'isolate',
  handler: 'index.handler',
  idleTimeoutMs: 3_600_000,
} as const satisfies Omit<FunctionSpecInput, 'code'>;

export const density: Bench = {
  question: 'density',
  measure: async ({ quick }) => {
    const sizes = quick ? QUICK : FULL;
    const oneTenant = await measureOneTenant(sizes);
    const manyTenants = await measureManyTenants(sizes);
    const [one, most] = [oneTenant.at(1), oneTenant.at(-1)];
    const [idle, full] = [manyTenants.at(0), manyTenants.at(-1)];
    return {
      sizes,
      rows: [...oneTenant, ...manyTenants].map((sample) => toRow(sample)),
      comparisons: [
        compare('a further warm function of one tenant, MB', addedMb(one, most, 'functions'), {
          atMost: 1.5,
        }),
        compare('a further tenant with one function, MB', addedMb(idle, full, 'tenants'), { atMost: 30 }),
      ],
      notes: [
        'Own memory: private pages, clean and dirty, from smaps_rollup, in MB of 10^6 bytes.',
        'Hosts are the Node processes below the server, spare ones among them; others are the jail and any helper.',
      ],
    };
  },
};

interface Sizes {
  readonly functionsOfOneTenant: readonly number[];
  readonly tenants: number;
  readonly settleMs: number;
}

interface Sample {
  readonly subject: string;
  readonly functions: number;
  readonly tenants: number;
  readonly memory: Memory | null;
  readonly reason: string | null;
}

interface Memory {
  readonly serverResidentMb: number | null;
  readonly hosts: number;
  readonly hostsOwnMb: number | null;
  readonly othersOwnMb: number | null;
}

const measureOneTenant = (sizes: Sizes): Promise<Sample[]> =>
  measureServer(
    'one tenant',
    async (strata, take) => {
      let warm = 0;
      await take('idle server', { functions: 0, tenants: 0 });
      for (const functions of sizes.functionsOfOneTenant) {
        while (warm < functions) {
          await warmUp(strata, `warm-${warm}`, 'single');
          warm += 1;
        }
        await take(`one tenant, ${functions} functions`, { functions, tenants: 1 });
      }
    },
    sizes,
  );

const measureManyTenants = (sizes: Sizes): Promise<Sample[]> =>
  measureServer(
    'many tenants',
    async (strata, take) => {
      await take('idle server, once more', { functions: 0, tenants: 0 });
      for (let tenant = 0; tenant < sizes.tenants; tenant += 1)
        await warmUp(strata, 'warm', `tenant-${tenant}`);
      await take(`${sizes.tenants} tenants, one function each`, {
        functions: sizes.tenants,
        tenants: sizes.tenants,
      });
    },
    sizes,
  );

type Take = (subject: string, expected: { functions: number; tenants: number }) => Promise<void>;

/** Runs a server of its own for one series; a failure ends the series with a sample that says why. */
const measureServer = (
  series: string,
  body: (strata: Strata, take: Take) => Promise<void>,
  sizes: Sizes,
): Promise<Sample[]> =>
  Scope.run(async (scope) => {
    const samples: Sample[] = [];
    try {
      // A tenant has a host of its own, so there must be room for one each and for the spare ones.
      const settings = { ...QUIET, STRATA_ISOLATE_MAX_HOSTS: String(sizes.tenants + SPARE_HOSTS) };
      const strata = await Strata.start(scope, settings);
      await body(strata, async (subject, expected) => {
        progress(`density: ${subject}`);
        await pause(sizes.settleMs);
        const warm = await warmFunctions(strata);
        const short = warm < expected.functions;
        samples.push({
          subject,
          ...expected,
          memory: short ? null : readServer(strata.pid),
          reason: short ? `only ${warm} of ${expected.functions} functions are warm at once` : null,
        });
      });
    } catch (error) {
      const reason = reasonOf(error);
      progress(`density: ${series}: ${reason}`);
      samples.push({ subject: `${series}, the rest`, functions: 0, tenants: 0, memory: null, reason });
    }
    return samples;
  });

/** Each function has a text of its own, as functions do. */
const warmUp = async (strata: Strata, name: string, tenant: string): Promise<void> => {
  const source = `${FUNCTION_SOURCE}// ${tenant} ${name}\n`;
  await strata.deploy(name, { ...SPEC, code: { source } }, tenant);
  const reply = await strata.invoke(name, { name: tenant }, { tenant });
  if (reply.status !== 200 || !reply.body.includes(tenant))
    throw unexpected(`invoking ${name} of ${tenant}`, reply);
};

/** By count, because the server lists to a tenant only its own sandboxes; warmed one by one, each has one instance. */
const warmFunctions = async (strata: Strata): Promise<number> => {
  const { ready } = await strata.pool('isolate');
  return ready.code;
};

const readServer = (serverPid: number): Memory => {
  const processes = descendantsOf(serverPid).flatMap((pid) => readMemory(pid) ?? []);
  const hosts = processes.filter(({ command }) => NODE_COMMANDS.has(command));
  const others = processes.filter(({ command }) => !NODE_COMMANDS.has(command));
  return {
    serverResidentMb: readMemory(serverPid)?.residentMb ?? null,
    hosts: hosts.length,
    hostsOwnMb: sum(hosts.map(({ ownMb }) => ownMb)),
    othersOwnMb: sum(others.map(({ ownMb }) => ownMb)),
  };
};

const addedMb = (
  from: Sample | undefined,
  to: Sample | undefined,
  per: 'functions' | 'tenants',
): number | null => {
  const [before, after] = [from?.memory?.hostsOwnMb, to?.memory?.hostsOwnMb];
  if (from === undefined || to === undefined || before == null || after == null) return null;
  return divide(after - before, to[per] - from[per]);
};

const toRow = ({ subject, functions, memory, reason }: Sample): Row =>
  row(
    subject,
    {
      functions,
      hosts: memory?.hosts ?? null,
      hostsOwnMb: memory?.hostsOwnMb ?? null,
      othersOwnMb: memory?.othersOwnMb ?? null,
      serverResidentMb: memory?.serverResidentMb ?? null,
    },
    reason ?? (memory?.hostsOwnMb === null ? 'smaps_rollup of a host cannot be read by this user' : null),
  );

if (import.meta.main) await runFromCommandLine(density);
