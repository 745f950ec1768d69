/**
 * The executor: the use cases that the library, the HTTP API and the CLI share.
 *
 * Owns admission to service (ready, draining), the records and the log line of each invocation. Decides nothing
 * about placement and nothing about HTTP. Invariant: what is in flight is counted once in and once out.
 */
import type { Logger } from 'pino';
import type { StoredAccounts } from '../accounts/accounts.ts';
import type { Usage } from '../billing/api.ts';
import type { Ledger } from '../billing/ledger.ts';
import { type Finished, toReceipt } from '../billing/receipts.ts';
import type { TariffName } from '../billing/tariffs.ts';
import { type ErrorCode, StrataError } from '../core/errors.ts';
import { resolveFor } from '../core/identity.ts';
import { type FunctionRecord, type FunctionSpecInput, RUNTIMES } from '../core/spec.ts';
import type { Census, LimitsView, PoolsView, TenantPoolsView } from '../pool/api.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { AsyncQueue, Attempt, Ran } from '../queue/api.ts';
import type { Deployment, FunctionPage, ListQuery, Precondition, Registry } from '../registry/api.ts';
import type { Confinement } from '../sandbox/api.ts';
import type { Admission, Ticket } from '../scheduler/admission.ts';
import type { Priority } from '../scheduler/turns.ts';
import type { Pass, Turnstile } from '../scheduler/turnstile.ts';
import type { StatsCollector } from '../stats/collector.ts';
import { answerOf, jsonAnswerOf } from './answers.ts';
import type {
  Executor,
  FunctionLogLine,
  InvocationRecord,
  InvokeAnswer,
  InvokeJsonAnswer,
  InvokeJsonRequest,
  InvokeRequest,
  LogPage,
  ReadyState,
  RuntimeView,
  Stats,
} from './api.ts';
import { InvocationIds } from './invocation-ids.ts';
import { EMPTY_EVENT, encodeEvent, refuseEvent } from './json.ts';
import type { Lanes } from './lanes.ts';
import { LogCursors } from './log-cursor.ts';
import type { Metrics } from './metrics.ts';
import { placementOf, seatOf } from './placement.ts';
import { PoolViews } from './pool-views.ts';
import type { Provisions } from './provisions.ts';
import type { Records } from './records.ts';
import { both, reserveStored, reserving, unreserve } from './reservations.ts';
import { LocalVersions } from './versions.ts';
import { refuseMaxWait, untilAborted, Waits } from './waiting.ts';
import { type WalkContext, type Walked, walk } from './walk.ts';

const DEFAULT_TENANT = 'default';

export interface ExecutorParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly accounts: StoredAccounts;
  readonly lanes: Lanes;
  readonly admission: Admission;
  readonly turnstile: Turnstile;
  readonly provisions: Provisions;
  readonly records: Records;
  readonly stats: StatsCollector;
  /** Null where no receipt is kept for good. */
  readonly ledger: Ledger | null;
  /** What accounts idle memory to the operator; closed before the lanes, while there is something to see. */
  readonly operator: { close(): void } | null;
  readonly usage: Usage;
  /** Of receipts and of the header. */
  readonly tariff: TariffName;
  readonly metrics: Metrics;
  readonly limits: {
    readonly initCpuMs: number;
    readonly eventMaxBytes: number;
    readonly resultMaxBytes: number;
    readonly logMaxBytes: number;
  };
  readonly openNetwork: WalkContext['openNetwork'];
  /** It runs its attempts by `attempt`. */
  readonly queue: AsyncQueue & { pause(): void; close(): Promise<void> };
  readonly drainTimeoutMs: number;
}

const LOGS_DEFAULT = 100;
const LOGS_MAX = 1_000;
const READY_CHECK_MS = 5;
const ASYNC_PRIORITY: Priority = 0;

