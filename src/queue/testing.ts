/**
 * A queue for tests: on a clock that is moved, over one database that outlives crashes, with runs that the test scripts.
 *
 * A crash is the moment from which one incarnation gets nothing done any more: what was under way at the disk or at the
 * ledger has happened or has not, as the test says.
 */
import { type Finished, toReceipt } from '../billing/receipts.ts';
import { type Failure, failure, StrataError } from '../core/errors.ts';
import { NO_NETWORK } from '../core/receipt.ts';
import type { AsyncPolicy, FunctionRecord } from '../core/spec.ts';
import { seededRandom } from '../ports/random.ts';
import { settling, VirtualClock } from '../ports/virtual-clock.ts';
import type { AcceptRequest, Attempt, QueueSettings, Ran, WebhookRequest } from './api.ts';
import { StoredQueue } from './queue.ts';
import { SqliteQueue } from './sqlite-queue.ts';
import type { QueueStore } from './store.ts';

export const SETTINGS: QueueSettings = {
  ...{ eventMaxBytes: 1_000, maxQueued: 1_000, maxQueuedPerTenant: 500 },
  ...{ maxQueuedMb: 10, maxQueuedMbPerTenant: 5, maxRunning: 4, maxRunningPerTenant: 4 },
  ...{ retryDelayMs: 1_000, maxRetryDelayMs: 60_000, maxInterruptions: 5, maxHops: 3 },
  ...{ resultMaxBytes: 100, keepMs: 86_400_000, maxKept: 1_000, maxKeptPerTenant: 500, maxKeptMb: 10 },
  ...{ deadLetterKeepMs: 864_000_000, maxDeadLettersPerTenant: 100 },
  ...{ maxDeliveries: 4, maxDeliveriesPerTenant: 2, maxDeliveryRetries: 2, webhookTimeoutMs: 1_000 },
};

export const POLICY: AsyncPolicy = {
  ...{ maxRetries: 2, maxEventAgeMs: 21_600_000, delivery: 'at-least-once' },
  ...{ onSuccess: null, onFailure: null },
};

const FUNCTION: FunctionRecord = {
  ...{ id: 'f', tenant: 'acme', name: 'f', version: '$LATEST', revision: 'r', runtime: 'isolate' },
  ...{ handler: 'index.handler', memoryMb: 128, timeoutMs: 3_000, cpuMs: 1_000, processModel: 'resident' },
  ...{ concurrency: 1, initializer: null, initTimeoutMs: 1_000, minInstances: 0, maxInstances: 50 },
  ...{ reservedConcurrency: 0, idleTimeoutMs: 1_000, env: {}, labels: {}, annotations: {}, description: '' },
  ...{ network: { allow: [] }, enabled: true, auth: 'key', async: POLICY, codeDigest: 'aa', codeBytes: 1 },
  ...{ createdAt: '2026-01-01T00:00:00.000Z', updatedAt: '2026-01-01T00:00:00.000Z' },
};

/** What a run does: it takes a time and ends in a way. */
export type Script = (attempt: Attempt, runs: number) => Played;
export interface Played {
  readonly tookMs?: number;
  readonly result?: unknown;
  readonly fails?: Failure;
  /** It is refused before it runs. */
  readonly refused?: StrataError;
}

export const broken = (): Failure => failure('function_error', 'The handler threw.');

export class QueueWorld {
  readonly clock = new VirtualClock();
  readonly database = new SqliteQueue(':memory:');
  /** What the ledger has, by invocation and attempt: it outlives crashes. */
  readonly ledger = new Map<string, Finished>();
  /** Attempts that began, in their order. */
  readonly began: Attempt[] = [];
  readonly posted: WebhookRequest[] = [];
  readonly policies = new Map<string, AsyncPolicy>();
  readonly settings: QueueSettings;
  script: Script = () => ({ result: 'done' });
  webhook: (request: WebhookRequest) => number = () => 200;
  isRoom: (tenant: string) => boolean = () => true;
  /** Whether the disk takes what it is given. */
  diskFull = false;
  /** What a transaction waits for that begins now. */
  slowDisk: Promise<void> | null = null;
  queue: StoredQueue;
  /** Told before and after each transaction and entry of the ledger. */
  step: (what: 'before' | 'after') => void = () => {};
  #alive: { value: boolean } = { value: true };
  #ids = 0;

  constructor(settings: Partial<QueueSettings> = {}, policy: Partial<AsyncPolicy> = {}) {
    this.settings = { ...SETTINGS, ...settings };
    this.policies.set('f', { ...POLICY, ...policy });
    this.queue = this.#make();
  }

