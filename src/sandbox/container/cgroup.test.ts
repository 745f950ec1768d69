import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type CgroupRoots, openCgroup } from './cgroup.ts';

const ID = 'c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00';
const PID = 4242;

/** Files as Linux 6.12 shows them for a container of Docker 27 under systemd and version 2. */
const V2_FOLDER = `system.slice/docker-${ID}.scope`;
const V2: Readonly<Record<string, string>> = {
  [`proc/${PID}/cgroup`]: `0::/${V2_FOLDER}\n`,
  [`cgroup/${V2_FOLDER}/cgroup.procs`]: `${PID}\n4250\n`,
  [`cgroup/${V2_FOLDER}/cpu.stat`]:
    'usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\nnice_usec 0\ncore_sched.force_idle_usec 0\n' +
    'nr_periods 12\nnr_throttled 3\nthrottled_usec 4500\nnr_bursts 0\nburst_usec 0\n',
  [`cgroup/${V2_FOLDER}/memory.current`]: '20971520\n',
  [`cgroup/${V2_FOLDER}/memory.peak`]: '41943040\n',
  [`cgroup/${V2_FOLDER}/memory.stat`]:
    'anon 8388608\nfile 12582912\nkernel 1048576\nkernel_stack 98304\nshmem 4096\nfile_mapped 0\n',
  [`cgroup/${V2_FOLDER}/memory.events`]: 'low 0\nhigh 0\nmax 17\noom 2\noom_kill 1\noom_group_kill 0\n',
  [`cgroup/${V2_FOLDER}/memory.max`]: '134217728\n',
  [`cgroup/${V2_FOLDER}/cpu.max`]: '100000 100000\n',
  [`cgroup/${V2_FOLDER}/cgroup.freeze`]: '0\n',
};

/** Files as Linux 6.1 shows them for a container of Docker 20.10 under version 1. */
const V1_FOLDER = `docker/${ID}`;
const V1: Readonly<Record<string, string>> = {
  [`proc/${PID}/cgroup`]:
    `11:memory:/${V1_FOLDER}\n8:freezer:/${V1_FOLDER}\n4:cpu,cpuacct:/${V1_FOLDER}\n` +
    `1:name=systemd:/${V1_FOLDER}\n0::/system.slice/containerd.service\n`,
  [`cgroup/memory/${V1_FOLDER}/cgroup.procs`]: `${PID}\n`,
  [`cgroup/cpuacct/${V1_FOLDER}/cpuacct.usage`]: '987654321\n',
  [`cgroup/memory/${V1_FOLDER}/memory.usage_in_bytes`]: '10485760\n',
  [`cgroup/memory/${V1_FOLDER}/memory.max_usage_in_bytes`]: '31457280\n',
  [`cgroup/memory/${V1_FOLDER}/memory.stat`]:
    'cache 0\nrss 100\ntotal_cache 5\ntotal_rss 4194304\ntotal_shmem 8192\n',
  [`cgroup/memory/${V1_FOLDER}/memory.oom_control`]: 'oom_kill_disable 0\nunder_oom 0\noom_kill 4\n',
  [`cgroup/memory/${V1_FOLDER}/memory.failcnt`]: '33\n',
  [`cgroup/memory/${V1_FOLDER}/memory.memsw.failcnt`]: '2\n',
  [`cgroup/memory/${V1_FOLDER}/memory.limit_in_bytes`]: '134217728\n',
  [`cgroup/memory/${V1_FOLDER}/memory.memsw.limit_in_bytes`]: '134217728\n',
  [`cgroup/cpu/${V1_FOLDER}/cpu.cfs_quota_us`]: '100000\n',
  [`cgroup/freezer/${V1_FOLDER}/freezer.state`]: 'THAWED\n',
};

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const recorded = (files: Readonly<Record<string, string>>): CgroupRoots & { at(path: string): string } => {
  const root = mkdtempSync(join(tmpdir(), 'strata-cgroup-'));
  folders.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return {
    proc: join(root, 'proc'),
    cgroup: join(root, 'cgroup'),
    at: (path) => readFileSync(join(root, path), 'utf8'),
  };
};

