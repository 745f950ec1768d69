/**
 * The executor: the use cases that the library, the HTTP API and the CLI share.
 *
 * Owns admission to service (ready, draining), the records and the log line of each invocation. Decides nothing
 * about placement and nothing about HTTP. Invariant: what is in flight is counted once in and once out.
 */
import { isUtf8 } from 'node:buffer';
import type { Logger } from 'pino';
import { cuSecondsOf, type Finished, toReceipt } from '../billing/receipts.ts';
import { type ErrorCode, failure, StrataError } from '../core/errors.ts';
import type { FunctionRecord, FunctionSpecInput } from '../core/spec.ts';
import { tierOf } from '../core/spec.ts';
import type { PoolsView } from '../pool/api.ts';
import type { LayeredPool } from '../pool/layered-pool.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Deployment, FunctionPage, ListQuery, Registry } from '../registry/api.ts';
import type { Confinement } from '../sandbox/api.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type {
  Executor,
  FunctionLogLine,
  InvocationRecord,
  InvokeAnswer,
  InvokeJsonAnswer,
  InvokeJsonRequest,
  InvokeRequest,
  ReadyState,
} from './api.ts';
import type { Metrics } from './metrics.ts';
import type { Records } from './records.ts';
import { placementOf, type WalkContext, type Walked, walk } from './walk.ts';

const DEFAULT_TENANT = 'default';

export interface ExecutorParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly scheduler: Scheduler;
  readonly pool: LayeredPool;
  readonly confinement: Confinement;
  readonly records: Records;
  readonly metrics: Metrics;
  readonly limits: {
    readonly eventMaxBytes: number;
    readonly resultMaxBytes: number;
    readonly logMaxBytes: number;
  };
  readonly drainTimeoutMs: number;
}

const LOGS_DEFAULT = 100;
const LOGS_MAX = 1_000;
const EMPTY_EVENT = Buffer.from('{}');
const READY_CHECK_MS = 5;

