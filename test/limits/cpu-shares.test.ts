/**
 * CPU time between tenants, with real hosts: where the kernel lets this user make control groups, each tenant's hosts
 * are in one of its own. What is looked at is the kernel's account, not how long anything took.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCpuGroups } from '../../src/ports/cpu-groups.ts';
import { processLabel } from '../../src/ports/process-label.ts';
import { eventually, openBench } from './bench.ts';

const groups = await openCpuGroups();
if (typeof groups === 'string') process.stderr.write(`cpu-shares: no control groups here: ${groups}\n`);
else await groups.close();

const BASE = `/strata-${processLabel().replace(':', '-')}`;

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

const CODE = 'exports.handler = () => 1;';

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

  it('gives a host no way to the files of its group', async () => {
    const { executor } = await openBench();
    try {
      await executor.deploy({ name: 'f', runtime: 'isolate', code: { source: CODE } });
      await executor.invoke({ function: 'f', event: {} });
      await eventually(5_000, () => members()['tenant-default'] !== undefined);
      const [pid] = members()['tenant-default'] ?? [];
      const uid = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
      const mounts = readFileSync(`/proc/${pid}/mounts`, 'latin1');
      expect(uid).not.toBe('0');
      if (executor.confinement().isolate?.kind === 'bubblewrap') expect(mounts).not.toContain('cgroup');
    } finally {
      await executor.close();
    }
  });
});
