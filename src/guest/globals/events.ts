/**
 * Event, CustomEvent and EventTarget, without a tree: a target is the whole path of an event.
 */
import { services } from './services.ts';

type Callback = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };

interface Listener {
  readonly callback: Callback;
  readonly capture: boolean;
  readonly once: boolean;
  readonly passive: boolean;
  removed: boolean;
}

interface ListenerOptions {
  capture?: boolean;
  once?: boolean;
  passive?: boolean;
  signal?: EventTarget & { readonly aborted: boolean };
}

interface EventState {
  target: EventTarget | null;
  dispatching: boolean;
  stopped: boolean;
  passive: boolean;
  canceled: boolean;
}

/** An event's inner state for EventTarget; set by the class itself, so that only this module can read it. */
let stateOf: (event: Event) => EventState;

export class Event {
  static {
    stateOf = (event) => event.#state;
  }

  readonly #type: string;
  readonly #bubbles: boolean;
  readonly #cancelable: boolean;
  readonly #timeStamp = services.sinceOrigin();
  readonly #state: EventState = {
    target: null,
    dispatching: false,
    stopped: false,
    passive: false,
    canceled: false,
  };

  constructor(type: unknown, options: { bubbles?: boolean; cancelable?: boolean } = {}) {
    this.#type = String(type);
    this.#bubbles = Boolean(options?.bubbles);
    this.#cancelable = Boolean(options?.cancelable);
  }

  get type(): string {
    return this.#type;
  }

  get target(): EventTarget | null {
    return this.#state.target;
  }

  get currentTarget(): EventTarget | null {
    return this.#state.dispatching ? this.#state.target : null;
  }

  get bubbles(): boolean {
    return this.#bubbles;
  }

  get cancelable(): boolean {
    return this.#cancelable;
  }

  get defaultPrevented(): boolean {
    return this.#state.canceled;
  }

  get eventPhase(): number {
    return this.#state.dispatching ? 2 : 0;
  }

  get timeStamp(): number {
    return this.#timeStamp;
  }

  get isTrusted(): boolean {
    return false;
  }

  composedPath(): EventTarget[] {
    const { target, dispatching } = this.#state;
    return dispatching && target !== null ? [target] : [];
  }

  preventDefault(): void {
    if (this.#cancelable && !this.#state.passive) this.#state.canceled = true;
  }

  /** Does nothing: there is no tree for an event to travel. */
  stopPropagation(): void {}

  stopImmediatePropagation(): void {
    this.#state.stopped = true;
  }

  get [Symbol.toStringTag](): string {
    return 'Event';
  }
}

export class CustomEvent extends Event {
  readonly #detail: unknown;

  constructor(type: unknown, options: { bubbles?: boolean; cancelable?: boolean; detail?: unknown } = {}) {
    super(type, options);
    this.#detail = options?.detail ?? null;
  }

  get detail(): unknown {
    return this.#detail;
  }
}

export class EventTarget {
  readonly #listeners = new Map<string, Listener[]>();

  addEventListener(type: unknown, callback: Callback | null, options: ListenerOptions | boolean = {}): void {
    if (callback === null || callback === undefined) return;
    if (typeof callback !== 'function' && typeof callback !== 'object') {
      throw new TypeError('addEventListener needs a function or an object with handleEvent');
    }
    const chosen = typeof options === 'boolean' ? { capture: options } : (options ?? {});
    if (chosen.signal?.aborted) return;
    const name = String(type);
    const list = this.#listeners.get(name) ?? [];
    const capture = Boolean(chosen.capture);
    if (list.some((known) => known.callback === callback && known.capture === capture)) return;
    const { once, passive } = chosen;
    list.push({ callback, capture, once: Boolean(once), passive: Boolean(passive), removed: false });
    this.#listeners.set(name, list);
    chosen.signal?.addEventListener('abort', () => this.removeEventListener(name, callback, capture), {
      once: true,
    });
  }

  removeEventListener(
    type: unknown,
    callback: Callback | null,
    options: ListenerOptions | boolean = {},
  ): void {
    const name = String(type);
    const list = this.#listeners.get(name) ?? [];
    const capture = typeof options === 'boolean' ? options : Boolean(options?.capture);
    const at = list.findIndex((known) => known.callback === callback && known.capture === capture);
    const found = list[at];
    if (found === undefined) return;
    found.removed = true;
    list.splice(at, 1);
    if (list.length === 0) this.#listeners.delete(name);
  }

  /** What a listener throws fails the invocation, as an uncaught exception; the other listeners still run. */
  dispatchEvent(event: Event): boolean {
    const state = stateOf(event);
    if (state.dispatching) throw new TypeError('dispatchEvent: the event is being dispatched already');
    state.target = this;
    state.dispatching = true;
    for (const listener of [...(this.#listeners.get(event.type) ?? [])]) {
      if (listener.removed) continue;
      if (listener.once) this.removeEventListener(event.type, listener.callback, listener.capture);
      state.passive = listener.passive;
      try {
        const { callback } = listener;
        if (typeof callback === 'function') callback.call(this, event);
        else callback.handleEvent(event);
      } catch (thrown) {
        services.uncaught(thrown, 'An event listener failed with');
      }
      state.passive = false;
      if (state.stopped) break;
    }
    state.dispatching = false;
    state.stopped = false;
    return !state.canceled;
  }

  get [Symbol.toStringTag](): string {
    return 'EventTarget';
  }
}