  /** Opens anew what the database has. */
  async open(): Promise<this> {
    this.#alive = { value: true };
    this.queue = this.#make();
    await this.queue.load();
    this.queue.resume();
    return this;
  }

  /** From now on this incarnation does nothing, and hears of nothing. */
  crash(): void {
    this.#alive.value = false;
    this.queue.pause();
  }

  get isAlive(): boolean {
    return this.#alive.value;
  }

  async run(forMs: number): Promise<void> {
    this.clock.unsettled();
    await this.clock.run(this.clock.nowMs() + forMs);
  }

  accept(request: Partial<AcceptRequest> & { readonly event?: unknown } = {}): Promise<string> {
    const { event = {}, ...rest } = request;
    const accepted = this.queue.accept({
      ...{ tenant: 'acme', function: 'f', invocationId: this.#newId() },
      eventJson: Buffer.from(JSON.stringify(event)),
      ...rest,
    });
    this.clock.unsettled();
    return accepted.then(({ invocationId }) => invocationId);
  }

  #newId(): string {
    this.#ids += 1;
    return `id-${this.#ids}`;
  }

  #make(): StoredQueue {
    const alive = this.#alive;
    const clock = settling(this.clock);
    return new StoredQueue(
      {
        ...{ clock, settings: this.settings, random: seededRandom(7 + this.began.length) },
        ledger: {
          // It takes its time, so that whoever does not wait for it is found out.
          add: async (finished, attempt) => {
            await this.#after(1);
            return this.#durably(alive, () => {
              const key = `${finished.invocationId}/${attempt}`;
              if (!this.ledger.has(key)) this.ledger.set(key, finished);
            });
          },
        },
        run: (attempt) => this.#play(alive, attempt),
        receiptOf: (finished) => toReceipt(finished, 'cpu'),
        newId: () => this.#newId(),
        send: async (request) => {
          if (!alive.value) return NEVER;
          this.posted.push(request);
          return this.webhook(request);
        },
        resolve: (tenant, name) => {
          const async = this.policies.get(name);
          if (async === undefined) throw new StrataError('not_found', `There is no function ${name}.`);
          return { ...FUNCTION, tenant, name, async };
        },
        isRoom: (tenant) => this.isRoom(tenant),
        onFault: () => {},
      },
      this.#storeOf(alive),
      Buffer.alloc(32, 1),
    );
  }

  #storeOf(alive: { readonly value: boolean }): QueueStore {
    const { database } = this;
    const read = async <Value>(value: () => Value): Promise<Value> => (alive.value ? value() : NEVER);
    return {
      apply: async (operations) => {
        if (this.slowDisk !== null) await this.slowDisk;
        return this.#durably(alive, () => {
          if (this.diskFull) throw new StrataError('storage_full', 'The disk is full.');
          return database.apply(operations);
        });
      },
      live: (after, limit) => read(() => database.live(after, limit)),
      event: (id) => read(() => database.event(id)),
      get: (id) => read(() => database.get(id)),
      list: (query) => read(() => database.list(query)),
      secret: (name, fresh) => read(() => database.secret(name, fresh)),
      close: async () => {},
    };
  }

  async #durably<Value>(alive: { readonly value: boolean }, change: () => Value): Promise<Value> {
    if (alive.value) this.step('before');
    if (!alive.value) return NEVER;
    const value = change();
    this.step('after');
    return alive.value ? value : NEVER;
  }

  async #play(alive: { readonly value: boolean }, attempt: Attempt): Promise<Ran> {
    if (!alive.value) return NEVER;
    const runs = this.began.filter(({ invocationId }) => invocationId === attempt.invocationId).length;
    const { tookMs = 0, result = null, fails, refused } = this.script(attempt, runs);
    if (refused === undefined) this.began.push(attempt);
    if (tookMs > 0) await this.#after(tookMs);
    if (!alive.value) return NEVER;
    if (refused !== undefined) throw refused;
    const { invocationId, tenant, function: name } = attempt;
    return {
      resultJson: fails === undefined ? Buffer.from(JSON.stringify(result)) : null,
      finished: {
        ...{ invocationId, function: { ...FUNCTION, tenant, name }, start: 'code', meter: 'isolate' },
        ...{ phases: [0, 0, 0, 0, 0, tookMs], initCpuNs: 0, handlerCpuNs: 1_000, maxMemoryBytes: null },
        ...{ network: NO_NETWORK, failure: fails ?? null, startedAtMs: this.clock.wallMs() },
        ...{ logs: [], logTruncated: false },
      },
    };
  }

  #after(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      settling(this.clock).setTimer(delayMs, resolve);
    });
  }
}

const NEVER = new Promise<never>(() => {});
