/**
 * Makes any backend keep the promises of `api.ts`: every call settles once, in bounded time, blaming nobody wrongly.
 *
 * Owns deadlines, the kill after them, the memory watchdog, and what becomes of calls when a carrier dies.
 * Never trusts a backend to answer. Invariants: a nonce is used once; an answer to an unknown nonce kills the
 * carrier; after a carrier's end nothing of it is pending.
 */
import { StrataError } from '../core/errors.ts';
import type { Meter } from '../core/receipt.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Carrier, CarrierExit, Instance, KillCause, SandboxTier } from './api.ts';
import type { Backend, BackendCarrier, BackendEvents, BackendExit, RawOutcome } from './backend.ts';
import { assignBlame, type Death } from './blame.ts';
import type { Call, CallKind } from './call.ts';
import { GuardedInstance } from './guarded-instance.ts';
import { Pulse } from './pulse.ts';

export interface GuardOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** For a carrier to come up, and for an instance to boot. */
  readonly startTimeoutMs: number;
  /** Between asking a sandbox to stop something and SIGKILL. */
  readonly killGraceMs: number;
  /** Null for tiers whose memory the kernel bounds. */
  readonly watchdog: WatchdogOptions | null;
  /** Called for faults that an operator should read about. */
  readonly onFault?: ((message: string, details: Readonly<Record<string, unknown>>) => void) | undefined;
}

export interface WatchdogOptions {
  readonly intervalMs: number;
  /** What a carrier may hold beyond its own size and its instances' memory. */
  readonly slackMb: number;
  readonly maxMb: number;
}

const MB = 1024 * 1024;
const NS_PER_MS = 1e6;
/** Far more than timers of a millisecond make on all instances of a full host that has a processor to itself. */
const UNASKED_PER_SECOND = 50_000;

export const guardTier = (backend: Backend, options: GuardOptions): SandboxTier => {
  const carriers = new Set<GuardedCarrier>();
  const starting = new Set<Promise<void>>();
  let closing = false;
  return {
    tier: backend.tier,
    confinement: backend.confinement,
    async provision() {
      if (closing) throw new StrataError('draining', 'The executor is closing and starts no sandbox.');
      const carrier = new GuardedCarrier(options.random.uuid(), backend, options, () => {
        for (const other of carriers) other.examine();
      });
      const started = carrier.start(backend);
      starting.add(started);
      try {
        await started;
      } finally {
        starting.delete(started);
      }
      carriers.add(carrier);
      void carrier.exited.then(() => carriers.delete(carrier));
      if (closing) carrier.kill('shutdown');
      return carrier;
    },
    async close() {
      closing = true;
      for (const carrier of carriers) carrier.kill('shutdown');
      // What is still coming up has to come up, or fail, before it can be ended.
      await Promise.allSettled(starting);
      for (const carrier of carriers) carrier.kill('shutdown');
      await Promise.all([...carriers].map((carrier) => carrier.exited));
      await backend.close();
    },
  };
};

export class GuardedCarrier implements Carrier, BackendEvents {
  readonly capacity: number;
  readonly exited: Promise<CarrierExit>;
  readonly options: GuardOptions;
  readonly #instances = new Map<number, GuardedInstance>();
  readonly #calls = new Map<number, Call>();
  #id: string;
  readonly #meter: Meter;
  #raw: BackendCarrier | null = null;
  #resolveExit: (exit: CarrierExit) => void = () => undefined;
  #nextInstance = 1;
  #cause: KillCause | null = null;
  #ended = false;
  #catastrophe: number | null = null;
  #condemned: GuardedInstance | null = null;
  readonly #unaskedMax: number;
  #unaskedSecond = 0;
  #unaskedCount = 0;
  #processMemory: Death['processMemory'] = null;
  #baselineBytes: number | null = null;
  #watchdog: Timer | null = null;
  readonly #pulse: Pulse;
  readonly #onStopped: () => void;
  /** Aborted when the carrier is to end before it is up. */
  readonly #abandoned = new AbortController();
  /** CPU time of the process at the watchdog's last look. */
  #usedNs = 0;

