import { expect, it } from 'vitest';
import { ManualClock } from '../ports/manual-clock.ts';
import { type IdleMemory, type OperatorEntry, OperatorMemory } from './operator-memory.ts';
import { DAY_MS, START_MS } from './testing.ts';

const open = (originMs = START_MS) => {
  const clock = new ManualClock(originMs);
  const world = {
    clock,
    idleMbSeconds: 0,
    idle: [] as IdleMemory[],
    unused: new Map<string, number>(),
    recorded: [] as OperatorEntry[],
  };
  const memory = new OperatorMemory({
    ...{ clock, intervalMs: 1_000 },
    spent: () => ({ idleMbSeconds: world.idleMbSeconds }),
    unusedCpuNs: () => world.unused,
    idle: () => world.idle,
    record: (entries) => world.recorded.push(...entries),
  });
  return { world, memory };
};

const idleOf = (container: number, ahead: number): IdleMemory => ({
  runtime: 'isolate',
  idle: [
    { layer: 'container', use: 'kept', memoryMb: container },
    { layer: 'code', use: 'ahead', memoryMb: ahead },
  ],
});

it('divides exactly what was idle by what is seen, and loses no fraction', async () => {
  const { world, memory } = open();
  world.idle = [idleOf(1, 2)];
  for (let second = 1; second <= 60; second += 1) {
    world.idleMbSeconds = second / 7;
    await world.clock.advance(1_000);
  }
  memory.close();
  const sums = new Map<string, bigint>();
  for (const { layer, memoryMbMs } of world.recorded) sums.set(layer, (sums.get(layer) ?? 0n) + memoryMbMs);
  const whole = (60 / 7) * 1_000;
  expect(Number(sums.get('container'))).toBe(Math.floor(whole / 3));
  expect(Number(sums.get('code'))).toBe(Math.floor((whole * 2) / 3));
  expect(memory.totals().reduce((sum, { gbSeconds }) => sum + gbSeconds, 0)).toBeCloseTo(60 / 7 / 1_024, 9);
});

it('keeps what was idle while nothing is seen for who is seen next', async () => {
  const { world, memory } = open();
  world.idleMbSeconds = 5;
  await world.clock.advance(1_000);
  world.idle = [idleOf(1, 0)];
  memory.close();
  expect(world.recorded).toEqual([
    {
      day: START_MS / DAY_MS,
      runtime: 'isolate',
      layer: 'container',
      use: 'kept',
      memoryMbMs: 5_000n,
      cpuNs: 0n,
    },
  ]);
});

it('records twice a minute, the CPU of loads that nobody used once, and both on their day', async () => {
  const { world, memory } = open(START_MS - 45_000);
  world.idle = [idleOf(1, 0)];
  for (let second = 1; second <= 60; second += 1) {
    world.idleMbSeconds = second;
    if (second === 10) world.unused = new Map([['isolate', 1_000.4]]);
    await world.clock.advance(1_000);
  }
  memory.close();
  const [first, wasted, second] = world.recorded;
  expect([first?.day, second?.day]).toEqual([START_MS / DAY_MS - 1, START_MS / DAY_MS]);
  expect(wasted).toMatchObject({ layer: 'code', use: 'ahead', cpuNs: 1_000n });
  expect(world.recorded.filter(({ cpuNs }) => cpuNs > 0n)).toHaveLength(1);
});
