/**
 * What the executor shows to Prometheus.
 *
 * Owns the names, labels and buckets; see `docs/` for the list. Labels are of bounded number: no tenant, no function.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Finished } from '../billing/receipts.ts';
import { PHASES, type ReceiptNetwork, type Start } from '../core/receipt.ts';
import type { Runtime } from '../core/spec.ts';
import { tierOf } from '../core/spec.ts';
import type { Census } from '../pool/api.ts';
import type { QueueStats } from '../queue/api.ts';
import { type LedgerSources, ledgerMetrics } from './ledger-metrics.ts';

/** What is read when somebody scrapes. */
export interface MetricSources {
  /** Of each pool. */
  readonly census: () => readonly Census[];
  readonly queued: () => number;
  /** Invocations in the line before the server. */
  readonly unadmitted: () => number;
  readonly inFlight: () => number;
  /** Megabyte-seconds of sandboxes so far. */
  readonly spent: () => { readonly idleMbSeconds: number; readonly servingMbSeconds: number };
  readonly evictions: () => number;
  readonly queue: () => QueueStats;
  /** Absent without a ledger. */
  readonly ledger?: LedgerSources;
}

const PHASE_BUCKETS_SECONDS = [
  ...[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025],
  ...[0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
];

/** Finished invocations that are not in the counters yet: those look their labels up anew for each increment. */
interface Pending {
  readonly runtime: Runtime;
  readonly status: string;
  readonly start: Start;
  count: number;
  cpuNs: number;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #invocations: Counter<'tier' | 'runtime' | 'status' | 'start'>;
  readonly #phases: Histogram<'runtime' | 'phase' | 'start'>;
  readonly #cpuSeconds: Counter<'tier' | 'runtime'>;
  readonly #refusals: Counter<'code'>;
  readonly #deaths: Counter<'tier' | 'runtime' | 'cause'>;
  readonly #repairs: Counter<'tier' | 'runtime'>;
  readonly #requests: Counter<'outcome'>;
  readonly #networkBytes: Counter<'direction'>;
  readonly #sources: MetricSources;
  readonly #slots: Gauge<'tier' | 'runtime' | 'layer' | 'state'>;
  readonly #sandboxes: Gauge<'tier' | 'runtime' | 'layer' | 'state' | 'taint'>;
  /** The combinations seen since the last scrape: few. */
  readonly #pending: Pending[] = [];
  readonly #phaseChildren = new Map<string, { observe(seconds: number): void }>();

  constructor(sources: MetricSources) {
    this.#sources = sources;
    const registers = [this.#registry];
    const pour = (): void => this.#pour();
    this.#invocations = new Counter({
      name: 'strata_invocations_total',
      help: 'Finished invocations; status is succeeded or the error code.',
      labelNames: ['tier', 'runtime', 'status', 'start'],
      registers,
      collect: pour,
    });
    this.#phases = new Histogram({
      name: 'strata_phase_seconds',
      help: 'Duration of each phase that an invocation went through, by start layer.',
      labelNames: ['runtime', 'phase', 'start'],
      buckets: PHASE_BUCKETS_SECONDS,
      registers,
    });
    this.#cpuSeconds = new Counter({
      name: 'strata_cpu_seconds_total',
      help: 'CPU seconds on receipts.',
      labelNames: ['tier', 'runtime'],
      registers,
      collect: pour,
    });
    this.#refusals = new Counter({
      name: 'strata_refusals_total',
      help: 'Invocations that were refused before they ran, by error code.',
      labelNames: ['code'],
      registers,
    });
    this.#deaths = new Counter({
      name: 'strata_sandbox_ends_total',
      help: "Sandboxes that ended, by the server's reason or by how they died.",
      labelNames: ['tier', 'runtime', 'cause'],
      registers,
    });
    this.#repairs = new Counter({
      name: 'strata_pool_repairs_total',
      help: 'Times that the counts of a pool were found wrong and put right: each one is a fault of Strata.',
      labelNames: ['tier', 'runtime'],
      registers,
    });
    this.#requests = new Counter({
      name: 'strata_network_requests_total',
      help: 'Requests of functions to the network; outcome is passed or refused.',
      labelNames: ['outcome'],
      registers,
    });
    this.#networkBytes = new Counter({
      name: 'strata_network_bytes_total',
      help: 'Bytes of HTTP of those requests, before encryption; direction is sent or received.',
      labelNames: ['direction'],
      registers,
    });
    this.#slots = new Gauge({
      name: 'strata_pool_slots',
      help: 'Instances by layer and state.',
      labelNames: ['tier', 'runtime', 'layer', 'state'],
      registers,
    });
    this.#sandboxes = new Gauge({
      name: 'strata_pool_sandboxes',
      help: 'Sandboxes by highest layer and state; taint is pristine or tenant.',
      labelNames: ['tier', 'runtime', 'layer', 'state', 'taint'],
      registers,
    });
    gauges(sources, registers);
    memoryCounters(sources, registers);
    queueMetrics(sources, registers);
    if (sources.ledger !== undefined) ledgerMetrics(sources.ledger, registers);
  }

  finished(finished: Finished): void {
    const { runtime } = finished.function;
    const pending = this.#pendingOf(runtime, finished.failure?.code ?? 'succeeded', finished.start);
    pending.count += 1;
    pending.cpuNs += finished.initCpuNs + finished.handlerCpuNs;
    for (let index = 0; index < PHASES.length; index += 1) {
      const ms = finished.phases[index] ?? 0;
      if (ms > 0) this.#phase(runtime, index, finished.start).observe(ms / 1000);
    }
    if (finished.network.requests > 0) this.#networked(finished.network);
  }

  #networked({ requests, refused, sentBytes, receivedBytes }: ReceiptNetwork): void {
    this.#requests.inc({ outcome: 'passed' }, requests - refused);
    this.#requests.inc({ outcome: 'refused' }, refused);
    this.#networkBytes.inc({ direction: 'sent' }, sentBytes);
    this.#networkBytes.inc({ direction: 'received' }, receivedBytes);
  }

  refused(code: string): void {
    this.#refusals.inc({ code });
  }

  sandboxEnded(runtime: Runtime, cause: string): void {
    this.#deaths.inc({ tier: tierOf(runtime), runtime, cause });
  }

  repaired(runtime: Runtime): void {
    this.#repairs.inc({ tier: tierOf(runtime), runtime });
  }

  async expose(): Promise<{ contentType: string; body: string }> {
    this.#countPools();
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }

  #pendingOf(runtime: Runtime, status: string, start: Start): Pending {
    for (const pending of this.#pending) {
      if (pending.start === start && pending.status === status && pending.runtime === runtime) return pending;
    }
    const fresh: Pending = { runtime, status, start, count: 0, cpuNs: 0 };
    this.#pending.push(fresh);
    return fresh;
  }

  /** Hands over what has been counted since the last scrape. */
  #pour(): void {
    for (const { runtime, status, start, count, cpuNs } of this.#pending.splice(0)) {
      const tier = tierOf(runtime);
      this.#invocations.inc({ tier, runtime, status, start }, count);
      this.#cpuSeconds.inc({ tier, runtime }, cpuNs / 1e9);
    }
  }

  #phase(runtime: Runtime, index: number, start: Start): { observe(seconds: number): void } {
    const key = `${index}${start}${runtime}`;
    let child = this.#phaseChildren.get(key);
    if (child === undefined) {
      child = this.#phases.labels({ runtime, phase: PHASES[index] ?? 'handler', start });
      this.#phaseChildren.set(key, child);
    }
    return child;
  }

  /** Both from one look at the pools, so that they agree. */
  #countPools(): void {
    this.#slots.reset();
    this.#sandboxes.reset();
    for (const { tier, runtime, slots, sandboxes } of this.#sources.census()) {
      for (const { count, ...labels } of slots) this.#slots.inc({ tier, runtime, ...labels }, count);
      for (const { count, ...labels } of sandboxes) this.#sandboxes.inc({ tier, runtime, ...labels }, count);
    }
  }
}

