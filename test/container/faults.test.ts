/**
 * Violence against one container or what runs in it: who is told what, and that nothing stays behind.
 */
import { readdirSync } from 'node:fs';
import type { Socket } from 'node:net';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dockerodeOptions } from '../../src/sandbox/container/docker-host.ts';
import { eventually } from '../limits/bench.ts';
import { describeContainers, ENGINE_HOST } from './availability.ts';
import { type Containers, openContainers } from './executors.ts';
import { processesOf, signalAgent } from './processes.ts';
import { openSandboxes } from './sandboxes.ts';

const LIMIT_MS = 10_000;

/** Does what the event says; `holds` waits until somebody ends it. */
const PYTHON = `
import os, signal, socket, threading
def handler(event, context):
  what = event.get("do")
  if what == "hold": threading.Event().wait()
  if what == "exit": os._exit(0)
  if what == "kill itself": os.kill(os.getpid(), signal.SIGKILL)
  if what == "stop itself": os.kill(os.getpid(), signal.SIGSTOP)
  if what == "fill":
    kept = []
    while True: kept.append(bytearray(b"x") * 2**20)
  return socket.gethostname()
`;

await describeContainers('a container', ['nodejs24', 'python3', 'provided'], () => {
  let containers: Containers;
  beforeAll(async () => {
    containers = await openContainers({ pristine: 1, killGraceMs: 300 });
    await containers.deploy('f', 'python3', PYTHON, { timeoutMs: 20_000, memoryMb: 64 });
    await containers.deploy('hasty', 'python3', PYTHON, { timeoutMs: 300, memoryMb: 64 });
  });
  afterAll(() => containers.close());

  /** A call that is under way in a container: what it will answer, and the container. */
  const held = async (name = 'f') => {
    await containers.result(name);
    const [sandbox] = containers.holding(name, 'python3');
    const answer = containers.invoke(name, { do: 'hold' });
    return { id: sandbox?.id ?? '', code: answer.then(({ receipt }) => receipt.error?.code ?? null) };
  };
  const gone = (id: string): Promise<boolean> =>
    eventually(LIMIT_MS, () => !containers.pool('python3').sandboxes.some((sandbox) => sandbox.id === id));

  const OUTSIDE: readonly [what: string, act: (id: string) => Promise<void>, code: string, dies: boolean][] =
    [
      [
        'killed by an operator',
        (id) => new Docker(dockerodeOptions(ENGINE_HOST)).getContainer(id).kill(),
        'sandbox_lost',
        true,
      ],
      [
        'removed by an operator',
        (id) => new Docker(dockerodeOptions(ENGINE_HOST)).getContainer(id).remove({ force: true }),
        'sandbox_lost',
        true,
      ],
      ['whose agent is killed', (id) => signalAgent(id, 'SIGKILL'), 'sandbox_lost', true],
      [
        'whose function is killed',
        async (id) => {
          for (const pid of (await processesOf(id)).own) process.kill(pid, 'SIGKILL');
        },
        'sandbox_exited',
        false,
      ],
    ];
  it.each(OUTSIDE)('%s: the call is told so, and the next one is served', async (_, act, code, dies) => {
    const { id, code: told } = await held();
    await act(id);
    expect(await told).toBe(code);
    if (dies) expect(await gone(id)).toBe(true);
    const where = await containers.result<string>('f');
    if (dies) expect(where).not.toBe(id);
    const listed = await containers.listed();
    expect(listed.some((container) => container.id.startsWith(id))).toBe(!dies);
  });

  it.each([
    ['whose agent is stopped', (id: string) => signalAgent(id, 'SIGSTOP')],
    [
      'that is paused by an operator',
      (id: string) => new Docker(dockerodeOptions(ENGINE_HOST)).getContainer(id).pause(),
    ],
  ])('%s is killed long before the deadline, nobody is blamed, and it is replaced', async (_, stop) => {
    const { id, code } = await held('f');
    await stop(id);
    expect(await code).toBe('sandbox_lost');
    expect(await gone(id)).toBe(true);
    expect(await containers.result<string>('f')).not.toBe(id);
  });

  it.each([
    ['exit', 'sandbox_exited'],
    ['kill itself', 'sandbox_exited'],
    ['fill', 'memory_limit'],
    ['stop itself', 'function_timeout'],
    ['hold', 'function_timeout'],
  ])('survives a function that is told to %s', async (what, code) => {
    const before = await containers.result<string>('hasty');
    const { receipt } = await containers.invoke('hasty', { do: what });
    expect(receipt.error?.code).toBe(code);
    const alive = containers.pool('python3').sandboxes.some(({ id }) => id === before);
    expect(alive).toBe(true);
    expect(await containers.result<string>('hasty')).toBeTypeOf('string');
  });
});

await describeContainers('a container below the pool', ['python3'], () => {
  it('whose connection is cut ends, loses its call without blame, and leaves nothing', async () => {
    const before = connections();
    const sandboxes = await openSandboxes('python3');
    const { carrier, invoke } = await sandboxes.serve(PYTHON);
    const call = invoke({ do: 'hold' });
    const own = [...connections()].filter((socket) => !before.has(socket));
    expect(own).toHaveLength(1);
    for (const socket of own) socket.destroy();
    expect((await call).failure?.code).toBe('sandbox_lost');
    await carrier.exited;
    // The end is known before the engine has removed what is left; closing waits for that.
    await sandboxes.tier.close();
    expect(await sandboxes.containers()).toEqual([]);
    expect(readdirSync(sandboxes.runFolder)).toEqual([]);
    await sandboxes.close();
  });

  it('that the server ends for reasons of its own blames nobody', async () => {
    const sandboxes = await openSandboxes('python3');
    for (const cause of ['shutdown', 'evicted', 'idle'] as const) {
      const { carrier, invoke } = await sandboxes.serve(PYTHON);
      const call = invoke({ do: 'hold' });
      carrier.kill(cause);
      expect((await call).failure).toMatchObject({ code: 'sandbox_lost' });
      expect(await carrier.exited).toMatchObject({ cause, suspects: [], proven: false });
    }
    await sandboxes.tier.close();
    expect(await sandboxes.containers()).toEqual([]);
    expect(sandboxes.faults).toEqual([]);
    await sandboxes.close();
  });
});

/** Connections that this process has accepted: those of agents. */
const connections = (): ReadonlySet<Socket> => {
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles(): unknown[] };
  const sockets = handles.call(process) as (Socket & { server?: unknown })[];
  return new Set(sockets.filter(({ server }) => server !== undefined && server !== null));
};
