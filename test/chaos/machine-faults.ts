/**
 * What happens around a server: connections that are cut, a full disk, clocks that jump, a dead broker, its own death.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { dockerEngine } from '../../src/sandbox/container/engine.ts';
import { call } from '../e2e/http-client.ts';
import { descendants, gone, type ProcessId } from '../hostile/processes.ts';
import { remainsOf, type Watched } from '../hostile/remains.ts';
import type { Fault, Struck } from './fault.ts';
import { socketsOf, type Tools } from './tools.ts';

const LOST = ['sandbox_lost', 'start_failed'] as const;
/** A host is given its channel as this descriptor. */
const CHANNEL = 3;

export const brokerFault: Fault = {
  name: 'the egress broker is killed',
  allows: { isolate: ['network_unavailable'] },
  times: 3,
  async strike({ world, load }) {
    const { processes } = await remainsOf({ ...world.watched, engineHost: null });
    for (const { pid, role } of processes) if (role === 'broker') kill(pid);
    await load.answers(150);
  },
};

const CONNECTIONS_CUT = 60;

export const clientFault: Fault = {
  name: 'clients’ connections are cut, in the middle of the event or of the answer',
  allows: {},
  async strike(struck) {
    const cuts = Array.from({ length: CONNECTIONS_CUT }, (_, at) => cutOne(struck, at));
    await Promise.all(cuts);
    struck.load.outside += CONNECTIONS_CUT;
  },
};

/** Half of them send half of their event, the others read the first bytes of a long answer. */
const cutOne = ({ world, chance }: Struck, at: number): Promise<void> => {
  const half = at % 2 === 0;
  const body = JSON.stringify({ number: -at, text: 'x'.repeat(100 + chance.below(20_000)), times: 50 });
  const head =
    'POST /v1/functions/big/invocations HTTP/1.1\r\nHost: strata\r\nStrata-Tenant: ann\r\n' +
    `Content-Length: ${body.length}\r\n\r\n`;
  const socket = connect(world.server.port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.on('error', () => undefined).on('close', () => resolve());
    if (half) socket.write(head + body.slice(0, chance.below(body.length)), () => reset(socket));
    else {
      socket.write(head + body);
      socket.once('data', () => reset(socket));
    }
  });
};

const reset = (socket: Socket): void => void socket.resetAndDestroy();

/** What passes between server and hosts is cut wherever it is: with long answers under way, often within a frame. */
export const channelFault = (tools: Tools): Fault => ({
  name: 'the channels of isolate hosts are cut',
  // Whoever runs alone in a host could have closed the channel itself, and is held to have done so.
  allows: { isolate: [...LOST, 'sandbox_exited'] },
  times: 3,
  async strike({ world, load, chance }) {
    const hosts = await world.hosts();
    const victim = hosts[chance.below(hosts.length)];
    if (victim === undefined || tools.cut(victim.pid, [CHANNEL]) === 0) throw new Error(NOTHING_CUT);
    await load.answers(60);
  },
});

/** A fault that did not strike would prove nothing. */
const NOTHING_CUT = 'no socket could be cut';

/** @param agents the first processes of all containers. */
export const agentFault = (tools: Tools, agents: (struck: Struck) => Promise<readonly number[]>): Fault => ({
  name: 'the connections of agents are cut',
  allows: { container: LOST },
  async strike(struck) {
    let cut = 0;
    for (const pid of await agents(struck)) cut += tools.cut(pid, socketsOf(pid));
    if (cut === 0) throw new Error(NOTHING_CUT);
  },
});

const DAY_MS = 86_400_000;
const TEN_MINUTES_MS = 600_000;

/** The server must be started with `tools.clockEnvironment()`. */
export const clockFaults = (tools: Tools): readonly Fault[] => [
  {
    name: 'the wall clock jumps by a day, forward and back',
    allows: {},
    async strike({ load }) {
      for (const wallMs of [DAY_MS, -DAY_MS, 0]) {
        tools.shiftClocks(wallMs, 0);
        await load.answers(60);
      }
    },
  },
  {
    name: 'the machine’s time jumps ten minutes forward, as after a pause',
    // Every deadline that runs is over at once, those of idle connections too.
    allows: {
      isolate: ['function_timeout', 'init_timeout', 'queue_timeout', 'sandbox_lost', 'start_failed'],
      container: ['function_timeout', 'init_timeout', 'queue_timeout', 'sandbox_lost', 'start_failed'],
    },
    cuts: true,
    async strike() {
      tools.shiftClocks(TEN_MINUTES_MS, TEN_MINUTES_MS);
    },
  },
];

