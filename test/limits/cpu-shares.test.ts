/**
 * CPU time between tenants, with real hosts: where the kernel lets this user make control groups, each tenant's hosts
 * are in one of its own. What is looked at is the kernel's account, not how long anything took.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCpuGroups } from '../../src/ports/cpu-groups.ts';
import { cpuTimeMs } from '../../src/ports/cpu-time.ts';
import { processName } from '../../src/ports/process-label.ts';
import { systemProcesses } from '../../src/ports/processes.ts';
import { surveyConfinement } from '../../src/sandbox/isolate/tier.ts';
import { eventually, openBench } from './bench.ts';

const groups = await openCpuGroups();
if (typeof groups === 'string') process.stderr.write(`cpu-shares: no control groups here: ${groups}\n`);
else await groups.close();

/** Those that work on this machine. */
const survey = await surveyConfinement(systemProcesses);
const kinds = new Set(
  survey.filter(({ reason }) => reason === null).map(({ jail }) => jail.confinement.kind),
);

const BASE = `/strata-${processName()}`;

/** The processes of this machine that are in this server's groups, by group. */
const members = (): Readonly<Record<string, readonly number[]>> => {
  const found = new Map<string, number[]>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const path = groupOf(pid);
    const at = path.indexOf(`${BASE}.`);
    if (at < 0) continue;
    const name = path.slice(at + BASE.length + 1);
    found.set(name, [...(found.get(name) ?? []), Number(pid)]);
  }
  return Object.fromEntries(found);
};

const groupOf = (pid: string): string => {
  try {
    const lines = readFileSync(join('/proc', pid, 'cgroup'), 'latin1')
      .trim()
      .split('\n');
    const line = lines.find((each) => /^\d+:([^:]*,)?cpu(,[^:]*)?:/.test(each)) ?? lines.at(-1) ?? '';
    return line.split(':').slice(2).join(':');
  } catch {
    return '';
  }
};

/** CPU time of each group's processes since they started. */
const cpuTimes = (): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(members()).map(([name, pids]) => [
      name,
      pids.reduce((sum, pid) => sum + (cpuTimeMs(pid) ?? 0), 0),
    ]),
  );

const CODE = 'exports.handler = () => 1;';
const BURN = `exports.handler = ({ ms }) => {
  const end = Date.now() + ms;
  while (Date.now() < end);
};`;
const BURN_MS = 2_500;
const MANY = 6;

// An ordinary user may make no control groups unless some were delegated; src/sandbox/cpu-shares.test.ts runs anywhere.
describe.skipIf(typeof groups === 'string')('CPU shares', () => {
  it('puts each tenant’s hosts into a group of its own, leaves nobody’s out, and takes all down', async () => {
    const { executor } = await openBench({ isolate: { pristineHosts: 1 } });
    try {
      for (const tenant of ['ada', 'bob']) {
        await executor.deploy({ name: 'f', tenant, runtime: 'isolate', code: { source: CODE } });
        const answer = await executor.invoke({ function: 'f', tenant, event: {} });
        expect(answer.status).toBe('succeeded');
      }
      await eventually(
        5_000,
        () => Object.keys(members()).filter((name) => name !== 'starting').length === 2,
      );
      const { starting = [], ...seen } = members();
      expect(starting.length).toBeGreaterThan(0);
      expect(Object.keys(seen).sort()).toEqual(['tenant-ada', 'tenant-bob']);
      expect(seen['tenant-ada']).toHaveLength(1);
      expect(seen['tenant-bob']).toHaveLength(1);
      // The server itself stays where it was.
      expect(groupOf('self')).not.toContain(BASE);
    } finally {
      await executor.close();
    }
    expect(members()).toEqual({});
  });

  it('gives a tenant with one busy call as much as one with many, by the kernel’s account', async () => {
    const { executor } = await openBench({ isolate: { pristineHosts: 2 } });
    try {
      const code = { source: BURN };
      const one = { runtime: 'isolate', code, timeoutMs: 20_000, cpuMs: 20_000 } as const;
      await executor.deploy({ ...one, name: 'one', tenant: 'bob' });
      for (let at = 0; at < MANY; at += 1)
        await executor.deploy({ ...one, name: `many-${at}`, tenant: 'ada' });
      const call = (name: string, tenant: string, ms: number) =>
        executor.invoke({ function: name, tenant, event: { ms } });
      await Promise.all([
        call('one', 'bob', 1),
        ...Array.from({ length: MANY }, (_, at) => call(`many-${at}`, 'ada', 1)),
      ]);
      await eventually(5_000, () => members()['tenant-bob'] !== undefined);
      const before = cpuTimes();
      const answers = await Promise.all([
        ...Array.from({ length: MANY }, (_, at) => call(`many-${at}`, 'ada', BURN_MS)),
        call('one', 'bob', BURN_MS),
      ]);
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 'succeeded'));
      const after = cpuTimes();
      const usedMs = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0);
      // By threads it would be one part in seven; of its own half, or its own processor, a bad moment may take a part.
      expect(usedMs('tenant-bob') / (usedMs('tenant-bob') + usedMs('tenant-ada'))).toBeGreaterThan(0.25);
    } finally {
      await executor.close();
    }
  });

  it.each(['bubblewrap', 'unshare'] as const)(
    'gives a host no way to the files of its group, confined by %s',
    async (confinement) => {
      if (!kinds.has(confinement)) return;
      const { executor } = await openBench({ isolate: { confinement } });
      try {
        await executor.deploy({ name: 'f', runtime: 'isolate', code: { source: CODE } });
        await executor.invoke({ function: 'f', event: {} });
        await eventually(5_000, () => members()['tenant-default'] !== undefined);
        const pid = Math.max(...(members()['tenant-default'] ?? []));
        const status = readFileSync(`/proc/${pid}/status`, 'latin1');
        expect(/^NoNewPrivs:\s+(\d+)/m.exec(status)?.[1]).toBe('1');
        for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
          expect(new RegExp(`^${set}:\\s+(\\w+)`, 'm').exec(status)?.[1]).toBe('0000000000000000');
        if (process.getuid?.() === 0) expect(/^Uid:\s+(\d+)/m.exec(status)?.[1]).not.toBe('0');
        const seen = join('/proc', String(pid), 'root', 'sys/fs/cgroup');
        expect(existsSync(seen) ? readdirSync(seen) : []).toEqual([]);
        const mounts = readFileSync(`/proc/${pid}/mounts`, 'latin1').trim().split('\n');
        const covers = mounts.map((line) => line.split(' ')).filter(([, at]) => at === '/sys/fs/cgroup');
        if (confinement === 'bubblewrap') expect(mounts.join()).not.toContain('cgroup');
        else expect(covers.at(-1)?.slice(2)).toEqual(['tmpfs', expect.stringMatching(/^ro,/), '0', '0']);
      } finally {
        await executor.close();
      }
    },
  );
});
