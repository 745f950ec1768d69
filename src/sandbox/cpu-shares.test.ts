import { describe, expect, it } from 'vitest';
import type { CpuGroups } from '../ports/cpu-groups.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { CpuShares } from './cpu-shares.ts';

/** Groups in memory; a process stays in its group until it is told to be gone. */
class FakeGroups implements CpuGroups {
  readonly version = 2;
  readonly folders = new Map<string, Set<number>>();
  readonly giving = new Set<string>();
  failing = false;
  code = 'EACCES';
  closed = false;

  async make(name: string): Promise<void> {
    if (!this.folders.has(name)) this.folders.set(name, new Set());
  }

  async add(name: string, pid: number): Promise<void> {
    if (this.failing) throw Object.assign(new Error(this.code), { code: this.code });
    const folder = this.folders.get(name);
    if (folder === undefined) throw new Error('ENOENT');
    folder.add(pid);
  }

  async giveWay(name: string, gives: boolean): Promise<void> {
    if (gives) this.giving.add(name);
    else this.giving.delete(name);
  }

  async remove(name: string): Promise<boolean> {
    if ((this.folders.get(name)?.size ?? 0) > 0) return false;
    this.folders.delete(name);
    return true;
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  gone(pid: number): void {
    for (const folder of this.folders.values()) folder.delete(pid);
  }

  get state(): Record<string, number[]> {
    return Object.fromEntries([...this.folders].map(([name, pids]) => [name, [...pids]]));
  }
}

const setUp = (groups: FakeGroups | null = new FakeGroups()) => {
  const clock = new ManualClock();
  const faults: string[] = [];
  const nice: number[] = [];
  const usedMs = new Map<number, number>();
  const children = new Map<number, readonly number[] | Promise<readonly number[]>>();
  const shares = new CpuShares({
    ...{ clock, groups, makeNice: (pid) => nice.push(pid), cpuTimeMs: (pid) => usedMs.get(pid) ?? null },
    childProcesses: async (pid) => children.get(pid) ?? [],
    onFault: (message) => faults.push(message),
  });
  return { clock, groups: groups ?? new FakeGroups(), faults, nice, usedMs, children, shares };
};

/** Lets all that is under way, and needs no time, happen. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('CpuShares', () => {
  it('has one group for each tenant, with all of its processes', async () => {
    const { shares, groups } = setUp();
    shares.join('a', 1);
    shares.join('b', 2);
    shares.join('a', 3);
    await settled();
    expect(groups.state).toEqual({ 'tenant-a': [1, 3], 'tenant-b': [2] });
  });

  it('removes a group when the last process of it is gone, and not before the kernel lets it', async () => {
    const { shares, groups, clock } = setUp();
    shares.join('a', 1);
    shares.join('a', 2);
    await settled();
    groups.gone(1);
    shares.leave('a', 1);
    await settled();
    expect(groups.state).toEqual({ 'tenant-a': [2] });
    shares.leave('a', 2);
    await settled();
    expect(groups.state).toEqual({ 'tenant-a': [2] });
    groups.gone(2);
    clock.advance(50);
    await settled();
    expect(groups.state).toEqual({});
  });

  it('keeps the group of a tenant that has a process again before it was removed', async () => {
    const { shares, groups, clock } = setUp();
    shares.join('a', 1);
    await settled();
    shares.leave('a', 1);
    shares.join('a', 2);
    await settled();
    groups.gone(1);
    clock.advance(10_000);
    await settled();
    expect(groups.state).toEqual({ 'tenant-a': [2] });
  });

  it('moves nothing whose number may be another process by then', async () => {
    const { shares, groups } = setUp();
    shares.join('a', 1);
    shares.leave('a', 1);
    await settled();
    expect(groups.state).toEqual({});
  });

  it('reports a move that fails once, and goes on', async () => {
    const { shares, groups, faults } = setUp();
    groups.failing = true;
    shares.join('a', 1);
    shares.join('b', 2);
    await settled();
    groups.failing = false;
    shares.join('c', 3);
    await settled();
    expect(faults).toEqual(['a process could not be given its share of the CPU']);
    expect(groups.state['tenant-c']).toEqual([3]);
  });

  it('reports a move that fails anew when one has worked in between', async () => {
    const { shares, groups, faults } = setUp();
    for (const [pid, failing] of [true, true, false, true, true].entries()) {
      groups.failing = failing;
      shares.join('a', pid + 1);
      await settled();
    }
    expect(faults).toHaveLength(2);
  });

  it('reports nothing of a process that ended before it was moved', async () => {
    const { shares, groups, faults } = setUp();
    groups.failing = true;
    groups.code = 'ESRCH';
    shares.join('a', 1);
    await settled();
    expect(faults).toEqual([]);
  });

  it('makes processes nicer where there are no groups', async () => {
    const { shares, nice } = setUp(null);
    shares.join('a', 1);
    await settled();
    expect(nice).toEqual([1]);
    await shares.close();
  });

  it('says what each tenant’s processes used since it was asked last, and nothing of their start', () => {
    const { shares, usedMs } = setUp();
    shares.join('a', 1);
    shares.join('a', 2);
    shares.join('b', 3);
    for (const [pid, ms] of [[1, 100] as const, [2, 200] as const, [3, 300] as const]) usedMs.set(pid, ms);
    expect([...shares.usedMs()]).toEqual([
      ['a', 0],
      ['b', 0],
    ]);
    usedMs.set(1, 130).set(2, 250);
    usedMs.delete(3);
    expect([...shares.usedMs()]).toEqual([
      ['a', 80],
      ['b', 0],
    ]);
    expect(shares.usedMs().get('a')).toBe(0);
  });

  it('lets a tenant give way, and no longer when that was taken back meanwhile', async () => {
    const { shares, groups } = setUp();
    shares.join('a', 1);
    shares.giveWay('a', true);
    await settled();
    expect([...groups.giving]).toEqual(['tenant-a']);
    shares.giveWay('a', false);
    await settled();
    expect([...groups.giving]).toEqual([]);
    shares.giveWay('nobody', true);
    await settled();
    expect([...groups.giving]).toEqual([]);
  });

  it('lets the busy containers of a tenant share the weight of one process, and counts what they use', () => {
    const { shares } = setUp();
    const containers = [0, 0, 0].map(() => ({ ms: 0, told: [] as (readonly [number, boolean])[] }));
    const members = containers.map((container) => ({
      cpuMs: () => container.ms,
      weigh: (part: number, gives: boolean) => void container.told.push([part, gives]),
    }));
    for (const member of members) shares.include('a', member);
    shares.usedMs();
    for (const container of containers.slice(0, 2)) container.ms += 100;
    expect(shares.usedMs().get('a')).toBe(200);
    expect(containers.map(({ told }) => told)).toEqual([[[0.5, false]], [[0.5, false]], [[0.5, false]]]);
    const late: number[] = [];
    const another = { cpuMs: () => 0, weigh: (part: number) => void late.push(part) };
    shares.include('a', another);
    expect(late).toEqual([1 / 3]);
    shares.exclude('a', another);
    shares.giveWay('a', true);
    expect(containers.map(({ told }) => told.at(-1))).toEqual([1, 2, 3].map(() => [0.5, true]));
    shares.usedMs();
    expect(containers[0]?.told.at(-1)).toEqual([1, true]);
    for (const member of members) shares.exclude('a', member);
    expect(shares.usedMs().get('a') ?? 0).toBe(0);
  });

  it('lets a container give way whose tenant does already', () => {
    const { shares } = setUp();
    shares.join('a', 1);
    shares.giveWay('a', true);
    const told: boolean[] = [];
    shares.include('a', { cpuMs: () => 0, weigh: (_, gives) => void told.push(gives) });
    expect(told).toEqual([true]);
  });

  it('has what is nobody’s yet in one group, with what it had started before it was moved', async () => {
    const { shares, groups, children } = setUp();
    await groups.make('starting');
    children.set(1, [2]);
    children.set(2, [3, 4]);
    shares.join('a', 4);
    shares.started(1);
    await settled();
    expect(groups.state).toEqual({ starting: [1, 2, 3], 'tenant-a': [4] });
  });

  it('moves nothing once its groups are removed', async () => {
    const { shares, groups, children } = setUp();
    await groups.make('starting');
    let found = (_pids: readonly number[]): void => {};
    children.set(1, new Promise((resolve) => (found = resolve)));
    shares.started(1);
    await settled();
    const closing = shares.close();
    await settled();
    expect(groups.closed).toBe(false);
    found([2]);
    await closing;
    expect(groups.state).toEqual({ starting: [1] });
  });

  it('removes all groups when it closes, and takes nobody in after that', async () => {
    const { shares, groups } = setUp();
    await shares.close();
    shares.join('a', 1);
    await settled();
    expect(groups.closed).toBe(true);
    expect(groups.state).toEqual({});
  });
});
