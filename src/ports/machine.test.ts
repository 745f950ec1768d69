import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Machine, systemMachine } from './machine.ts';
import { ManualClock } from './manual-clock.ts';
import { ManualMachine } from './manual-machine.ts';

type Files = Readonly<Record<string, string>>;

const MEMINFO = 'MemTotal:       8388608 kB\nMemFree:         100 kB\nMemAvailable:   4194304 kB\n';
const stat = (busy: number, idle: number, iowait = 0): string =>
  `cpu  ${busy} 0 0 ${idle} ${iowait} 0 0 0 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n`;
const NO_GROUP: Files = { 'proc/meminfo': MEMINFO, 'proc/stat': stat(100, 100) };

/** As a service under systemd sees them: the slice around it is the tighter one. */
const V2: Files = {
  ...NO_GROUP,
  'proc/self/cgroup': '0::/app.slice/strata.service\n',
  'cgroup/app.slice/strata.service/memory.max': 'max\n',
  'cgroup/app.slice/strata.service/memory.current': '1048576\n',
  'cgroup/app.slice/strata.service/cpu.max': 'max 100000\n',
  'cgroup/app.slice/memory.max': '1073741824\n',
  'cgroup/app.slice/memory.current': '629145600\n',
  'cgroup/app.slice/memory.stat': 'anon 5\ninactive_file 104857600\nactive_file 7\n',
  'cgroup/app.slice/cpu.max': '50000 100000\n',
  'cgroup/app.slice/cpu.stat': 'usage_usec 1000000\nuser_usec 5\n',
};

/** As a container of an engine without namespaces of control groups sees them: its path is not visible. */
const V1: Files = {
  ...NO_GROUP,
  'proc/self/cgroup': '9:memory:/docker/c0ffee\n4:cpu,cpuacct:/docker/c0ffee\n1:name=systemd:/x\n0::/\n',
  'cgroup/memory/memory.limit_in_bytes': '2147483648\n',
  'cgroup/memory/memory.usage_in_bytes': '1073741824\n',
  'cgroup/memory/memory.stat': 'inactive_file 1\ntotal_inactive_file 536870912\n',
  'cgroup/cpu/cpu.cfs_quota_us': '200000\n',
  'cgroup/cpu/cpu.cfs_period_us': '100000\n',
  'cgroup/cpuacct/cpuacct.usage': '5000000000\n',
};

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Recorded {
  readonly clock: ManualClock;
  readonly machine: Machine;
  write(files: Files): void;
}

