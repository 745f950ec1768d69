/**
 * One invocation, from a resolved function to a finished record: the straight walk of the main path.
 *
 * admit and lease (scheduler, pool) → load and run (sandbox) → what was used (billing). Owns the order and the
 * phases. Never parses an event or a result. Invariant: every lease that is taken here is released here.
 */
import type { Finished } from '../billing/receipts.ts';
import type { Caller } from '../core/caller.ts';
import { type Failure, failure } from '../core/errors.ts';
import { isJson } from '../core/json-check.ts';
import { type LogLine, NO_NETWORK, type ReceiptNetwork } from '../core/receipt.ts';
import { type FunctionRecord, tierOf } from '../core/spec.ts';
import type { Lease } from '../pool/lease.ts';
import type { Clock } from '../ports/clock.ts';
import type { InvokeOutcome, LoadOutcome } from '../sandbox/api.ts';
import type { NetworkSession } from '../sandbox/network.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import { type LoadContext, loadRequest } from './load-request.ts';
import { placementOf } from './placement.ts';
import type { WaitTerms } from './waiting.ts';

export interface WalkContext extends LoadContext {
  readonly clock: Clock;
  /** What an invocation of this function reaches the network by; null where it has none. */
  readonly openNetwork: (record: FunctionRecord) => InvocationNetwork | null;
}

/** The network of one invocation, and its account. */
export interface InvocationNetwork extends NetworkSession {
  /** Ends what is under way, and tells what all of it came to. */
  close(): ReceiptNetwork;
}

export interface Walk extends WaitTerms {
  readonly invocationId: string;
  readonly record: FunctionRecord;
  /** That of the record's runtime. */
  readonly scheduler: Scheduler;
  readonly eventJson: Uint8Array;
  readonly caller: Caller | null;
  readonly dryRun: boolean;
  /** 1 unless told. */
  readonly attempt?: number | undefined;
}

export interface Walked {
  readonly finished: Finished;
  readonly resultJson: Uint8Array | null;
}

/** @throws StrataError when the invocation is refused before it runs. */
export const walk = async (context: WalkContext, request: Walk): Promise<Walked> => {
  const { clock } = context;
  const nowMs = clock.nowMs();
  const arrivedMs = request.arrivedMs ?? nowMs;
  const startedAtMs = clock.wallMs() - Math.round(nowMs - arrivedMs);
  const admitted = request.scheduler.acquire(placementOf(request.record), request);
  let lease: Lease;
  let queueMs = nowMs - arrivedMs;
  if (admitted instanceof Promise) {
    lease = await admitted;
    queueMs = Math.max(0, clock.nowMs() - arrivedMs - lease.provisionMs - lease.bootMs);
  } else {
    lease = admitted;
  }
  let reusable = false;
  let memoryMb: number | null = null;
  const network = context.openNetwork(request.record);
  try {
    const ran = await run(context, request, lease, network);
    reusable = request.record.processModel === 'resident' && !lease.instance.ended && ran.reusable;
    if (ran.maxMemoryBytes !== null) memoryMb = ran.maxMemoryBytes / MIB;
    return {
      resultJson: ran.resultJson,
      finished: {
        invocationId: request.invocationId,
        attempt: request.attempt ?? 1,
        function: request.record,
        start: lease.start,
        meter: lease.instance.carrier.meter,
        phases: [queueMs, lease.provisionMs, lease.bootMs, ran.loadMs, ran.initMs, ran.handlerMs],
        initCpuNs: ran.initCpuNs + lease.aheadCpuNs,
        handlerCpuNs: ran.handlerCpuNs,
        maxMemoryBytes: ran.maxMemoryBytes,
        network: network?.close() ?? NO_NETWORK,
        failure: ran.failure,
        startedAtMs,
        logs: ran.logs,
        logTruncated: ran.logTruncated,
      },
    };
  } finally {
    network?.close();
    lease.release(reusable, memoryMb);
  }
};

const MIB = 1024 * 1024;

interface Ran {
  readonly failure: Failure | null;
  readonly resultJson: Uint8Array | null;
  readonly loadMs: number;
  readonly initMs: number;
  readonly handlerMs: number;
  readonly initCpuNs: number;
  readonly handlerCpuNs: number;
  readonly maxMemoryBytes: number | null;
  readonly logs: readonly LogLine[];
  readonly logTruncated: boolean;
  readonly reusable: boolean;
}