/** What is read when somebody scrapes. */
const gauges = (sources: MetricSources, registers: Registry[]): void => {
  new Gauge({
    name: 'strata_queue_depth',
    help: 'Invocations that wait for an instance.',
    registers,
    collect() {
      this.set(sources.queued());
    },
  });
  new Gauge({
    name: 'strata_admission_queue_depth',
    help: 'Invocations in the line before the server.',
    registers,
    collect() {
      this.set(sources.unadmitted());
    },
  });
  new Gauge({
    name: 'strata_in_flight',
    help: 'Invocations between admission and answer.',
    registers,
    collect() {
      this.set(sources.inFlight());
    },
  });
};

/** What others count for good is read when somebody scrapes. */
const memoryCounters = (sources: MetricSources, registers: Registry[]): void => {
  new Counter({
    name: 'strata_sandbox_memory_mb_seconds_total',
    help: 'Memory of sandboxes over time, as their layers are known to take it; use is serving or idle.',
    labelNames: ['use'],
    registers,
    collect() {
      const { idleMbSeconds, servingMbSeconds } = sources.spent();
      this.reset();
      this.inc({ use: 'idle' }, idleMbSeconds);
      this.inc({ use: 'serving' }, servingMbSeconds);
    },
  });
  new Counter({
    name: 'strata_evictions_total',
    help: 'Idle things that were ended because their memory was wanted.',
    registers,
    collect() {
      this.reset();
      this.inc(sources.evictions());
    },
  });
};

/** Asynchronous invocations: how many there are, and what became of them. */
const queueMetrics = (sources: MetricSources, registers: Registry[]): void => {
  new Gauge({
    name: 'strata_async_queue_depth',
    help: 'Asynchronous invocations that have not ended; state is queued, running, or delivering its record.',
    labelNames: ['state'],
    registers,
    collect() {
      const { queued, running, delivering } = sources.queue();
      this.set({ state: 'queued' }, queued);
      this.set({ state: 'running' }, running);
      this.set({ state: 'delivering' }, delivering);
    },
  });
  new Gauge({
    name: 'strata_async_oldest_seconds',
    help: 'The age of the asynchronous invocation that came first of those.',
    registers,
    collect() {
      this.set(sources.queue().oldestMs / 1_000);
    },
  });
  new Counter({
    name: 'strata_async_events_total',
    help:
      'What happened to asynchronous invocations: accepted, attempt (one that began), retried, succeeded, failed, ' +
      'cancelled, expired, delivered (its record), delivery_failed, dead.',
    labelNames: ['event'],
    registers,
    collect() {
      const { accepted, attempts, retried, ended, delivered, deliveriesFailed, dead } = sources.queue();
      const counts = { accepted, attempt: attempts, retried, ...ended, delivered, dead };
      this.reset();
      for (const [event, count] of Object.entries(counts)) this.inc({ event }, count);
      this.inc({ event: 'delivery_failed' }, deliveriesFailed);
    },
  });
};
