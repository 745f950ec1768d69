/**
 * A backend without processes: the behaviours of functions by name, on whatever clock it is given.
 *
 * Owns nothing real. It exists for seeded schedules and for the simulator; the contract suite runs against it and
 * against the real tiers alike, so that what is proven on it means something. The behaviour is the code's digest.
 */
import { failure } from '../../core/errors.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { ProcessExit } from '../../ports/processes.ts';
import type { InvokeRequest, LoadRequest } from '../api.ts';
import type { Backend, BackendCarrier, BackendEvents, RawOutcome } from '../backend.ts';
import type { HostFailure, OutcomeTail } from '../protocol/messages.ts';

/** What a fake function does; the real tiers have code of the same meaning in the contract suite. */
export type Behaviour =
  /** Returns the event. */
  | 'echo'
  /** Waits for `event.ms` milliseconds on a timer, then returns the event. */
  | 'sleep'
  /** Throws an Error with the message `boom`. */
  | 'throw'
  /** Loops; stops when it is told to. */
  | 'loop'
  /** Loops and cannot be stopped but by a kill. */
  | 'stuck'
  /** Ends the process, as a bug in the engine would. */
  | 'crash'
  /** Runs the engine out of memory. */
  | 'exhaust'
  /** Throws while it is loaded. */
  | 'broken'
  /** Does not end loading. */
  | 'endless-load';

/** What no function of every tier can do: `leave` returns the event, and its process ends soon after. */
export type FakeBehaviour = Behaviour | 'leave';

export interface FakeOptions {
  readonly clock: Clock;
  readonly capacity: number;
  readonly provisionMs: number;
  readonly bootMs: number;
  readonly loadMs: number;
  readonly handlerMs: number;
  /** Asked before each start; true makes it fail. */
  readonly failStart?: () => boolean;
  /** Told of each carrier that has come up; calling back ends it from outside, as an operator or the kernel would. */
  readonly onUp?: (die: () => void) => void;
}

const CPU_NS_PER_CALL = 1_000_000;
const LEAVES_AFTER_MS = 10;

export const fakeBackend = (options: FakeOptions): Backend => ({
  tier: 'isolate',
  confinement: { kind: 'none', summary: 'a fake: nothing runs', gaps: [] },
  capacity: options.capacity,
  meter: 'isolate',
  provision: (events) =>
    new Promise((resolve, reject) => {
      const fails = options.failStart?.() ?? false;
      options.clock.setTimer(options.provisionMs, () => {
        if (fails) reject(new Error('the fake was told to fail'));
        else {
          const carrier = new FakeCarrier(options, events);
          options.onUp?.(() => carrier.kill());
          resolve(carrier);
        }
      });
    }),
  close: async () => undefined,
});

class FakeCarrier implements BackendCarrier {
  readonly exited: Promise<ProcessExit>;
  readonly #options: FakeOptions;
  readonly #events: BackendEvents;
  readonly #loaded = new Map<number, FakeBehaviour>();
  readonly #open = new Map<number, { instance: number; timer: Timer | null; stoppable: boolean }>();
  #resolveExit: (exit: ProcessExit) => void = () => undefined;
  #dead = false;

  constructor(options: FakeOptions, events: BackendEvents) {
    this.#options = options;
    this.#events = events;
    this.exited = new Promise((resolve) => {
      this.#resolveExit = resolve;
    });
  }

  boot(instance: number): void {
    this.#later(this.#options.bootMs, () => this.#events.booted(instance));
  }

