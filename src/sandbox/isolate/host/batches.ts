/**
 * Enters an isolate: batches of entries, one COLLECT behind each batch, and the CPU time of every owner.
 *
 * Owns the queue of entries and the measuring. Invariants: one batch is in the isolate at a time; all CPU time of
 * the isolate is given to owners, none twice. The rule: what an isolate used between two readings belongs in equal
 * parts to the owners whose entries ended between them; a long entry is read on its own, because nothing else ends
 * while it runs. What the engine's clock says is a claim; how much of it was CPU time is `processor-share.ts`'s to say.
 */
import type ivm from 'isolated-vm';
import { OP } from '../../../guest/contract.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { EntryArguments, EntryReference } from './loader.ts';
import type { Owner } from './owner.ts';
import { LATE_NS, type ProcessorShare } from './processor-share.ts';

export interface BatchEvents {
  /** What COLLECT returned after a batch. */
  collected(text: string): void;
  /** An entry of this owner ended with a rejection. */
  rejected(owner: Owner, thrown: unknown): void;
  /** The isolate is of no further use; the owner is whose entry ended with it, null when it was none's. */
  broken(thrown: unknown, owner: Owner | null): void;
  /** No batch is in the isolate any more. */
  idle(): void;
}

interface Entry {
  readonly owner: Owner | null;
  readonly args: EntryArguments;
}

const COPY = { result: { copy: true } } as const;
/** Results of a larger batch would wait for its end. */
const BATCH_ENTRIES = 8;
/** Memory is looked at with the first batch after this many milliseconds. */
const HEAP_INTERVAL_MS = 100;
/** To ask the kernel how much of it was CPU time would cost more than that. */
const SMALL_NS = 100_000;
/** And with each of the first batches: what an instance takes when it is new comes at once. */
const YOUNG_BATCHES = 8;

export class Batches {
  /** The owners whose entries were in the batch that was collected last. */
  entered: readonly Owner[] = [];
  readonly #isolate: ivm.Isolate;
  readonly #entry: EntryReference;
  readonly #clock: Clock;
  readonly #events: BatchEvents;
  #queue: Entry[] = [];
  #batch: Owner[] = [];
  #finished = 0;
  #inFlight = false;
  #closed = false;
  #scheduled = false;
  #tracked: Owner | null = null;
  readonly #share: ProcessorShare;
  #readNs: number;
  /** What was claimed and not yet met: the kernel may have counted it late. */
  #owedNs = 0;
  #turnNs = 0;
  #turnOwners: Owner[] = [];
  #heapReads = 0;
  #heapReadMs = Number.NEGATIVE_INFINITY;
  #heapBytes = -1;

  constructor(
    isolate: ivm.Isolate,
    entry: EntryReference,
    clock: Clock,
    share: ProcessorShare,
    events: BatchEvents,
  ) {
    this.#isolate = isolate;
    this.#entry = entry;
    this.#clock = clock;
    this.#events = events;
    this.#share = share;
    this.#readNs = Number(isolate.cpuTime);
  }

  get inFlight(): boolean {
    return this.#inFlight;
  }

  /** The owner whose entry runs now, as far as is known. */
  get running(): Owner | null {
    return this.#inFlight ? (this.#batch[this.#finished] ?? this.#batch.at(-1) ?? null) : this.#tracked;
  }

  holds(owner: Owner): boolean {
    return this.#inFlight && this.#batch.includes(owner);
  }

  /** Whether an entry of this owner waits for the next batch. */
  awaits(owner: Owner): boolean {
    return this.#queue.some((entry) => entry.owner === owner);
  }

  /** What is used outside of batches counts for this owner: compiling, linking and evaluating modules. */
  track(owner: Owner): void {
    this.#tracked = owner;
  }

  /** The load has ended: what it used up to now is its own, and nothing is from here on. */
  untrack(): void {
    this.sample();
    this.#tracked = null;
  }

