/**
 * What a host that was taken over gets of the network: what the invocations that are open in it may have, and no more.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Egress } from '../../src/egress/egress.ts';
import { brokerProcess } from '../../src/egress/process.ts';
import type { EgressSession } from '../../src/egress/session.ts';
import { type Clock, systemClock } from '../../src/ports/clock.ts';
import { systemProcesses } from '../../src/ports/processes.ts';
import { systemRandom } from '../../src/ports/random.ts';
import type { Carrier, Instance, InvokeOutcome, SandboxTier } from '../../src/sandbox/api.ts';
import { guardTier } from '../../src/sandbox/guard.ts';
import { isolateBackend } from '../../src/sandbox/isolate/backend.ts';
import { CHUNK_BYTES, NETWORK_FRAME } from '../../src/sandbox/protocol/network-frames.ts';
import { startUpstream, type Upstream } from './upstream.ts';

const FORGER = new URL('./forging-host.ts', import.meta.url).pathname;

let upstream: Upstream;
let egress: Egress;
let tier: SandboxTier;
let carrier: Carrier;
let instance: Instance;
const faults: string[] = [];
/** Stopped, all that comes comes in the same second, however slow the machine is. */
let stoppedMs: number | null = null;
const clock: Clock = { ...systemClock, nowMs: () => stoppedMs ?? systemClock.nowMs() };

beforeAll(async () => {
  upstream = await startUpstream();
  const limits = { maxHeaderBytes: 16_384, connectTimeoutMs: 2_000, requestTimeoutMs: 5_000 };
  const { spawn, release } = brokerProcess(systemProcesses, {
    ...{ ...limits, privateRanges: ['127.0.0.0/8'], dnsServers: ['127.0.0.1:1'] },
  });
  egress = new Egress({
    ...{ clock: systemClock, spawn, release, onFault: (message) => faults.push(message) },
    settings: {
      ...{
        mode: 'on',
        maxHeaderBytes: 16_384,
        maxRequests: 100,
        maxSentBytes: 1e6,
        maxReceivedBytes: 1e6,
        requestTimeoutMs: 5_000,
      },
      ...{ maxRequestsAtOnce: 50, maxRequestsAtOncePerTenant: 20, maxRequestsAtOncePerFunction: 10 },
    },
  });
  tier = guardTier(
    isolateBackend({
      jail: {
        confinement: { kind: 'none', summary: 'none', gaps: [] },
        guestPath: '',
        command: () => ({
          command: process.execPath,
          args: ['--disable-warning=ExperimentalWarning', FORGER],
        }),
      },
      processes: systemProcesses,
      cpuShares: null,
      capacity: 4,
      hostOptions: {
        ...{ maxFrameBytes: 1e6, logMaxBytes: 1_000, resultMaxBytes: 1e5, timersMax: 10, requestsMax: 10 },
        ...{ redirectsMax: 1, meterIntervalMs: 5 },
      },
      release: async () => undefined,
    }),
    {
      ...{
        clock,
        random: systemRandom,
        startTimeoutMs: 10_000,
        killGraceMs: 500,
        watchdog: null,
      },
      onFault: (message, { reason }) => faults.push(`${message}: ${reason}`),
    },
  );
});

afterAll(async () => {
  await tier.close();
  await egress.close();
  await upstream.close();
});

beforeEach(async () => {
  faults.length = 0;
  stoppedMs = null;
  carrier = await tier.provision();
  instance = await loaded();
});

afterEach(() => carrier.kill('idle'));

const loaded = async (): Promise<Instance> => {
  const made = await carrier.boot(64);
  const outcome = await made.load({
    ...{ runtime: 'isolate', functionName: 'f', functionVersion: '1', codeDigest: '', files: new Map() },
    ...{ handler: 'index.handler', entry: null, initializer: null, initializerEntry: null, env: {} },
    ...{ memoryMb: 64, initTimeoutMs: 5_000, initCpuMs: 5_000, resultMaxBytes: 1e5, logMaxBytes: 1_000 },
  });
  expect(outcome.failure).toBeNull();
  return made;
};

const session = (allow: readonly string[] = [`127.0.0.1:${upstream.port}`]): EgressSession =>
  egress.open({ tenant: 'acme', functionId: 'f', allow, kind: 'exchange' });

const run = async (
  order: unknown,
  network: EgressSession | null = session(),
  to = instance,
): Promise<InvokeOutcome> =>
  to.invoke({
    ...{ invocationId: 'i', timeoutMs: 5_000, cpuMs: 5_000, network },
    eventJson: Buffer.from(JSON.stringify(order)),
  });

const resultOf = ({ resultJson }: InvokeOutcome): { nonce: number; instance: number; heard: string[] } =>
  JSON.parse(Buffer.from(resultJson ?? []).toString()) as {
    nonce: number;
    instance: number;
    heard: string[];
  };

const head = (path = '/forged', host = `127.0.0.1:${upstream.port}`) => ({
  ...{ method: 'GET', url: `http://${host}${path}`, headers: [], length: null },
});