  load(instance: number, nonce: number, request: LoadRequest): void {
    const behaviour = request.codeDigest as FakeBehaviour;
    this.#open.set(nonce, { instance, timer: null, stoppable: true });
    if (behaviour === 'endless-load') return;
    this.#later(this.#options.loadMs, () => {
      if (!this.#open.delete(nonce)) return;
      const broken = behaviour === 'broken';
      this.#loaded.set(instance, behaviour);
      const error = { type: 'Error', message: 'boom', stack: 'Error: boom' };
      const failed: HostFailure = { ...failure('init_error', 'Error: boom', { error }), code: 'init_error' };
      this.#events.loaded(instance, nonce, outcome(broken ? failed : null, this.#options.loadMs, 0));
    });
  }

  invoke(instance: number, nonce: number, request: InvokeRequest): void {
    this.#open.set(nonce, { instance, timer: null, stoppable: true });
    // A load may be under way: the call begins behind it.
    this.#later(this.#loaded.has(instance) ? 0 : this.#options.loadMs, () =>
      this.#run(instance, nonce, request),
    );
  }

  terminate(instance: number, nonce: number): void {
    const call = this.#open.get(nonce);
    if (call === undefined || !call.stoppable || this.#dead) return;
    this.#open.delete(nonce);
    call.timer?.cancel();
    const stopped = hostFailure('terminated', 'stopped');
    if (this.#loaded.has(instance)) this.#events.settled(instance, nonce, outcome(stopped, 0, -1));
    else this.#events.loaded(instance, nonce, outcome(stopped, 0, 0));
  }

  dispose(instance: number): void {
    const stuck = [...this.#open.values()].some((call) => call.instance === instance && !call.stoppable);
    if (!stuck) this.#later(0, () => this.#events.disposed(instance));
  }

  kill(): void {
    this.#end({ exitCode: null, signal: 'SIGKILL' });
  }

  usage(): null {
    return null;
  }

  stderrTail(): string {
    return '';
  }

  #run(instance: number, nonce: number, request: InvokeRequest): void {
    const call = this.#open.get(nonce);
    const behaviour = this.#loaded.get(instance);
    if (call === undefined || behaviour === undefined || behaviour === 'broken') return;
    const answer = (failed: HostFailure | null, payload: Uint8Array = NO_BYTES): void => {
      if (!this.#open.delete(nonce)) return;
      this.#events.settled(instance, nonce, outcome(failed, this.#options.handlerMs, -1, payload));
    };
    if (behaviour === 'echo' || behaviour === 'leave')
      call.timer = this.#later(this.#options.handlerMs, () => answer(null, request.eventJson));
    if (behaviour === 'leave')
      this.#later(this.#options.handlerMs + LEAVES_AFTER_MS, () => this.#events.instanceEnded(instance));
    if (behaviour === 'throw') {
      const error = { type: 'Error', message: 'boom', stack: 'Error: boom' };
      const failed = { ...hostFailure('function_error', 'Error: boom'), error };
      call.timer = this.#later(this.#options.handlerMs, () => answer(failed));
    }
    if (behaviour === 'sleep') {
      const { ms } = JSON.parse(Buffer.from(request.eventJson).toString('utf8')) as { ms: number };
      this.#events.parked(instance, nonce, true);
      call.timer = this.#later(ms, () => answer(null, request.eventJson));
    }
    if (behaviour === 'stuck') call.stoppable = false;
    if (behaviour === 'crash') this.#end({ exitCode: null, signal: 'SIGSEGV' });
    if (behaviour === 'exhaust') this.#events.catastrophe(instance);
  }

  #later(delayMs: number, callback: () => void): Timer {
    return this.#options.clock.setTimer(delayMs, () => {
      if (!this.#dead) callback();
    });
  }

  #end(exit: ProcessExit): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#resolveExit(exit);
  }
}

const NO_BYTES = new Uint8Array();

const hostFailure = (code: HostFailure['code'], detail: string): HostFailure => ({
  ...{ code, detail, error: null, limit: null },
});

const outcome = (
  failed: HostFailure | null,
  firstMs: number,
  second: number,
  payload: Uint8Array = NO_BYTES,
): RawOutcome => {
  const tail: OutcomeTail | null =
    failed === null ? null : { failure: failed, logs: [], logTruncated: false };
  return { cpuNs: CPU_NS_PER_CALL, firstMs, second, failed: failed !== null, tail, payload };
};
