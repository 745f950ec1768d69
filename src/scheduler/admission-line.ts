/**
 * The line before the server: its head waits for the next free place, the others for their turn.
 *
 * Owns who waits, and gives the order of `Turns` to p-queue, which brings one after the other to the head. Takes no
 * place and settles nobody: the admission does. p-queue's own time-outs stand on the system's timers and are not used;
 * its signals are called at once. Invariants: a waiter is in the line from `join` until `leave` answers true, once; the
 * next head comes after the one before has left, and a place that is free until then is kept for it.
 */
import PQueue, { type Queue, type QueueAddOptions, type RunFunction } from 'p-queue';
import { type Turn, Turns } from './turns.ts';

export interface LineEntry extends Turn {
  readonly leaves: AbortController;
  /** What p-queue knows it by; the line alone writes it. */
  queued: { readonly id: string; readonly run: RunFunction } | null;
}

interface LineOptions<Entry extends LineEntry> extends QueueAddOptions {
  readonly entry?: Entry;
}

/** Given as the reason so that none is made, with a stack, for each that leaves. */
const LEFT = 'left the line';

export class AdmissionLine<Entry extends LineEntry> {
  readonly #order = new Turns<Entry>();
  readonly #queue: PQueue<LineQueue<Entry>, LineOptions<Entry>>;
  readonly #entries = new Set<Entry>();
  readonly #headCame: () => void;
  #head: Entry | null = null;
  #next: () => void = () => {};

  /** `headCame` is called when there is a new head: at once in `join`, or some microtasks after the last one left. */
  constructor(headCame: () => void) {
    this.#headCame = headCame;
    this.#queue = new PQueue({ concurrency: 1, queueClass: queueInOrder(this.#order) });
  }

  get size(): number {
    return this.#entries.size;
  }

  get entries(): Iterable<Entry> {
    return this.#entries;
  }

  /** Null while nobody waits, and until the next one has come forward. */
  get head(): Entry | null {
    return this.#head;
  }

  /** Who would give way, if the line had room for one of the two only; never the head. */
  weakest(tenant: string, priority: Entry['priority']): Entry | null {
    return this.#order.weakest(tenant, priority);
  }

  join(entry: Entry): void {
    this.#entries.add(entry);
    this.#queue
      .add(() => this.#comeForward(entry), { entry, signal: entry.leaves.signal })
      // It is rejected for those who leave before their turn comes; they are told otherwise.
      .catch(() => {});
  }

  /** Answers whether it was in the line. */
  leave(entry: Entry): boolean {
    if (!this.#entries.delete(entry)) return false;
    if (this.#head === entry) {
      this.#head = null;
      this.#next();
    } else {
      entry.leaves.abort(LEFT);
    }
    return true;
  }

  #comeForward(entry: Entry): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#head = entry;
    this.#next = resolve;
    this.#headCame();
    return promise;
  }
}

type LineQueue<Entry extends LineEntry> = Queue<RunFunction, LineOptions<Entry>>;

/** The order as p-queue wants it: a class whose instances hold what is to be run. */
const queueInOrder = <Entry extends LineEntry>(order: Turns<Entry>): (new () => LineQueue<Entry>) =>
  class {
    readonly #byId = new Map<string, Entry>();

    get size(): number {
      return order.size;
    }

    enqueue(run: RunFunction, { id, entry }: Partial<LineOptions<Entry>> = {}): void {
      if (id === undefined || entry === undefined) throw new TypeError('only `join` adds to the line');
      entry.queued = { id, run };
      this.#byId.set(id, entry);
      order.add(entry);
    }

    dequeue(): RunFunction | undefined {
      const queued = order.take()?.queued ?? null;
      if (queued === null) return undefined;
      this.#byId.delete(queued.id);
      return queued.run;
    }

    remove(id: string): void {
      const entry = this.#byId.get(id);
      if (entry === undefined) return;
      this.#byId.delete(id);
      order.remove(entry);
    }

    filter(): never {
      throw new TypeError('the line is not filtered');
    }

    setPriority(): never {
      throw new TypeError('an entry of the line keeps its priority');
    }
  };