  /** Queues an entry. Without arguments nothing is called, and the buffer is collected all the same. */
  post(owner: Owner | null, args: EntryArguments): void {
    if (this.#closed) return;
    this.#queue.push({ owner, args });
    if (this.#inFlight || this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#start());
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
  }

  /** What has been spent in the isolate and was not yet given to anybody. */
  get claimNs(): number {
    return this.#isolate.isDisposed ? 0 : Number(this.#isolate.cpuTime) - this.#readNs + this.#owedNs;
  }

  /** Reads the clock now, and returns the running owner with its share up to date; null when nothing runs. */
  sample(): Owner | null {
    this.flush();
    const running = this.running;
    // Without an owner the time stays on the clock, for whoever comes next: none of it is given up.
    if (running !== null) running.cpuNs += this.#read();
    return running;
  }

  /** Divides what was read in this turn of the event loop among the owners whose entries ended in it. */
  flush(): void {
    const count = this.#turnOwners.length;
    if (count === 0) return;
    const share = Math.floor(this.#turnNs / count);
    let rest = this.#turnNs - share * count;
    for (const owner of this.#turnOwners) {
      owner.cpuNs += share + (rest > 0 ? 1 : 0);
      rest -= 1;
    }
    this.#turnNs = 0;
    this.#turnOwners = [];
  }

  #start(): void {
    this.#scheduled = false;
    if (this.#closed || this.#inFlight || this.#queue.length === 0) return;
    const entries = this.#queue.splice(0, BATCH_ENTRIES);
    this.#inFlight = true;
    this.#finished = 0;
    this.#batch = [];
    this.#chargeOutside(entries[0]?.owner ?? null);
    for (const { owner, args } of entries) {
      if (owner !== null) this.#batch.push(owner);
      if (args.length > 0) this.#enter(owner, args);
    }
    this.#readHeap();
    this.#entry.apply(undefined, [OP.COLLECT], COPY).then(
      (text) => this.#collect(String(text)),
      (thrown: unknown) => this.#fail(thrown),
    );
  }

  #enter(owner: Owner | null, args: EntryArguments): void {
    this.#entry.apply(undefined, args).then(
      () => this.#entryEnded(owner),
      (thrown: unknown) => {
        this.#entryEnded(owner);
        if (this.#isolate.isDisposed) this.#events.broken(thrown, owner);
        else if (owner !== null) this.#events.rejected(owner, thrown);
      },
    );
  }

  #entryEnded(owner: Owner | null): void {
    if (owner === null) return;
    this.#finished += 1;
    if (this.#turnOwners.length === 0) setImmediate(() => this.flush());
    this.#turnNs += this.#read();
    this.#turnOwners.push(owner);
  }

  #collect(text: string): void {
    // What COLLECT itself cost belongs to the batch it collected for.
    this.#turnNs += this.#turnOwners.length > 0 ? this.#read() : 0;
    this.flush();
    for (const owner of this.#batch) owner.memoryBytes = Math.max(owner.memoryBytes, this.#heapBytes);
    this.entered = this.#batch;
    this.#inFlight = false;
    try {
      this.#events.collected(text);
    } catch (thrown) {
      this.#events.broken(thrown, null);
    }
    this.#next();
  }

  #fail(thrown: unknown): void {
    this.flush();
    this.#events.broken(thrown, this.running);
    this.#inFlight = false;
    this.#next();
  }

  #next(): void {
    if (this.#queue.length > 0 && !this.#closed) this.#start();
    else this.#events.idle();
  }

  /** What the isolate used since the last reading, outside any batch. */
  #chargeOutside(first: Owner | null): void {
    const owner = this.#tracked ?? first;
    if (owner !== null) owner.cpuNs += this.#read();
  }

  #readHeap(): void {
    const now = this.#clock.nowMs();
    this.#heapReads += 1;
    if (this.#heapReads > YOUNG_BATCHES && now - this.#heapReadMs < HEAP_INTERVAL_MS) return;
    this.#heapReadMs = now;
    this.#isolate.getHeapStatistics().then(
      (heap) => {
        this.#heapBytes = heap.used_heap_size + heap.externally_allocated_size;
      },
      () => undefined,
    );
  }

  #read(): number {
    const claimNs = this.claimNs;
    const small = claimNs <= SMALL_NS;
    const givenNs = small ? claimNs : this.#share.take(claimNs);
    if (small) this.#share.spent(claimNs);
    this.#readNs += claimNs - this.#owedNs;
    // Once nothing runs, all that was used has been counted.
    this.#owedNs = this.running === null ? 0 : Math.min(LATE_NS, claimNs - givenNs);
    return givenNs;
  }
}