export class LocalExecutor implements Executor {
  readonly #parts: ExecutorParts;
  readonly #context: WalkContext;
  #inFlight = 0;
  #state: ReadyState = 'starting';
  #idle: (() => void) | null = null;
  #closing: Promise<void> | null = null;
  #closed = false;
  /** Deployments and deletions under way: closing waits for them, because they were accepted. */
  readonly #changes = new Set<Promise<unknown>>();

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    this.#context = {
      clock: parts.clock,
      scheduler: parts.scheduler,
      codeFiles: (record) => parts.registry.codeFiles(record),
      resultMaxBytes: parts.limits.resultMaxBytes,
      logMaxBytes: parts.limits.logMaxBytes,
    };
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  async deploy(spec: FunctionSpecInput & { name: string; tenant?: string }): Promise<Deployment> {
    this.#refuseWhenDraining();
    const { name, tenant = DEFAULT_TENANT, ...input } = spec;
    this.#refuseRuntime(input.runtime);
    const deployment = await this.#change(this.#parts.registry.deploy(tenant, name, input));
    // Another deployment may have come after this one; whatever is current now counts.
    const current = this.#find(tenant, name);
    const { group } = placementOf(deployment.function);
    this.#parts.pool.supersede(group, current === null ? null : placementOf(current).key);
    this.#parts.logger.info(
      { tenant, function: name, codeDigest: deployment.function.codeDigest, created: deployment.created },
      'deployed',
    );
    return deployment;
  }

  async invoke(request: InvokeRequest): Promise<InvokeAnswer> {
    const { event, ...rest } = request;
    const { finished, resultJson } = await this.#run({ ...rest, eventJson: encodeEvent(event) });
    const receipt = toReceipt(finished);
    if (finished.failure !== null || resultJson === null) {
      const failed = finished.failure ?? failure('internal_error', 'The invocation ended without a result.');
      return { status: 'failed', result: undefined, failure: failed, receipt };
    }
    const parsed = parseResult(resultJson);
    if (parsed !== null) return { status: 'succeeded', result: parsed.result, receipt };
    const broken = failure(
      'protocol_error',
      `The sandbox answered with ${resultJson.length} bytes that are not JSON, which no function can make it do.`,
    );
    return {
      ...{ status: 'failed', result: undefined, failure: broken },
      receipt: toReceipt({ ...finished, failure: broken }),
    };
  }

  async invokeJson(request: InvokeJsonRequest): Promise<InvokeJsonAnswer> {
    const { finished, resultJson } = await this.#run(request);
    return {
      invocationId: finished.invocationId,
      version: finished.function.version,
      start: finished.start,
      resultJson,
      failure: finished.failure,
      cuSeconds: cuSecondsOf(finished.initCpuNs, finished.handlerCpuNs),
      phases: finished.phases,
    };
  }

  get(name: string, options: { tenant?: string; qualifier?: string } = {}): FunctionRecord {
    this.#refuseWhenClosed();
    return this.#parts.registry.resolve(options.tenant ?? DEFAULT_TENANT, name, options.qualifier);
  }

  list(query: Partial<ListQuery> = {}): FunctionPage {
    this.#refuseWhenClosed();
    return this.#parts.registry.list({ tenant: DEFAULT_TENANT, ...query });
  }

  async delete(name: string, options: { tenant?: string } = {}): Promise<FunctionRecord> {
    this.#refuseWhenDraining();
    const { tenant = DEFAULT_TENANT } = options;
    const record = await this.#change(this.#parts.registry.delete(tenant, name));
    this.#parts.pool.supersede(placementOf(record).group, null);
    this.#parts.logger.info({ tenant: record.tenant, function: name }, 'deleted');
    return record;
  }

  invocation(invocationId: string, options: { tenant?: string } = {}): InvocationRecord {
    this.#refuseWhenClosed();
    const finished = this.#parts.records.get(invocationId, options.tenant ?? DEFAULT_TENANT);
    return { receipt: toReceipt(finished), logs: finished.logs };
  }

  logs(name: string, options: { tenant?: string; limit?: number } = {}): readonly FunctionLogLine[] {
    const { tenant = DEFAULT_TENANT, limit = LOGS_DEFAULT } = options;
    if (!Number.isInteger(limit) || limit < 1 || limit > LOGS_MAX) {
      throw new StrataError(
        'invalid_request',
        `limit is ${limit}; a whole number from 1 to ${LOGS_MAX} is allowed.`,
      );
    }
    this.get(name, { tenant });
    return this.#parts.records.logs(tenant, name, limit);
  }

  pools(): PoolsView {
    return { tiers: { isolate: this.#parts.pool.view() }, queued: this.#parts.scheduler.waiting };
  }

  confinement(): Readonly<Record<string, Confinement>> {
    return { isolate: this.#parts.confinement };
  }

  state(): ReadyState {
    if (this.#state === 'starting' && this.#parts.pool.filled) this.#state = 'ready';
    return this.#state;
  }

  ready(): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.state() !== 'starting') resolve();
        else this.#parts.clock.setTimer(READY_CHECK_MS, check);
      };
      check();
    });
  }

  metrics(): Promise<{ contentType: string; body: string }> {
    return this.#parts.metrics.expose();
  }

  async drain(timeoutMs = this.#parts.drainTimeoutMs): Promise<void> {
    this.#state = 'draining';
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#parts.clock.setTimer(timeoutMs, resolve);
      const waited = this.#idle;
      this.#idle = () => {
        waited?.();
        timer.cancel();
        resolve();
      };
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.drain();
    this.#parts.scheduler.refuseAll(new StrataError('draining', 'The executor is closing.'));
    await this.#parts.pool.close();
    await Promise.allSettled(this.#changes);
    this.#closed = true;
    this.#parts.registry.close();
  }

  async #change<Result>(change: Promise<Result>): Promise<Result> {
    this.#changes.add(change);
    try {
      return await change;
    } finally {
      this.#changes.delete(change);
    }
  }

  async #run(request: InvokeJsonRequest): Promise<Walked> {
    const { registry, metrics, random } = this.#parts;
    try {
      this.#refuseWhenDraining();
      const record = registry.resolve(request.tenant ?? DEFAULT_TENANT, request.function, request.qualifier);
      this.#refuseRuntime(record.runtime);
      this.#refuseEvent(request.eventJson);
      this.#inFlight += 1;
      try {
        const walked = await walk(this.#context, {
          invocationId: random.uuid(),
          record,
          eventJson: request.eventJson.length === 0 ? EMPTY_EVENT : request.eventJson,
          dryRun: request.mode === 'dry-run',
          requireStart: request.requireStart,
        });
        this.#finish(walked.finished);
        return walked;
      } finally {
        this.#inFlight -= 1;
        if (this.#inFlight === 0) this.#idle?.();
      }
    } catch (thrown) {
      metrics.refused(thrown instanceof StrataError ? thrown.code : ('internal_error' satisfies ErrorCode));
      throw thrown;
    }
  }

  /** One line an invocation; neither the event nor the result nor what the function logged. */
  #finish(finished: Finished): void {
    const { records, metrics, logger } = this.#parts;
    records.add(finished);
    metrics.finished(finished, tierOf(finished.function.runtime));
    if (!logger.isLevelEnabled('info')) return;
    const { function: record, failure: failed, start, invocationId } = finished;
    logger.info(
      {
        ...{ invocationId, tenant: record.tenant, function: record.name, version: record.version, start },
        status: failed?.code ?? 'succeeded',
        cpuMs: (finished.initCpuNs + finished.handlerCpuNs) / 1e6,
        handlerMs: finished.phases[5],
      },
      'invoked',
    );
  }

  #refuseWhenDraining(): void {
    if (this.#state === 'draining') {
      throw new StrataError('draining', 'The server is shutting down and takes no new work.', {
        retryAfterMs: 1_000,
      });
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new StrataError('draining', 'The executor is closed; make another one.');
  }

  #refuseRuntime(runtime: FunctionSpecInput['runtime']): void {
    if (tierOf(runtime) === 'container') {
      throw new StrataError(
        'runtime_unavailable',
        `The runtime ${runtime} needs the container tier, which this server does not have. Use the runtime isolate.`,
      );
    }
  }

  #refuseEvent(eventJson: Uint8Array): void {
    const { eventMaxBytes } = this.#parts.limits;
    if (eventJson.length <= eventMaxBytes) {
      if (isUtf8(eventJson)) return;
      throw new StrataError('invalid_request', 'The event is not UTF-8, which JSON text has to be.');
    }
    throw new StrataError(
      'payload_too_large',
      `The event has ${eventJson.length} bytes; ${eventMaxBytes} are allowed. Send less, or raise limits.eventMaxBytes.`,
      { limit: { kind: 'eventBytes', configured: eventMaxBytes, observed: eventJson.length } },
    );
  }

  #find(tenant: string, name: string): FunctionRecord | null {
    try {
      return this.#parts.registry.resolve(tenant, name);
    } catch {
      return null;
    }
  }
}

/** Null for what is not JSON: the bytes come from the sandbox, which may have been taken over. */
const parseResult = (resultJson: Uint8Array): { readonly result: unknown } | null => {
  try {
    return { result: JSON.parse(Buffer.from(resultJson).toString('utf8')) };
  } catch {
    return null;
  }
};

const encodeEvent = (event: unknown): Uint8Array => {
  if (event === undefined) return EMPTY_EVENT;
  let text: string | undefined;
  try {
    text = JSON.stringify(event);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new StrataError('invalid_request', `The event cannot be written as JSON: ${why}`);
  }
  if (text === undefined) {
    throw new StrataError('invalid_request', `The event is a ${typeof event}, which JSON cannot carry.`);
  }
  return Buffer.from(text, 'utf8');
};