const run = async (
  context: WalkContext,
  request: Walk,
  lease: Lease,
  network: NetworkSession | null,
): Promise<Ran> => {
  if (!lease.loads) return invoked(await invoke(request, lease, network), null, context.logMaxBytes);
  const files = await context.codeFiles(request.record);
  const loading = lease.instance.load(loadRequest(context, request.record, files));
  // The invocation goes out right behind the code: one round trip instead of two.
  const invoking = request.dryRun ? null : invoke(request, lease, network);
  const load = await loading;
  if (load.failure !== null) return loadOnly(load);
  lease.loaded(load.loadMs + load.initMs);
  return invoking === null ? loadOnly(load) : invoked(await invoking, load, context.logMaxBytes);
};

const invoke = (request: Walk, lease: Lease, network: NetworkSession | null): Promise<InvokeOutcome> => {
  if (request.dryRun) return Promise.resolve(NOT_CALLED);
  const { invocationId, eventJson, caller, record } = request;
  const { timeoutMs, cpuMs } = record;
  const outcome = lease.instance.invoke({ invocationId, eventJson, caller, timeoutMs, cpuMs, network });
  return tierOf(record.runtime) === 'isolate' ? outcome : outcome.then(withCheckedResult);
};

/**
 * The bytes of an isolate's result are written by its bootstrap; in a container the function's own process writes
 * them, and whoever asked for the result must be able to read it.
 */
const withCheckedResult = (outcome: InvokeOutcome): InvokeOutcome => {
  if (outcome.resultJson === null || isJson(outcome.resultJson)) return outcome;
  const detail =
    `The function answered with ${outcome.resultJson.length} bytes that are not JSON text in UTF-8. ` +
    'Answer with JSON.';
  return { ...outcome, failure: failure('result_invalid', detail), resultJson: null };
};

/** A dry run that finds the code loaded already has nothing left to do. */
const NOT_CALLED: InvokeOutcome = {
  ...{ cpuNs: 0, logs: [], logTruncated: false, handlerMs: 0, maxMemoryBytes: null },
  ...{ failure: null, resultJson: Buffer.from('null') },
};

const loadOnly = (load: LoadOutcome): Ran => ({
  failure: load.failure,
  resultJson: load.failure === null ? NOT_CALLED.resultJson : null,
  ...{ loadMs: load.loadMs, initMs: load.initMs, handlerMs: 0 },
  ...{ initCpuNs: load.cpuNs, handlerCpuNs: 0, maxMemoryBytes: null },
  ...{ logs: load.logs, logTruncated: load.logTruncated },
  reusable: load.failure === null,
});

const invoked = (outcome: InvokeOutcome, load: LoadOutcome | null, logMaxBytes: number): Ran => {
  const { logs, logTruncated } = load === null ? outcome : joinedLogs(load, outcome, logMaxBytes);
  return {
    failure: outcome.failure,
    resultJson: outcome.resultJson,
    loadMs: load?.loadMs ?? 0,
    initMs: load?.initMs ?? 0,
    handlerMs: outcome.handlerMs,
    initCpuNs: load?.cpuNs ?? 0,
    handlerCpuNs: outcome.cpuNs,
    maxMemoryBytes: outcome.maxMemoryBytes,
    logs,
    logTruncated,
    reusable: true,
  };
};

type Log = Pick<Ran, 'logs' | 'logTruncated'>;

/** Each is within the limit; both are one invocation's, which has it once. */
const joinedLogs = (load: Log, call: Log, logMaxBytes: number): Log => {
  const logTruncated = load.logTruncated || call.logTruncated;
  if (load.logs.length === 0) return { logs: call.logs, logTruncated };
  const logs: LogLine[] = [];
  let bytes = 0;
  for (const line of [...load.logs, ...call.logs]) {
    bytes += Buffer.byteLength(line.message) + 1;
    if (bytes > logMaxBytes) return { logs, logTruncated: true };
    logs.push(line);
  }
  return { logs, logTruncated };
};