export class LocalExecutor implements Executor {
  readonly versions: LocalVersions;
  readonly usage: Usage;
  readonly stats: Stats;
  readonly #parts: ExecutorParts;
  readonly #context: WalkContext;
  readonly #views: PoolViews;
  readonly #ids: InvocationIds;
  readonly #cursors: LogCursors;
  /** Invocations that came and have not been answered: those inside, and those in the line before. */
  #open = 0;
  #state: ReadyState = 'starting';
  #idle: (() => void) | null = null;
  #closing: Promise<void> | null = null;
  #closed = false;
  /** Deployments and deletions under way: closing waits for them, because they were accepted. */
  readonly #changes = new Set<Promise<unknown>>();

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    this.usage = parts.usage;
    this.#ids = new InvocationIds(parts.clock, parts.random);
    this.#cursors = new LogCursors(parts.random);
    this.stats = {
      of: (name, options = {}) => parts.stats.of(this.get(name, options), options.qualifier !== undefined),
    };
    this.#context = {
      clock: parts.clock,
      openNetwork: parts.openNetwork,
      codeFiles: (record) => parts.registry.codeFiles(record),
      initCpuMs: parts.limits.initCpuMs,
      resultMaxBytes: parts.limits.resultMaxBytes,
      logMaxBytes: parts.limits.logMaxBytes,
    };
    this.versions = new LocalVersions({
      ...parts,
      holdings: parts.accounts.holdings,
      change: (work) => this.#change(work),
      read: () => this.#refuseWhenClosed(),
    });
    this.#views = new PoolViews({
      clock: parts.clock,
      take: () => parts.lanes.snapshots(),
      shared: () => ({ queued: parts.lanes.waiting + parts.turnstile.waiting, limits: this.#limits() }),
    });
    for (const record of parts.registry.stored()) parts.accounts.holdings.keep(record);
    parts.provisions.keepStored(parts.registry, parts.logger);
    reserveStored(parts.admission, parts.registry, parts.logger);
  }

  get accounts(): StoredAccounts {
    return this.#parts.accounts;
  }

  /** Invocations inside the server. */
  get inFlight(): number {
    return this.#parts.admission.inFlight;
  }

  /** Invocations in the line before it. */
  get unadmitted(): number {
    return this.#parts.admission.waiting;
  }

  async deploy(
    spec: FunctionSpecInput & { name: string; tenant?: string },
    precondition: Precondition = {},
  ): Promise<Deployment> {
    this.#refuseWhenDraining();
    const { name, tenant = DEFAULT_TENANT, ...input } = spec;
    // A runtime that does not exist is for the registry to refuse.
    if (RUNTIMES.includes(input.runtime)) this.#parts.lanes.of(input.runtime);
    const { registry, admission, provisions, accounts } = this.#parts;
    const accept = both(accounts.holdings.accept, both(reserving(admission), provisions.accept));
    const deployment = await this.#change(() => registry.deploy(tenant, name, input, accept, precondition));
    // Another deployment may have come after this one; whatever is current now counts.
    const current = this.#find(tenant, name);
    const { group } = placementOf(deployment.function);
    this.#parts.lanes.supersede(group, current === null ? null : placementOf(current).key);
    if (current !== null) this.#parts.lanes.deployed(current.runtime, placementOf(current));
    this.versions.functionDeployed(tenant, name);
    this.#parts.logger.info(
      { tenant, function: name, codeDigest: deployment.function.codeDigest, created: deployment.created },
      'deployed',
    );
    return deployment;
  }

  async invoke(request: InvokeRequest): Promise<InvokeAnswer> {
    const { event, signal, ...rest } = request;
    const encoded = { ...rest, eventJson: encodeEvent(event) };
    const { tariff } = this.#parts;
    if (signal === undefined) return answerOf(await this.#run(encoded), tariff);
    return answerOf(await untilAborted(signal, (onWait) => this.#run({ ...encoded, onWait })), tariff);
  }

  async invokeJson(request: InvokeJsonRequest): Promise<InvokeJsonAnswer> {
    return jsonAnswerOf(await this.#run(request), this.#parts.tariff);
  }

  get queue(): AsyncQueue {
    return this.#parts.queue;
  }

  /**
   * One attempt of an asynchronous invocation, after all for which a caller waits. Who accepted it has asked for its
   * credentials, and waits for its receipt: what has run is never refused here.
   */
  attempt({ qualifier, ...request }: Attempt): Promise<Ran> {
    return this.#run({ ...request, ...(qualifier === undefined ? {} : { qualifier }) }, ASYNC_PRIORITY);
  }

  newInvocationId(): string {
    return this.#ids.next();
  }

  get(name: string, options: { tenant?: string; qualifier?: string } = {}): FunctionRecord {
    this.#refuseWhenClosed();
    return this.#parts.registry.get(options.tenant ?? DEFAULT_TENANT, name, options.qualifier);
  }

  list(query: Partial<ListQuery> = {}): FunctionPage {
    this.#refuseWhenClosed();
    return this.#parts.registry.list({ tenant: DEFAULT_TENANT, ...query });
  }

  async delete(name: string, options: Precondition & { tenant?: string } = {}): Promise<FunctionRecord> {
    const { tenant = DEFAULT_TENANT, ...precondition } = options;
    const deletion = await this.#change(() => this.#parts.registry.delete(tenant, name, precondition));
    const record = deletion.function;
    this.versions.functionDeleted(deletion);
    unreserve(this.#parts.admission, record);
    this.#parts.accounts.holdings.drop(record);
    this.#parts.logger.info({ tenant: record.tenant, function: name }, 'deleted');
    return record;
  }

  invocation(invocationId: string, options: { tenant?: string } = {}): InvocationRecord {
    this.#refuseWhenClosed();
    const { records, tariff } = this.#parts;
    const { tenant = DEFAULT_TENANT } = options;
    const finished = records.find(invocationId, tenant);
    if (finished !== null) return { receipt: toReceipt(finished, tariff), logs: finished.logs };
    const receipt = this.usage.receipt(invocationId, tenant);
    if (receipt === null) throw records.unknown(invocationId);
    return { receipt, logs: [] };
  }

  logs(name: string, options: { tenant?: string; limit?: number } = {}): readonly FunctionLogLine[] {
    return this.logPage(name, options).logs;
  }

  logPage(name: string, options: { tenant?: string; limit?: number; after?: string } = {}): LogPage {
    const { tenant = DEFAULT_TENANT, limit = LOGS_DEFAULT, after } = options;
    if (!Number.isInteger(limit) || limit < 1 || limit > LOGS_MAX) {
      throw new StrataError(
        'invalid_request',
        `limit is ${limit}; a whole number from 1 to ${LOGS_MAX} is allowed.`,
      );
    }
    this.get(name, { tenant });
    const { records } = this.#parts;
    if (after === undefined) {
      const cursor = this.#cursors.textOf(records.logEnd);
      return { logs: records.logs(tenant, name, limit), cursor, gap: false, more: false };
    }
    const { next, ...page } = records.logsFrom(tenant, name, this.#cursors.placeOf(after), limit);
    return { ...page, cursor: this.#cursors.textOf(next) };
  }

  pools(): PoolsView {
    const { lanes, turnstile } = this.#parts;
    return { ...lanes.view(), queued: lanes.waiting + turnstile.waiting, limits: this.#limits() };
  }

  poolsOf(tenant: string): TenantPoolsView {
    return this.#views.of(tenant);
  }

  /** For metrics. */
  census(): readonly Census[] {
    return this.#views.census();
  }

  confinement(): Readonly<Record<string, Confinement>> {
    return this.#parts.lanes.confinement();
  }

  runtimes(): readonly RuntimeView[] {
    return this.#parts.lanes.runtimes();
  }

  state(): ReadyState {
    if (this.#state === 'starting' && this.#parts.lanes.filled) this.#state = 'ready';
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
    this.#parts.queue.pause();
    this.#parts.admission.refuseAll(draining());
    if (this.#open === 0) return;
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
    const closing = new StrataError('draining', 'The executor is closing.');
    this.#parts.turnstile.refuseAll(closing);
    this.#parts.lanes.refuseAll(closing);
    this.#parts.operator?.close();
    try {
      await this.#parts.lanes.close();
    } finally {
      await Promise.allSettled(this.#changes);
      await this.#parts.queue.close();
      this.#closed = true;
      this.#parts.ledger?.close();
      this.#parts.registry.close();
      this.#parts.accounts.close();
    }
  }

  async #change<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#refuseWhenDraining();
    const change = work();
    this.#changes.add(change);
    try {
      return await change;
    } finally {
      this.#changes.delete(change);
    }
  }

  async #run(request: InvokeJsonRequest, priority: Priority = 1): Promise<Walked> {
    const { registry, metrics, lanes, limits, admission, turnstile, clock, ledger } = this.#parts;
    try {
      this.#refuseWhenDraining();
      ledger?.refuseWhenFull();
      const { tenant = DEFAULT_TENANT, function: name, qualifier, sessionKey } = request;
      const record = resolveFor(
        request.credential,
        () => registry.resolve(tenant, name, qualifier, sessionKey),
        (found) => registry.authOf(found),
      );
      if (!registry.isEnabled(record)) throw disabled(name);
      const { scheduler } = lanes.of(record.runtime);
      refuseEvent(request.eventJson, limits.eventMaxBytes);
      refuseMaxWait(request.maxWaitMs);
      const waits = request.onWait === undefined ? null : new Waits(request.onWait);
      const { maxWaitMs } = request;
      const onWait = waits?.onWait;
      const placement = placementOf(record);
      let ticket: Ticket | null = null;
      let pass: Pass | null = null;
      this.#open += 1;
      try {
        const entered = admission.enter(seatOf(record), { maxWaitMs, onWait, priority });
        let arrivedMs = entered instanceof Promise ? clock.nowMs() : undefined;
        ticket = entered instanceof Promise ? await entered : entered;
        waits?.refuseCancelled();
        const passed = turnstile.enter(placement, { maxWaitMs, onWait, arrivedMs });
        if (passed instanceof Promise) arrivedMs ??= clock.nowMs();
        pass = passed instanceof Promise ? await passed : passed;
        waits?.refuseCancelled();
        const walked = await walk(this.#context, {
          invocationId: request.invocationId ?? this.#ids.next(),
          record,
          scheduler,
          eventJson: request.eventJson.length === 0 ? EMPTY_EVENT : request.eventJson,
          caller: request.caller ?? null,
          dryRun: request.mode === 'dry-run',
          attempt: request.attempt,
          requireStart: request.requireStart,
          ...{ maxWaitMs, onWait, arrivedMs },
        });
        this.#finish(walked.finished);
        const isAwaited = priority !== ASYNC_PRIORITY && (ledger?.isBeforeAnswer || request.durable === true);
        if (isAwaited) await ledger?.flush();
        return walked;
      } finally {
        pass?.leave();
        ticket?.leave();
        this.#open -= 1;
        if (this.#open === 0) this.#idle?.();
      }
    } catch (thrown) {
      metrics.refused(thrown instanceof StrataError ? thrown.code : ('internal_error' satisfies ErrorCode));
      throw thrown;
    }
  }

  /** One line an invocation; neither the event nor the result nor what the function logged. */
  #finish(finished: Finished): void {
    const { records, stats, metrics, logger, ledger } = this.#parts;
    records.add(finished);
    stats.add(finished);
    ledger?.add(finished);
    metrics.finished(finished);
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

  #limits(): LimitsView {
    const { lanes, admission } = this.#parts;
    const { inFlight, maxInFlight } = admission.view();
    return { memoryMb: lanes.memoryMb, inFlight, maxInFlight };
  }

  #refuseWhenDraining(): void {
    if (this.#state === 'draining') throw draining();
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new StrataError('draining', 'The executor is closed; make another one.');
  }

  #find(tenant: string, name: string): FunctionRecord | null {
    try {
      return this.#parts.registry.get(tenant, name);
    } catch {
      return null;
    }
  }
}

const draining = (): StrataError =>
  new StrataError('draining', 'The server is shutting down and takes no new work.', { retryAfterMs: 1_000 });

const disabled = (name: string): StrataError =>
  new StrataError(
    'function_disabled',
    `The function ${name} is disabled, with all its versions. Deploy it with enabled set to true.`,
  );