const recorded = (files: Files): Recorded => {
  const root = mkdtempSync(join(tmpdir(), 'strata-machine-'));
  folders.push(root);
  const write = (more: Files): void => {
    for (const [path, text] of Object.entries(more)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  };
  write(files);
  const clock = new ManualClock();
  const machine = systemMachine(clock, { proc: join(root, 'proc'), cgroup: join(root, 'cgroup') });
  return { clock, machine, write };
};

describe('the memory of the machine', () => {
  it('is what the kernel says when no group bounds it', () => {
    expect(recorded(NO_GROUP).machine.memory()).toEqual({ totalMb: 8_192, availableMb: 4_096 });
  });

  it('is the tightest limit among the groups of version 2, with its file cache as free', () => {
    expect(recorded(V2).machine.memory()).toEqual({ totalMb: 1_024, availableMb: 524 });
  });

  it('is the limit of the mount’s root in a container of version 1', () => {
    expect(recorded(V1).machine.memory()).toEqual({ totalMb: 2_048, availableMb: 1_536 });
  });

  it('is never more than the machine has left, whatever the group has', () => {
    const { machine, write } = recorded(V2);
    write({ 'proc/meminfo': 'MemTotal: 8388608 kB\nMemAvailable: 10240 kB\n' });
    expect(machine.memory()).toEqual({ totalMb: 1_024, availableMb: 10 });
    write({ 'cgroup/app.slice/memory.current': '9999999999999\n' });
    expect(machine.memory()).toEqual({ totalMb: 1_024, availableMb: 0 });
  });

  it('is the machine’s where the group names no limit, in the way of either version', () => {
    const unlimited = { totalMb: 8_192, availableMb: 4_096 };
    expect(recorded({ ...V2, 'cgroup/app.slice/memory.max': 'max\n' }).machine.memory()).toEqual(unlimited);
    const v1 = { ...V1, 'cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n' };
    expect(recorded(v1).machine.memory()).toEqual(unlimited);
  });

  it.each<[string, Files]>([
    ['no files', {}],
    ['an empty file', { 'proc/meminfo': '' }],
    ['words', { 'proc/meminfo': 'MemTotal: lots kB\nMemAvailable: -1 kB\n' }],
    ['no figure of what is available', { 'proc/meminfo': 'MemTotal: 8388608 kB\n' }],
    ['no memory at all', { 'proc/meminfo': 'MemTotal: 0 kB\nMemAvailable: 0 kB\n' }],
  ])('is not known with %s', (_what, files) => {
    expect(recorded(files).machine.memory()).toBeNull();
  });

  it.each(['', 'garbage', '-5', '1e9', '\0\0', '0x400'])('ignores a limit of %j', (text) => {
    const { machine } = recorded({ ...V2, 'cgroup/app.slice/memory.max': text });
    expect(machine.memory()).toEqual({ totalMb: 8_192, availableMb: 4_096 });
  });

  it('does not follow a path out of the groups that can be seen', () => {
    const files = { ...V2, 'proc/self/cgroup': '0::/../../app.slice\n', 'app.slice/memory.max': '1048576\n' };
    expect(recorded(files).machine.memory()).toEqual({ totalMb: 8_192, availableMb: 4_096 });
  });
});

describe('the CPU of the machine', () => {
  it('is the busy share of all cores since the last call, and null at the first', () => {
    const { machine, write } = recorded(NO_GROUP);
    expect(machine.cpu()).toBeNull();
    write({ 'proc/stat': stat(130, 160, 10) });
    expect(machine.cpu()).toBeCloseTo(0.3);
    write({ 'proc/stat': stat(230, 160, 10) });
    expect(machine.cpu()).toBe(1);
  });

  it('is what it was when no time has passed in which something could be counted', () => {
    const { machine, write } = recorded(NO_GROUP);
    machine.cpu();
    expect(machine.cpu()).toBeNull();
    write({ 'proc/stat': stat(150, 150) });
    expect(machine.cpu()).toBe(0.5);
    expect(machine.cpu()).toBe(0.5);
  });

  it('is the share of the quota where that is the fuller one, in version 2', async () => {
    const { machine, write, clock } = recorded(V2);
    expect(machine.cpu()).toBeNull();
    await clock.advance(1_000);
    write({ 'proc/stat': stat(110, 190), 'cgroup/app.slice/cpu.stat': 'usage_usec 1400000\n' });
    expect(machine.cpu()).toBeCloseTo(0.8);
    await clock.advance(1_000);
    write({ 'proc/stat': stat(200, 200), 'cgroup/app.slice/cpu.stat': 'usage_usec 1450000\n' });
    expect(machine.cpu()).toBeCloseTo(0.9);
  });

  it('is the share of the quota in version 1', async () => {
    const { machine, write, clock } = recorded(V1);
    machine.cpu();
    await clock.advance(2_000);
    write({ 'proc/stat': stat(110, 190), 'cgroup/cpuacct/cpuacct.usage': '8000000000\n' });
    expect(machine.cpu()).toBeCloseTo(0.75);
  });

  it('stays between 0 and 1, and starts again after counters went back', async () => {
    const { machine, write, clock } = recorded(V2);
    machine.cpu();
    await clock.advance(10);
    write({ 'proc/stat': stat(110, 110), 'cgroup/app.slice/cpu.stat': 'usage_usec 9000000\n' });
    expect(machine.cpu()).toBe(1);
    write({ 'proc/stat': stat(1, 1) });
    expect(machine.cpu()).toBeNull();
    write({ 'proc/stat': stat(2, 2), 'cgroup/app.slice/cpu.max': 'max 100000\n' });
    expect(machine.cpu()).toBe(0.5);
  });

  it.each(['', 'cpu', 'cpu  a b c d e f g h', 'intr 5'])('is not known from %j', (text) => {
    const { machine } = recorded({ ...NO_GROUP, 'proc/stat': text });
    expect([machine.cpu(), machine.cpu()]).toEqual([null, null]);
  });

  it.each(['max', '0 0', '100000 0', '-1 100000', 'x'])('ignores a quota of %j', async (text) => {
    const { machine, write, clock } = recorded({ ...V2, 'cgroup/app.slice/cpu.max': text });
    machine.cpu();
    await clock.advance(1_000);
    write({ 'proc/stat': stat(110, 190), 'cgroup/app.slice/cpu.stat': 'usage_usec 99000000\n' });
    expect(machine.cpu()).toBeCloseTo(0.1);
  });
});

it('a machine of a test says what it was told', () => {
  const machine = new ManualMachine();
  expect([machine.memory(), machine.cpu()]).toEqual([null, null]);
  machine.setMemory({ totalMb: 100, availableMb: 10 });
  machine.setCpu(0.5);
  expect([machine.memory(), machine.cpu()]).toEqual([{ totalMb: 100, availableMb: 10 }, 0.5]);
});
