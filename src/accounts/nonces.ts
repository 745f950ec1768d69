/**
 * Which signed requests were taken already, for as long as their dates are near enough to be taken again.
 *
 * Owns the memory of signatures. Requests of the same second are together, so that the whole second is forgotten at once.
 * Never forgets one that could still be taken: when it is full it says so. Invariants: no more than `max` in all and
 * `max / 4` of one tenant; an entry stays until its date is out of the window by the steady time, and by the monotonic
 * clock since it came.
 */
export interface NonceWindowOptions {
  readonly windowMs: number;
  readonly max: number;
}

export interface SignedRequest {
  readonly tenant: string;
  readonly signature: string;
  readonly dateMs: number;
}

interface Second {
  readonly signatures: Map<string, string>;
  /** Monotonic. */
  untilMs: number;
}

export class NonceWindow {
  readonly #windowMs: number;
  readonly #max: number;
  readonly #seconds = new Map<number, Second>();
  readonly #byTenant = new Map<string, number>();
  #size = 0;
  #sweepAtMs = 0;

  constructor({ windowMs, max }: NonceWindowOptions) {
    this.#windowMs = windowMs;
    this.#max = max;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Notes a request whose date is within the window.
   * @param steadyMs the time of day; @param nowMs the monotonic time.
   */
  add(request: SignedRequest, steadyMs: number, nowMs: number): 'new' | 'seen' | 'full' {
    this.#sweep(nowMs);
    const { tenant, signature, dateMs } = request;
    const at = Math.floor(dateMs / SECOND_MS);
    let second = this.#seconds.get(at);
    if (second?.signatures.has(signature)) return 'seen';
    const ofTenant = this.#byTenant.get(tenant) ?? 0;
    if (this.#size >= this.#max || ofTenant >= Math.ceil(this.#max / TENANT_SHARE)) return 'full';
    if (second === undefined) {
      second = { signatures: new Map(), untilMs: 0 };
      this.#seconds.set(at, second);
    }
    second.signatures.set(signature, tenant);
    second.untilMs = Math.max(second.untilMs, nowMs + (dateMs + this.#windowMs - steadyMs) + SECOND_MS);
    this.#size += 1;
    this.#byTenant.set(tenant, ofTenant + 1);
    return 'new';
  }

  #sweep(nowMs: number): void {
    if (nowMs < this.#sweepAtMs) return;
    this.#sweepAtMs = nowMs + SECOND_MS;
    for (const [at, { signatures, untilMs }] of this.#seconds) {
      if (untilMs > nowMs) continue;
      this.#seconds.delete(at);
      this.#size -= signatures.size;
      for (const tenant of signatures.values()) {
        const left = (this.#byTenant.get(tenant) ?? 0) - 1;
        if (left > 0) this.#byTenant.set(tenant, left);
        else this.#byTenant.delete(tenant);
      }
    }
  }
}

const SECOND_MS = 1_000;
const TENANT_SHARE = 4;