  /** @param onStopped called when it was found stopped: others may be, too. */
  constructor(
    id: string,
    backend: Pick<Backend, 'capacity' | 'meter' | 'unaskedPerSecond'>,
    options: GuardOptions,
    onStopped: () => void,
  ) {
    this.#onStopped = onStopped;
    this.#id = id;
    this.capacity = backend.capacity;
    this.#meter = backend.meter;
    this.#unaskedMax = backend.unaskedPerSecond ?? UNASKED_PER_SECOND;
    this.options = options;
    this.#pulse = new Pulse({
      clock: options.clock,
      awaited: () => this.#awaited(),
      stopped: () => this.#raw?.stopped?.() ?? false,
      onStopped: () => this.#stopped(),
    });
    this.exited = new Promise((resolve) => {
      this.#resolveExit = resolve;
    });
  }

  get id(): string {
    return this.#id;
  }

  get meter(): Meter {
    return this.#raw?.meter ?? this.#meter;
  }

  get ended(): boolean {
    return this.#ended || this.#cause !== null;
  }

  get raw(): BackendCarrier | null {
    return this.#raw;
  }

  /** @throws StrataError `start_failed`. */
  async start(backend: Backend): Promise<void> {
    const provisioned = backend.provision(this, this.#abandoned.signal);
    const timeout = new Promise<never>((_, reject) => {
      const timer = this.options.clock.setTimer(this.options.startTimeoutMs, () => {
        reject(
          new StrataError('start_failed', `No sandbox came up within ${this.options.startTimeoutMs} ms.`),
        );
        this.kill('start_failed');
      });
      const cancel = (): void => timer.cancel();
      provisioned.then(cancel, cancel);
    });
    this.#raw = await Promise.race([provisioned, timeout]);
    this.#id = this.#raw.id ?? this.#id;
    this.#baselineBytes = this.#raw.usage()?.residentBytes ?? null;
    void this.#raw.exited.then((exit) => this.#died(exit));
  }

  async boot(memoryMb: number): Promise<Instance> {
    const number = this.#nextInstance;
    this.#nextInstance += 1;
    const instance = new GuardedInstance(this, number, memoryMb);
    if (this.ended || this.#raw === null) throw startFailed('the carrier has ended');
    this.#instances.set(number, instance);
    this.#pulse.watch();
    this.#raw.boot(number, memoryMb);
    const timer = this.options.clock.setTimer(this.options.startTimeoutMs, () => {
      instance.bootFailed(startFailed(`it did not boot within ${this.options.startTimeoutMs} ms`));
      this.kill('start_failed');
    });
    try {
      await instance.ready;
    } finally {
      timer.cancel();
    }
    return instance;
  }

  residentBytes(): number | null {
    return this.#raw?.usage()?.residentBytes ?? null;
  }

  claimedBy(tenant: string): void {
    if (!this.ended) this.#raw?.claimedBy?.(tenant);
  }

  kill(cause: KillCause): void {
    if (this.ended) return;
    this.#cause = cause;
    if (this.#raw === null) this.#abandoned.abort();
    else this.#raw.kill();
  }

  /** Ends the carrier on account of an instance that did not stop when it was told to. */
  condemn(instance: GuardedInstance): void {
    if (this.ended) return;
    this.#condemned = instance;
    this.kill('unresponsive');
  }

  /** Registers a call; its nonce comes back with the answer. */
  open(call: Call): void {
    call.nonce = this.options.random.nonce();
    this.#calls.set(call.nonce, call);
    if (this.#watchdog === null && this.options.watchdog !== null) this.#watch(this.options.watchdog);
    this.#pulse.watch();
  }

  /** Something of an instance is awaited that is no call. */
  await(): void {
    this.#pulse.watch();
  }

  /**
   * CPU time of a call that never answered and ran to the end: what the process used since the call began, and
   * the whole time when the kernel was not asked in between. Never more than the time that passed.
   */
  usedBy(call: Call): number {
    const elapsedNs = Math.round(call.elapsedMs() * NS_PER_MS);
    const accountedNs = this.#raw?.usedNs?.(call.nonce) ?? null;
    if (accountedNs !== null) return Math.round(accountedNs);
    if (call.cpuBaselineNs === null) return elapsedNs;
    const usedNs = (this.#raw?.usage()?.cpuNs ?? this.#usedNs) - call.cpuBaselineNs;
    return Math.round(Math.min(elapsedNs, Math.max(0, usedNs)));
  }

  forget(call: Call): void {
    this.#calls.delete(call.nonce);
  }

  remove(instance: GuardedInstance): void {
    this.#instances.delete(instance.number);
  }

  booted(number: number): void {
    this.unasked();
    this.#instances.get(number)?.booted();
  }

  bootFailed(number: number, reason: string): void {
    this.#instances.get(number)?.bootFailed(startFailed(reason));
    this.kill('start_failed');
  }

  loaded(number: number, nonce: number, outcome: RawOutcome): void {
    this.#answer(number, nonce, 'load', outcome);
  }

  settled(number: number, nonce: number, outcome: RawOutcome): void {
    this.#answer(number, nonce, 'invoke', outcome);
  }

  parked(number: number, nonce: number, parked: boolean): void {
    this.unasked();
    const call = this.#calls.get(nonce);
    if (call !== undefined && call.home.number === number) call.parked = parked;
  }

  disposed(number: number): void {
    this.unasked();
    this.#instances.get(number)?.cleared();
  }

  instanceEnded(number: number): void {
    this.#instances.get(number)?.processEnded();
  }

  catastrophe(number: number): void {
    this.#catastrophe ??= number;
    this.kill('memory');
  }

  violated(reason: string): void {
    if (this.ended) return;
    this.options.onFault?.('a sandbox broke the protocol', { carrier: this.id, reason });
    this.kill('protocol');
  }

  /** Frames that answer no call are bounded by the second, or a host could keep the server busy with them. */
  unasked(): void {
    const second = Math.floor(this.options.clock.nowMs() / 1_000);
    if (second !== this.#unaskedSecond) {
      this.#unaskedSecond = second;
      this.#unaskedCount = 0;
    }
    this.#unaskedCount += 1;
    if (this.#unaskedCount > this.#unaskedMax)
      this.violated(`more than ${this.#unaskedMax} frames a second that answer nothing`);
  }

  #answer(number: number, nonce: number, kind: CallKind, outcome: RawOutcome): void {
    const call = this.#calls.get(nonce);
    if (call === undefined || call.kind !== kind || call.home.number !== number) {
      if (!this.ended) this.violated(`an answer to call ${nonce}, which is not open`);
      return;
    }
    this.#calls.delete(nonce);
    call.answer(outcome);
  }

  #died({ exitCode, signal, external = false }: BackendExit): void {
    this.#ended = true;
    this.#watchdog?.cancel();
    this.#pulse.end();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    const stderr = this.#raw?.stderrTail() ?? '';
    const death: Death = {
      ...{ cause: this.#cause, exitCode, signal, external, stderr },
      ...{ catastrophe: this.#catastrophe, processMemory: this.#processMemory },
    };
    const { failures, suspects, proven } = assignBlame(
      calls.map((call) => ({
        call,
        parked: call.parked,
        instance: call.home.number,
        memoryMb: call.home.memoryMb,
      })),
      death,
    );
    const instances = [...this.#instances.values()];
    for (const [candidate, failure] of failures) {
      const blamed = failure.code !== 'sandbox_lost';
      candidate.call.fail(failure, blamed ? this.usedBy(candidate.call) : 0);
    }
    this.#instances.clear();
    if (this.#cause === null) {
      this.options.onFault?.('a sandbox died', {
        carrier: this.id,
        exitCode,
        signal,
        stderr: stderr.slice(-500),
      });
    }
    this.#resolveExit({
      ...{ cause: this.#cause, exitCode, signal },
      suspects:
        this.#condemned === null
          ? instances.filter(({ number }) => suspects.some(({ instance }) => instance === number))
          : [this.#condemned],
      proven: this.#condemned !== null || proven,
    });
    for (const instance of instances) instance.carrierDied();
  }

  #stopped(): void {
    if (this.ended) return;
    this.options.onFault?.('a sandbox was stopped from outside and is killed', { carrier: this.id });
    this.kill('stopped');
    this.#onStopped();
  }

  /** One that is idle and stopped as well ends before anything is sent to it; one at work is being looked at. */
  examine(): void {
    if (!this.ended && !this.#awaited() && this.#raw?.stopped?.() === true) this.kill('stopped');
  }

  #awaited(): boolean {
    return this.#calls.size > 0 || [...this.#instances.values()].some(({ awaited }) => awaited);
  }

  /** Looks at the process's real memory for as long as calls are open. */
  #watch(watchdog: WatchdogOptions): void {
    this.#watchdog = this.options.clock.setTimer(watchdog.intervalMs, () => {
      this.#watchdog = null;
      if (this.ended || this.#calls.size === 0) return;
      const usage = this.#raw?.usage() ?? null;
      if (usage !== null) {
        this.#usedNs = usage.cpuNs;
        for (const call of this.#calls.values())
          call.cpuBaselineNs ??= usage.cpuNs - call.elapsedMs() * NS_PER_MS;
        const limitMb = this.#memoryLimitMb(watchdog);
        if (usage.residentBytes > limitMb * MB) {
          this.#processMemory = { limitMb, observedMb: Math.ceil(usage.residentBytes / MB) };
          this.kill('memory');
          return;
        }
      }
      this.#watch(watchdog);
    });
  }

  #memoryLimitMb(watchdog: WatchdogOptions): number {
    let instancesMb = 0;
    for (const instance of this.#instances.values()) instancesMb += instance.allowanceMb;
    const baselineMb = Math.ceil((this.#baselineBytes ?? 0) / MB);
    return Math.min(watchdog.maxMb, baselineMb + instancesMb + watchdog.slackMb);
  }
}

const startFailed = (reason: string): StrataError =>
  new StrataError('start_failed', `A sandbox could not be started: ${reason}.`);
