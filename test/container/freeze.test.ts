/**
 * Idle containers: frozen after the grace, thawed when they are needed, and as easy to end as any other.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ContainerEngine } from '../../src/sandbox/container/engine.ts';
import { dockerEngine } from '../../src/sandbox/container/engine.ts';
import { eventually } from '../limits/bench.ts';
import { describeContainers, ENGINE_HOST } from './availability.ts';
import { openContainers } from './executors.ts';
import { openGroup } from './processes.ts';
import { openSandboxes, type Sandboxes } from './sandboxes.ts';

const LIMIT_MS = 10_000;
const ECHO = 'def handler(event, context): return event\n';
/** Answers at once; a thread of it would go on for ever. */
const BUSY = `
import threading, time
def forever():
  while True: pass
threading.Thread(target=forever, daemon=True).start()
def handler(event, context): return event
`;

await describeContainers('an idle container', ['python3'], () => {
  let sandboxes: Sandboxes;
  beforeAll(async () => {
    sandboxes = await openSandboxes('python3');
  });
  afterAll(() => sandboxes.close());

  it('is frozen, uses no CPU whatever runs in it, and is thawed by the next call', async () => {
    const { carrier, result } = await sandboxes.serve(BUSY);
    const group = await openGroup(carrier.id);
    for (let round = 0; round < 3; round += 1) {
      expect(await result({ round })).toEqual({ round });
      expect(await eventually(LIMIT_MS, group.frozen)).toBe(true);
      const before = group.cpuNs();
      // The engine takes its time for an answer; a thread that ran on would have used all of it.
      await sandboxes.engine.info();
      expect(group.cpuNs()).toBe(before);
    }
    expect(group.frozen()).toBe(true);
    carrier.kill('idle');
    await carrier.exited;
  });

  it('is frozen at the lower layers as well, and boots and loads out of the frost', async () => {
    const carrier = await sandboxes.tier.provision();
    const group = await openGroup(carrier.id);
    expect(await eventually(LIMIT_MS, group.frozen)).toBe(true);
    const instance = await carrier.boot(128);
    expect(await eventually(LIMIT_MS, group.frozen)).toBe(true);
    await instance.dispose();
    expect(await eventually(LIMIT_MS, group.frozen)).toBe(true);
    carrier.kill('idle');
    await carrier.exited;
  });

  it('that is frozen can be killed, and so can one whose instance is disposed of', async () => {
    for (const end of ['kill', 'dispose'] as const) {
      const { carrier, instance } = await sandboxes.serve(ECHO);
      const group = await openGroup(carrier.id);
      expect(await eventually(LIMIT_MS, group.frozen)).toBe(true);
      if (end === 'dispose') await instance.dispose();
      carrier.kill('evicted');
      expect(await carrier.exited).toMatchObject({ cause: 'evicted' });
    }
    // The end of a container is known before the engine has removed it.
    const none = async (): Promise<boolean> => (await sandboxes.containers()).length === 0;
    for (let looks = 0; looks < 100 && !(await none()); looks += 1);
    expect(await sandboxes.containers()).toEqual([]);
  });

  it('that was stopped before it was frozen is found when another is found stopped', async () => {
    const idle = await sandboxes.serve(ECHO);
    const busy = await sandboxes.serve(BUSY);
    const [idleGroup, busyGroup] = [await openGroup(idle.carrier.id), await openGroup(busy.carrier.id)];
    await idle.result();
    process.kill(idleGroup.agent, 'SIGSTOP');
    expect(await eventually(LIMIT_MS, idleGroup.frozen)).toBe(true);
    process.kill(busyGroup.agent, 'SIGSTOP');
    const { failure } = await busy.invoke();
    expect(failure?.code).toBe('sandbox_lost');
    expect(await idle.carrier.exited).toMatchObject({ cause: 'stopped' });
  });

  it('stays thawed for as long as a call is open', async () => {
    const waits = `
import os
def handler(event, context):
  if event.get("open"):
    os.write(waiting[1], b"x")
  else:
    os.read(waiting[0], 1)
  return "done"
waiting = os.pipe()
`;
    const { carrier, invoke } = await sandboxes.serve(waits);
    const group = await openGroup(carrier.id);
    const open = invoke();
    const short = await invoke({ open: true });
    expect(short.failure).toBeNull();
    expect((await open).failure).toBeNull();
    expect(await eventually(LIMIT_MS, group.frozen)).toBe(true);
    carrier.kill('idle');
  });
});

await describeContainers('where the kernel’s files cannot be used', ['python3'], () => {
  it('the engine freezes and thaws, and a frozen container still serves and ends', async () => {
    const real = dockerEngine(ENGINE_HOST);
    const orders: boolean[] = [];
    const engine: ContainerEngine = {
      ...real,
      async freeze(id, frozen) {
        await real.freeze(id, frozen);
        orders.push(frozen);
      },
    };
    const sandboxes = await openSandboxes('python3', { engine, metering: 'stats' });
    const { carrier, invoke } = await sandboxes.serve(ECHO);
    expect(carrier.meter).toBe('stats');
    for (let round = 1; round <= 2; round += 1) {
      expect(await eventually(LIMIT_MS, () => orders.length === 2 * round - 1)).toBe(true);
      expect((await invoke({ round })).failure).toBeNull();
    }
    expect(orders).toEqual([true, false, true, false]);
    expect(await eventually(LIMIT_MS, () => orders.at(-1) === true)).toBe(true);
    carrier.kill('idle');
    await carrier.exited;
    await sandboxes.tier.close();
    expect(sandboxes.faults).toEqual([]);
    expect(await sandboxes.containers()).toEqual([]);
    await sandboxes.close();
  });
});

await describeContainers('an executor with frozen containers', ['nodejs24', 'python3', 'provided'], () => {
  it('thaws them on lease, and closes while they are frozen', async () => {
    const containers = await openContainers({ freezeAfterMs: 10 });
    await containers.deploy('echo', 'nodejs24', 'exports.handler = (event) => event;');
    for (let round = 0; round < 3; round += 1) {
      const { receipt } = await containers.invoke('echo');
      expect(receipt).toMatchObject({ status: 'succeeded', start: round === 0 ? 'none' : 'code' });
      const [sandbox] = containers.holding('echo', 'nodejs24');
      const group = await openGroup(sandbox?.id ?? '');
      expect(await eventually(LIMIT_MS, group.frozen)).toBe(true);
    }
    await containers.executor.close();
    expect(await containers.listed()).toEqual([]);
    await containers.close();
  });
});