describe('a control group', () => {
  it('reads the figures of version 2', () => {
    const group = openCgroup(PID, ID, recorded(V2));
    expect(group?.version).toBe(2);
    expect(group?.cpuNs()).toBe(1_234_567_000);
    expect(group?.memoryBytes()).toBe(20_971_520);
    expect(group?.ownBytes()).toBe(8_388_608 + 4_096);
    expect(group?.peakBytes()).toBe(41_943_040);
    expect(group?.memoryEvents()).toEqual({ killed: 1, limitHits: 2, atLimit: false });
    group?.close();
  });

  it('reads the figures of version 1', () => {
    const group = openCgroup(PID, ID, recorded(V1));
    expect(group?.version).toBe(1);
    expect(group?.cpuNs()).toBe(987_654_321);
    expect(group?.memoryBytes()).toBe(10_485_760);
    expect(group?.ownBytes()).toBe(4_194_304 + 8_192);
    expect(group?.peakBytes()).toBe(31_457_280);
    expect(group?.memoryEvents()).toEqual({ killed: 4, limitHits: 35, atLimit: false });
    group?.close();
  });

  it('says of version 1 that the peak is the limit, where the kernel counts no hits', () => {
    const peak = `cgroup/memory/${V1_FOLDER}/memory.max_usage_in_bytes`;
    const group = openCgroup(PID, ID, recorded({ ...V1, [peak]: '134217728\n' }));
    expect(group?.resize(134_217_728, 100_000)).toBe(true);
    expect(group?.memoryEvents()?.atLimit).toBe(true);
    expect(group?.resize(268_435_456, 100_000)).toBe(true);
    expect(group?.memoryEvents()?.atLimit).toBe(false);
    group?.close();
  });

  it('remembers of version 1 that the limit was reached when the peak is reset behind it', () => {
    const peak = `cgroup/memory/${V1_FOLDER}/memory.max_usage_in_bytes`;
    const group = openCgroup(PID, ID, recorded({ ...V1, [peak]: '134217728\n' }));
    const before = group?.memoryEvents()?.limitHits ?? 0;
    group?.resetPeak();
    expect(group?.memoryEvents()).toMatchObject({ limitHits: before + 1, atLimit: false });
    group?.resetPeak();
    expect(group?.memoryEvents()?.limitHits).toBe(before + 1);
    group?.close();
  });

  it('writes bounds and freezer of version 2', () => {
    const roots = recorded(V2);
    const group = openCgroup(PID, ID, roots);
    expect(group?.resize(268_435_456, 150_000)).toBe(true);
    expect(roots.at(`cgroup/${V2_FOLDER}/memory.max`)).toContain('268435456');
    expect(roots.at(`cgroup/${V2_FOLDER}/cpu.max`)).toContain('150000 100000');
    expect(group?.freeze(true)).toBe(true);
    expect(roots.at(`cgroup/${V2_FOLDER}/cgroup.freeze`)).toContain('1');
    group?.close();
  });

  it('writes weights, and lets a group give way where the kernel can, in both versions', () => {
    for (const [files, folder, name, usual, least] of [
      [V1, `cgroup/cpu/${V1_FOLDER}`, 'cpu.shares', 1_024, 2],
      [V2, `cgroup/${V2_FOLDER}`, 'cpu.weight', 100, 1],
    ] as const) {
      const roots = recorded({ ...files, [`${folder}/${name}`]: '7\n', [`${folder}/cpu.idle`]: '0\n' });
      const group = openCgroup(PID, ID, roots);
      expect(group?.weigh(0.25, false)).toBe(true);
      expect(Number.parseInt(roots.at(`${folder}/${name}`), 10)).toBe(usual / 4);
      expect(group?.weigh(1, true)).toBe(true);
      expect(Number.parseInt(roots.at(`${folder}/cpu.idle`), 10)).toBe(1);
      expect(Number.parseInt(roots.at(`${folder}/${name}`), 10)).toBe(usual / 4);
      group?.close();
      const old = recorded({ ...files, [`${folder}/${name}`]: ' \n' });
      const before = openCgroup(PID, ID, old);
      expect(before?.weigh(1, true)).toBe(true);
      expect(Number.parseInt(old.at(`${folder}/${name}`), 10)).toBe(least);
      before?.close();
    }
  });

  it('writes bounds and freezer of version 1', () => {
    const roots = recorded(V1);
    const group = openCgroup(PID, ID, roots);
    expect(group?.resize(268_435_456, 150_000)).toBe(true);
    expect(roots.at(`cgroup/memory/${V1_FOLDER}/memory.limit_in_bytes`)).toContain('268435456');
    expect(roots.at(`cgroup/memory/${V1_FOLDER}/memory.memsw.limit_in_bytes`)).toContain('268435456');
    expect(group?.freeze(true)).toBe(true);
    expect(roots.at(`cgroup/freezer/${V1_FOLDER}/freezer.state`)).toContain('FROZEN');
    group?.close();
  });

  it('is not opened for a process that belongs to another container', () => {
    expect(openCgroup(PID, 'another', recorded(V2))).toBeNull();
    const files = { ...V2, [`cgroup/${V2_FOLDER}/cgroup.procs`]: '1\n' };
    expect(openCgroup(PID, ID, recorded(files))).toBeNull();
  });

  it('is not there for a process that is not', () => {
    expect(openCgroup(PID, ID, recorded({}))).toBeNull();
  });
});
