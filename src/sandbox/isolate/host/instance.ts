/**
 * One isolate in a host: boots it, loads code, runs invocations, and measures what each of them used.
 *
 * Owns the isolate, its owners (load and each invocation) and their timers. Never calls the guest synchronously,
 * never hands it a callback, never decides about wall time: the server does, with `terminate`.
 * Invariants: at most one batch of entries is in the isolate at a time, so that CPU time can be told apart; each
 * owner is answered exactly once; after `end` nothing enters the isolate again.
 */
import ivm from 'isolated-vm';
import type { GuestLog } from '../../../guest/contract.ts';
import { OP } from '../../../guest/contract.ts';
import type { Clock, Timer } from '../../../ports/clock.ts';
import type { Frame } from '../../protocol/frames.ts';
import type { HostFailure, LoadFiles, LoadMeta } from '../../protocol/messages.ts';
import type { NetworkFields, NetworkFrameType } from '../../protocol/network-frames.ts';
import { Batches } from './batches.ts';
import { CodeLoad } from './code-load.ts';
import {
  cpuFailure,
  describeThrown,
  guestFailure,
  hostFailure,
  LOST,
  memoryFailure,
  tooLarge,
} from './failures.ts';
import type { EntryArguments, EntryReference } from './loader.ts';
import { Loader } from './loader.ts';
import { GuestNetwork, isNetworkRecord } from './network.ts';
import { LOAD_OWNER, newOwner, type Owner } from './owner.ts';
import type { ProcessorShare } from './processor-share.ts';
import { parseRecords } from './records.ts';

/** What an instance tells its host; all but the first become frames. */
export interface InstanceEvents {
  /** A timer, or the network, is about to have it run: nobody asked for it just now. */
  woke(): void;
  loaded(
    instance: HostInstance,
    owner: Owner,
    failure: HostFailure | null,
    loadMs: number,
    initMs: number,
  ): void;
  settled(instance: HostInstance, owner: Owner, failure: HostFailure | null, resultJson: string | null): void;
  parked(instance: HostInstance, owner: Owner, parked: boolean): void;
  network(instance: HostInstance, owner: Owner, type: NetworkFrameType, fields: NetworkFields): void;
  ended(instance: HostInstance): void;
  catastrophe(instance: HostInstance): void;
}

export interface BootMaterial {
  readonly source: string;
  readonly cachedData: ivm.ExternalCopy<ArrayBuffer> | undefined;
  readonly seedHex: string;
  readonly optionsJson: string;
}

/** How it is with an instance: `booted` has no code; `failed` could not load it; `ending` waits for the engine. */
type State = 'booted' | 'loading' | 'serving' | 'failed' | 'ending' | 'ended';

export class HostInstance {
  readonly number: number;
  readonly memoryMb: number;
  readonly #isolate: ivm.Isolate;
  readonly #code: CodeLoad;
  readonly #batches: Batches;
  readonly #clock: Clock;
  readonly #events: InstanceEvents;
  readonly #network: GuestNetwork;
  readonly #owners = new Map<number, Owner>();
  readonly #timers = new Map<number, Timer>();
  readonly #waiting: (() => void)[] = [];
  #state: State = 'booted';
  #nextOwner = 1;
  /** Files are being compiled or linked: the engine works outside of any batch. */
  #preparing = false;
  #loadFailure: HostFailure | null = null;
  #loadStartMs = 0;
  #loadedAtMs = 0;
  #resultMaxBytes = 0;
  #logMaxBytes = 0;
  #hasInitializer = false;

