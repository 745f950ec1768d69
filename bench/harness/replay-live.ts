/**
 * Plays a slice of a trace against a running server over HTTP, arrival by arrival, and counts what starts began from.
 *
 * Owns the schedule and the connections. A handler sleeps as long as the trace says and takes no memory of its own.
 */
import { Agent, request } from 'node:http';
import type { Start } from '../../src/core/receipt.ts';
import type { Runtime } from '../../src/core/spec.ts';
import { type ArrivalMinute, arrivals } from '../../src/simulator/arrivals.ts';
import type { Trace } from '../../src/simulator/trace.ts';
import { pause } from './children.ts';
import { invocationPath, type Strata, unexpected } from './strata.ts';

export interface LiveCounts {
  readonly starts: Record<Start, number>;
  refused: number;
  failed: number;
  /** What instances were measured to take, where they were. */
  readonly memoryMb: number[];
  /** How late requests were sent, milliseconds. */
  readonly lateMs: number[];
  /** How much later than from a ready instance each one began to run, by the server's own account. */
  readonly startMs: number[];
  /** In the order in which they were sent. */
  readonly sent: Sent[];
}

/** A request as it was made. */
export interface Sent {
  readonly functionIndex: number;
  /** Since the replay began. */
  readonly timeMs: number;
  /** What the handler took; until that is known, and where it never ran, what it was asked to. */
  durationMs: number;
}

export interface LivePart {
  readonly runtime: Runtime;
  readonly trace: Trace;
}

const SOURCE = `exports.handler = ({ ms }) => new Promise((resolve) => setTimeout(resolve, ms, null));`;
/** Of the receipts of so many invocations memory is read. */
const RECEIPTS = 50;
const TIMEOUT_MS = 60_000;

export const deployAll = async (
  strata: Strata,
  parts: readonly LivePart[],
  memoryMb: number,
): Promise<void> => {
  for (const { runtime, trace } of parts) {
    for (const [index, { owner }] of trace.functions.entries()) {
      const spec = {
        ...{ runtime, handler: 'index.handler', code: { source: `${SOURCE}// ${index}` } },
        ...{ memoryMb, timeoutMs: TIMEOUT_MS, maxInstances: 200, idleTimeoutMs: 3_600_000 },
      };
      await strata.deploy(nameOf(runtime, index), spec, tenantOf(runtime, owner));
    }
  }
};

/** One count for each part, in their order. */
export const playLive = async (
  strata: Strata,
  parts: readonly LivePart[],
  seed: number,
): Promise<readonly LiveCounts[]> => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1_000, scheduling: 'lifo' });
  try {
    return await Promise.all(parts.map((part) => playPart(strata, part, seed, agent)));
  } finally {
    agent.destroy();
  }
};

const playPart = async (
  strata: Strata,
  { runtime, trace }: LivePart,
  seed: number,
  agent: Agent,
): Promise<LiveCounts> => {
  const counts: LiveCounts = {
    starts: { none: 0, container: 0, runtime: 0, code: 0 },
    ...{ refused: 0, failed: 0, memoryMb: [], lateMs: [], startMs: [], sent: [] },
  };
  const ids: { id: string; tenant: string }[] = [];
  const calls: Promise<void>[] = [];
  const startedMs = performance.now();
  for (const { count, functionIndex, timeMs, durationMs } of arrivals(trace, seed)) {
    for (let at = 0; at < count; at += 1) {
      const index = functionIndex[at] as number;
      const dueMs = startedMs + (timeMs[at] as number);
      const ms = durationMs[at] as number;
      const aheadMs = dueMs - performance.now();
      if (aheadMs > 1) await pause(aheadMs);
      const nowMs = performance.now();
      counts.lateMs.push(Math.max(0, nowMs - dueMs));
      const sent: Sent = { functionIndex: index, timeMs: nowMs - startedMs, durationMs: ms };
      counts.sent.push(sent);
      const tenant = tenantOf(runtime, trace.functions[index]?.owner ?? '');
      const call = { url: strata.url, agent, path: invocationPath(nameOf(runtime, index)), tenant, ms };
      calls.push(
        send(call).then(({ status, start, id, timing }) => {
          if (status === 200 && start !== null) {
            const { startMs, handlerMs } = phasesOf(timing);
            counts.starts[start] += 1;
            counts.startMs.push(startMs);
            sent.durationMs = handlerMs;
            ids.push({ id, tenant });
          } else if (status === 429) counts.refused += 1;
          else counts.failed += 1;
        }),
      );
    }
  }
  await Promise.all(calls);
  for (const { id, tenant } of ids.slice(-RECEIPTS)) {
    const reply = await strata.client.get(`/v1/invocations/${id}`, { 'strata-tenant': tenant });
    if (reply.status !== 200) throw unexpected('reading a receipt', reply);
    const { usage } = JSON.parse(reply.body) as { usage: { maxMemoryMb: number | null } };
    if (usage.maxMemoryMb !== null) counts.memoryMb.push(usage.maxMemoryMb);
  }
  return counts;
};

/** What was sent, as the simulator takes it. */
export const arrivalsOf = (sent: readonly Sent[]): readonly ArrivalMinute[] => [
  {
    ...{ minute: 0, count: sent.length },
    functionIndex: Uint32Array.from(sent, ({ functionIndex }) => functionIndex),
    timeMs: Float64Array.from(sent, ({ timeMs }) => timeMs),
    durationMs: Float64Array.from(sent, ({ durationMs }) => durationMs),
  },
];

interface Call {
  readonly url: string;
  readonly agent: Agent;
  readonly path: string;
  readonly tenant: string;
  readonly ms: number;
}

interface Answered {
  readonly status: number;
  readonly start: Start | null;
  readonly id: string;
  readonly timing: string;
}

const BROKEN: Answered = { status: 0, start: null, id: '', timing: '' };

/** From the header `Server-Timing`: all that comes before the handler is the start. */
export const phasesOf = (timing: string): { readonly startMs: number; readonly handlerMs: number } => {
  let startMs = 0;
  let handlerMs = 0;
  for (const [, phase, text] of timing.matchAll(/(\w+);dur=([\d.]+)/g)) {
    if (phase === 'handler') handlerMs = Number(text);
    else startMs += Number(text);
  }
  return { startMs, handlerMs };
};

const send = ({ url, agent, path, tenant, ms }: Call): Promise<Answered> =>
  new Promise((resolve) => {
    const body = JSON.stringify({ ms });
    const { hostname, port } = new URL(url);
    const headers = {
      ...{ 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      'strata-tenant': tenant,
    };
    const outgoing = request({ agent, hostname, port, method: 'POST', path, headers }, (incoming) => {
      incoming.resume();
      incoming.on('error', () => resolve(BROKEN));
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          start: (incoming.headers['strata-start'] as Start | undefined) ?? null,
          id: String(incoming.headers['strata-invocation-id']),
          timing: String(incoming.headers['server-timing'] ?? ''),
        }),
      );
    });
    outgoing.on('error', () => resolve(BROKEN));
    outgoing.end(body);
  });

const nameOf = (runtime: Runtime, index: number): string => `${runtime}-${index}`;

/** An owner's name as a tenant's: whatever the trace calls it, it is short and plain. */
const tenantOf = (runtime: Runtime, owner: string): string =>
  `${runtime}-${owner.replace(/[^a-zA-Z0-9-]/g, '').slice(0, 40)}`;