const begin = (a = 1, asked: unknown = head()) => ({
  type: NETWORK_FRAME.fetch,
  head: asked,
  fields: { a, meta: 'x' },
});

it('it gets what its invocation may have', async () => {
  const network = session();
  const outcome = await run({ waits: true, frames: [begin()] }, network);
  expect(resultOf(outcome).heard).toEqual([expect.stringContaining('head {"status":200')]);
  expect(network.close()).toMatchObject({ requests: 1, refused: 0 });
});

it.each([
  ['another port', 'http://127.0.0.1:1/'],
  ['the metadata service', 'http://169.254.169.254/'],
  ['a name', 'http://localhost/'],
])('it does not get %s by writing heads of its own', async (_what, url) => {
  const asked = { ...head(), url };
  const network = session();
  const outcome = await run({ waits: true, frames: [begin(1, asked)] }, network);
  expect(resultOf(outcome).heard).toEqual(['network_denied']);
  expect(network.close()).toMatchObject({ refused: 1, sentBytes: 0 });
});

it('it cannot bring a policy of its own', async () => {
  const asked = { ...head(), url: 'http://127.0.0.1:1/', allow: ['127.0.0.1:1'] };
  const policy = JSON.stringify({ allow: ['127.0.0.1:1'], maxSentBytes: 1e9, maxReceivedBytes: 1e9 });
  const frame = { type: NETWORK_FRAME.fetch, head: asked, fields: { a: 1, meta: policy } };
  expect(resultOf(await run({ waits: true, frames: [frame] })).heard).toEqual(['network_denied']);
});

it('it gets nothing for an invocation that has no network', async () => {
  const outcome = await run({ frames: [begin()] }, null);
  expect(resultOf(outcome).heard).toEqual([]);
  expect(carrier.ended).toBe(false);
});

it('it gets nothing for an invocation that is over', async () => {
  const seen = upstream.seen.length;
  const network = session();
  const { nonce } = resultOf(await run({ frames: [] }, network));
  network.close();
  const outcome = await run({ frames: [{ ...begin(), nonce }] });
  expect(resultOf(outcome).heard).toEqual([]);
  expect(upstream.seen.slice(seen)).toEqual([]);
  expect(carrier.ended).toBe(false);
});

it('it gets nothing for a nonce that it guesses', async () => {
  const frames = Array.from({ length: 100 }, (_, nonce) => ({ ...begin(), nonce: nonce + 1 }));
  expect(resultOf(await run({ frames })).heard).toEqual([]);
});

describe('it is killed, and its invocation fails,', () => {
  const cases: readonly [string, (its: number) => readonly unknown[]][] = [
    [
      'when it uses the network of an invocation from another instance',
      (its) => [{ ...begin(), instance: its + 1 }],
    ],
    ['when it numbers requests twice', () => [begin(1), begin(1)]],
    [
      'when it gives credit for nothing',
      () => [begin(1), { type: NETWORK_FRAME.credit, fields: { a: 1, b: 1_000 } }],
    ],
    [
      'when it sends a part that is too large',
      () => [begin(1), { type: NETWORK_FRAME.data, bytes: CHUNK_BYTES + 1, fields: { a: 1 } }],
    ],
    [
      'when it sends more than its credit',
      () =>
        [begin(1), { type: NETWORK_FRAME.data, bytes: CHUNK_BYTES, times: 1, fields: { a: 1 } }].concat(
          Array(3).fill({ type: NETWORK_FRAME.data, bytes: CHUNK_BYTES, fields: { a: 1 } }),
        ),
    ],
    [
      'when it sends what only the server sends',
      () => [{ type: NETWORK_FRAME.head, fields: { a: 1, meta: '{}' } }],
    ],
    [
      'when it floods the server with frames',
      () => [{ type: NETWORK_FRAME.end, times: 60_000, nonce: 5, fields: { a: 1 } }],
    ],
  ];

  it.each(cases)('%s', async (_what, frames) => {
    const network = session();
    stoppedMs = systemClock.nowMs();
    const outcome = await run({ waits: true, frames: frames(1) }, network);
    stoppedMs = null;
    expect(outcome.failure?.code).toBe('protocol_error');
    expect((await carrier.exited).cause).toBe('protocol');
    expect(faults.join()).toContain('a sandbox broke the protocol');
    network.close();
    // Whoever comes after it has all places, and a broker.
    carrier = await tier.provision();
    instance = await loaded();
    expect(resultOf(await run({ waits: true, frames: [begin()] })).heard).toHaveLength(1);
  });
});

it('it takes no places beyond those of its function', async () => {
  const frames = Array.from({ length: 30 }, (_, index) => begin(index + 1, head('/never')));
  const network = session();
  await run({ frames }, network);
  expect(network.close()).toMatchObject({ requests: 30, refused: 20 });
  const after = session();
  expect(resultOf(await run({ waits: true, frames: [begin()] }, after)).heard).toHaveLength(1);
  after.close();
});