  /** Boots an isolate with the bootstrap run in it. Rejects when the engine cannot. */
  static async boot(
    number: number,
    memoryMb: number,
    material: BootMaterial,
    clock: Clock,
    share: ProcessorShare,
    events: InstanceEvents,
  ): Promise<HostInstance> {
    let instance: HostInstance | undefined;
    const isolate = new ivm.Isolate({
      memoryLimit: memoryMb,
      onCatastrophicError: () => {
        if (instance !== undefined) events.catastrophe(instance);
      },
    });
    const context = await isolate.createContext();
    const { source, cachedData, seedHex, optionsJson } = material;
    const script = await isolate.compileScript(source, {
      filename: 'strata:bootstrap',
      ...(cachedData === undefined ? {} : { cachedData }),
    });
    const boot = await script.run(context, { reference: true });
    const entry: EntryReference = await boot.apply(undefined, [seedHex, optionsJson], {
      result: { reference: true },
    });
    instance = new HostInstance(number, memoryMb, isolate, context, entry, clock, share, events);
    return instance;
  }

  private constructor(
    number: number,
    memoryMb: number,
    isolate: ivm.Isolate,
    context: ivm.Context,
    entry: EntryReference,
    clock: Clock,
    share: ProcessorShare,
    events: InstanceEvents,
  ) {
    this.number = number;
    this.memoryMb = memoryMb;
    this.#isolate = isolate;
    this.#clock = clock;
    this.#events = events;
    this.#batches = new Batches(isolate, entry, clock, share, {
      collected: (text) => this.#collected(text),
      rejected: (owner, thrown) => this.#rejected(owner, thrown),
      broken: (thrown, owner) => this.#broken(thrown, owner),
      idle: () => this.#idle(),
    });
    this.#network = new GuestNetwork({
      send: (owner, type, fields) => events.network(this, owner, type, fields),
      enter: (owner, args) => this.#resume(owner, args),
      nowMs: () => clock.nowMs(),
    });
    this.#code = new CodeLoad(new Loader(isolate, context, entry), this.#batches, clock);
  }

  load(nonce: number, meta: LoadMeta, files: LoadFiles): void {
    const owner = newOwner(LOAD_OWNER, nonce, meta.initCpuMs, this.#clock.nowMs());
    this.#owners.set(LOAD_OWNER, owner);
    this.#state = 'loading';
    this.#loadStartMs = owner.startedMs;
    this.#batches.track(owner);
    this.#resultMaxBytes = meta.resultMaxBytes;
    this.#logMaxBytes = meta.logMaxBytes;
    this.#hasInitializer = meta.initializer !== null;
    this.#preparing = true;
    this.#code
      .begin(owner, meta, files)
      .catch((thrown: unknown) => this.#rejected(owner, thrown))
      .finally(() => {
        this.#preparing = false;
        this.#idle();
      });
  }

  invoke(nonce: number, invocationId: string, eventJson: string, timeoutMs: number, cpuMs: number): void {
    const owner = newOwner(this.#nextOwner, nonce, cpuMs, this.#clock.nowMs());
    this.#nextOwner += 1;
    this.#owners.set(owner.number, owner);
    const enter = (): void => {
      if (this.#owners.get(owner.number) !== owner) return;
      owner.startedMs = this.#clock.nowMs();
      this.#batches.post(owner, [
        OP.INVOKE,
        owner.number,
        invocationId,
        eventJson,
        timeoutMs,
        owner.startedMs,
      ]);
    };
    if (this.#state === 'serving') enter();
    else if (this.#state === 'loading') this.#waiting.push(enter);
    else this.#settle(owner, this.#loadFailure ?? LOST, null);
  }

  /** The server's deadline for one call: answers it, and ends the instance as soon as that hurts nobody else. */
  terminate(nonce: number): void {
    const owner = this.#byNonce(nonce);
    if (owner === undefined) return;
    this.#batches.sample();
    const stopped = hostFailure('terminated', 'The server stopped it.');
    const executing = owner.number === LOAD_OWNER || this.#batches.holds(owner);
    this.#settle(owner, stopped, null, true);
    if (executing || this.#owners.size === 0) this.end();
    else this.#batches.post(null, [OP.CANCEL, owner.number]);
  }

  /** A frame about a request to the network; nothing when its invocation is over. */
  network(frame: Frame): void {
    const owner = this.#byNonce(frame.nonce);
    if (owner !== undefined) this.#network.came(owner, frame);
  }

  /** Stops the isolate. Whoever still runs in it is answered as lost; `ended` follows when the engine let go. */
  end(): void {
    if (this.#state === 'ending' || this.#state === 'ended') return;
    this.#batches.sample();
    this.#state = 'ending';
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    for (const owner of [...this.#owners.values()]) this.#settle(owner, LOST, null, true);
    this.#batches.close();
    if (!this.#isolate.isDisposed) this.#isolate.dispose();
    this.#idle();
  }

  /** Called by the host's meter while entries run: ends what is over its CPU budget. */
  checkCpu(): void {
    const running = this.#batches.sample();
    if (running === null) return;
    if (running.cpuLimitNs !== null && running.cpuNs > running.cpuLimitNs) this.#overCpu(running);
  }

  /** What has been spent in the isolate and not yet been given to anybody, as the engine's clock has it. */
  get claimNs(): number {
    return this.#batches.claimNs;
  }

  get executing(): boolean {
    return this.#batches.inFlight || this.#preparing;
  }

  #collected(text: string): void {
    for (const record of parseRecords(text)) {
      const owner = this.#owners.get(record.owner);
      if (owner === undefined) continue;
      if (record.kind === 'G') addLog(owner, record.payload, this.#logMaxBytes);
      else if (record.kind === 'T') this.#arm(owner, Number(record.payload));
      else if (record.kind === 'R') this.#returned(owner, record.payload);
      else if (record.kind === 'X')
        this.#settle(owner, guestFailure(record.payload, this.#resultMaxBytes), null);
      else if (record.kind === 'L') this.#evaluated(owner);
      else if (isNetworkRecord(record)) this.#network.told(owner, record);
      else this.#loadDone(owner, null);
    }
    const loading = this.#owners.get(LOAD_OWNER);
    if (loading !== undefined)
      this.#code.proceed(loading).catch((thrown: unknown) => this.#broken(thrown, loading));
    for (const owner of this.#batches.entered) {
      this.#network.entered(owner);
      if (owner.cpuLimitNs !== null && owner.cpuNs > owner.cpuLimitNs) this.#overCpu(owner);
      else this.#park(owner);
    }
  }

  /** The bootstrap has counted characters; the limit is in bytes. */
  #returned(owner: Owner, resultJson: string): void {
    const bytes = resultJson.length * 3 > this.#resultMaxBytes ? Buffer.byteLength(resultJson) : 0;
    if (bytes > this.#resultMaxBytes) this.#settle(owner, tooLarge(this.#resultMaxBytes, bytes), null);
    else this.#settle(owner, null, resultJson);
  }

  #evaluated(owner: Owner): void {
    this.#loadedAtMs = this.#clock.nowMs();
    if (this.#hasInitializer) this.#batches.post(owner, [OP.INIT, this.#loadedAtMs]);
    else this.#loadDone(owner, null);
  }

  #loadDone(owner: Owner, failed: HostFailure | null): void {
    if (!this.#owners.delete(LOAD_OWNER)) return;
    this.#timers.get(LOAD_OWNER)?.cancel();
    this.#batches.untrack();
    const now = this.#clock.nowMs();
    const loadMs = (this.#loadedAtMs === 0 ? now : this.#loadedAtMs) - this.#loadStartMs;
    const initMs = this.#loadedAtMs === 0 ? 0 : now - this.#loadedAtMs;
    this.#loadFailure = failed;
    if (this.#state === 'loading') this.#state = failed === null ? 'serving' : 'failed';
    this.#events.loaded(this, owner, failed, loadMs, initMs);
    const waiting = this.#waiting.splice(0);
    if (failed === null) for (const enter of waiting) enter();
    else for (const other of [...this.#owners.values()]) this.#settle(other, failed, null);
  }

  #settle(owner: Owner, failed: HostFailure | null, resultJson: string | null, stopped = false): void {
    if (owner.number === LOAD_OWNER) {
      this.#loadDone(owner, failed);
      return;
    }
    if (!this.#owners.delete(owner.number)) return;
    this.#network.forget(owner);
    this.#timers.get(owner.number)?.cancel();
    this.#timers.delete(owner.number);
    this.#batches.flush();
    const overCpu = !stopped && owner.cpuLimitNs !== null && owner.cpuNs > owner.cpuLimitNs;
    this.#events.settled(this, owner, overCpu ? cpuFailure(owner) : failed, overCpu ? null : resultJson);
    if (overCpu) this.end();
  }

  #overCpu(owner: Owner): void {
    if (this.#owners.get(owner.number) !== owner) return;
    this.#settle(owner, cpuFailure(owner), null, true);
    this.end();
  }

  #arm(owner: Owner, delayMs: number): void {
    this.#timers.get(owner.number)?.cancel();
    this.#timers.delete(owner.number);
    if (!(delayMs >= 0)) return;
    const timer = this.#clock.setTimer(delayMs, () => {
      this.#timers.delete(owner.number);
      this.#resume(owner, [OP.TICK, owner.number, this.#clock.nowMs()]);
    });
    this.#timers.set(owner.number, timer);
  }

  /** An entry for an owner that may have waited. */
  #resume(owner: Owner, args: EntryArguments): void {
    this.#events.woke();
    if (owner.parked) {
      owner.parked = false;
      this.#events.parked(this, owner, false);
    }
    this.#batches.post(owner, args);
  }

  /** An owner that is still unanswered after its entry waits for a timer or the network: it cannot be what crashes the process. */
  #park(owner: Owner): void {
    if (owner.parked || owner.number === LOAD_OWNER || this.#owners.get(owner.number) !== owner) return;
    // What came from the network meanwhile runs next.
    if (this.#batches.awaits(owner)) return;
    owner.parked = true;
    this.#events.parked(this, owner, true);
  }

  /** A rejection that surfaced at an entry's end: a promise of the guest's that nobody handled, or the engine. */
  #rejected(owner: Owner, thrown: unknown): void {
    if (this.#isolate.isDisposed || this.#state === 'ending') {
      this.#broken(thrown, owner);
      return;
    }
    if (this.#owners.get(owner.number) !== owner) return;
    const code = owner.number === LOAD_OWNER ? 'init_error' : 'function_error';
    const error = describeThrown(thrown);
    const what =
      code === 'init_error' ? 'Loading the code failed' : 'A promise was rejected and nobody handled it';
    this.#settle(owner, hostFailure(code, `${what}: ${error.type}: ${error.message}`, error), null);
  }

  /** The isolate is of no further use: the engine disposed it, most often at its memory limit. */
  #broken(thrown: unknown, blamed: Owner | null): void {
    if (this.#state === 'ending' || this.#state === 'ended') {
      this.#idle();
      return;
    }
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    if (/memory limit/i.test(message) && blamed !== null) {
      this.#settle(blamed, memoryFailure(this.memoryMb), null, true);
    }
    this.end();
  }

  #idle(): void {
    if (this.#state !== 'ending' || this.executing) return;
    this.#state = 'ended';
    this.#events.ended(this);
  }

  #byNonce(nonce: number): Owner | undefined {
    for (const owner of this.#owners.values()) if (owner.nonce === nonce) return owner;
    return undefined;
  }
}

/** The bootstrap has counted characters; the limit is in bytes. */
const addLog = (owner: Owner, payload: string, logMaxBytes: number): void => {
  const log = JSON.parse(payload) as GuestLog;
  if (log.truncated) owner.logTruncated = true;
  for (const line of log.lines) {
    const bytes = Buffer.byteLength(line[2]) + 1;
    if (owner.logBytes + bytes > logMaxBytes) {
      owner.logTruncated = true;
      return;
    }
    owner.logBytes += bytes;
    owner.logs.push(line);
  }
};