/** A tmpfs of the server's own is its data folder: `through` of the world. */
export const SMALL_DISK = [
  ...['unshare', '--mount', 'sh', '-c'],
  'mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"',
];

const FILL_FROM_BYTES = 65_536;

export const diskFault: Fault = {
  name: 'the disk under the data folder is full',
  allows: {},
  async strike({ world, load }) {
    const cold = { runtime: 'isolate', code: { source: 'exports.handler = () => "cold";' } };
    await deploy(world.server, 'cold', cold);
    const filler = join('/proc', String(world.server.pid), 'root', world.dataDir, 'filler');
    try {
      fill(filler);
      const broken: string[] = [];
      for (let at = 0; at < 10; at += 1) {
        const spec = {
          runtime: 'isolate',
          code: { source: `exports.handler = () => ${at}; // ${'x'.repeat(9_000)}` },
        };
        const { status, json } = await deploy(world.server, `full-${at}`, spec);
        const { code } = (json ?? {}) as { code?: string };
        if (status !== 507 || code !== 'storage_full')
          broken.push(`a deploy on a full disk: ${status} ${code}`);
        await load.answers(20);
      }
      // Code that was never loaded is read from the full disk.
      const reply = await call(world.server, 'POST', '/v1/functions/cold/invocations');
      if (reply.json !== 'cold') broken.push(`an invocation on a full disk: ${reply.text}`);
      load.outside += 1;
      if (broken.length > 0) throw new Error(broken.join('\n'));
    } finally {
      rmSync(filler, { force: true });
    }
  },
  async check({ world }) {
    const after = { runtime: 'isolate', code: { source: 'exports.handler = () => "after";' } };
    const { status } = await deploy(world.server, 'after', after);
    const { json } = await call(world.server, 'POST', '/v1/functions/after/invocations');
    const { json: listed } = await call(world.server, 'GET', '/v1/functions');
    const kept = ((listed as { functions?: { name: string }[] }).functions ?? []).map(({ name }) => name);
    return [
      ...(status === 201 || status === 200 ? [] : [`a deploy once there is room: ${status}`]),
      ...(json === 'after' ? [] : ['what was deployed once there was room does not answer']),
      ...kept.filter((name) => name.startsWith('full-')).map((name) => `${name} was refused and is there`),
    ];
  },
};

const deploy = (server: Struck['world']['server'], name: string, body: unknown) =>
  call(server, 'PUT', `/v1/functions/${name}`, { body, headers: { 'Content-Type': 'application/json' } });

const fill = (path: string): void => {
  for (let bytes = FILL_FROM_BYTES; bytes >= 1; bytes = Math.floor(bytes / 2)) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(bytes), { flag: 'a' });
    } catch {
      // No room for so many; perhaps for fewer.
    }
  }
};

/** What the server of before had, for the look afterwards. */
interface Former {
  readonly watched: Watched;
  readonly processes: readonly ProcessId[];
}

/** @param recoveryLimitMs longer than usual where it has containers to start anew. */
export const serverFault = (recoveryLimitMs?: number): Fault => {
  let former: Former | null = null;
  let before: readonly string[] = [];
  return {
    name: 'the server is killed and started again on the same data',
    allows: {},
    cuts: true,
    ...(recoveryLimitMs === undefined ? {} : { recoveryLimitMs }),
    async strike({ world }) {
      const { watched, server } = world;
      former = { watched: { ...watched, metrics: null }, processes: descendants(server.pid) };
      // Its containers carry its process's start time, which nobody can read afterwards.
      const { containers } = await world.remains();
      before = containers.map(({ id }) => id);
      server.signal('SIGKILL');
      await server.ended;
      await world.startAgain();
    },
    async check({ world }) {
      if (former === null) return ['the server was not killed'];
      const left = await gone(former.processes);
      const { groups, folders } = await remainsOf({ ...former.watched, engineHost: null });
      // Those of all starts: the sweep of the new one is over before it serves.
      const listed = world.engine === null ? [] : await dockerEngine(world.engine.host).list({});
      return [
        ...left.map(({ name, pid }) => `${name} ${pid} of the killed server runs on`),
        ...groups.map((name) => `the control group ${name} of the killed server is there`),
        ...folders.map((name) => `the folder ${name} of the killed server is there`),
        ...listed
          .filter(({ id }) => before.includes(id))
          .map(({ id }) => `container ${id} of the killed server is there`),
      ];
    },
  };
};
const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was quicker.
  }
};
