/**
 * The public keys of the issuer of tokens, from a file or a URL.
 *
 * Owns reading them: how often, how long, how much, and which of them are taken. Never reads where a token says (`jku`,
 * `x5u`, `jwk` are passed over), and never follows a redirect. Invariants: one read at a time, and not more often than
 * the cooldown whatever tokens name; secret keys are never taken, because a token could then be signed with what is
 * public; keys that cannot be read again hold for an hour at the most.
 */
import { readFile, stat } from 'node:fs/promises';
import type { JSONWebKeySet, JWK } from 'jose';
import { StrataError } from '../core/errors.ts';
import type { Clock } from '../ports/clock.ts';

export interface KeySetOptions {
  readonly clock: Clock;
  /** A file or a URL. */
  readonly source: string;
  readonly cacheMs: number;
  readonly timeoutMs: number;
  readonly fetch: typeof fetch;
  readonly onFault: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

/** @throws StrataError `invalid_request` for a URL that anybody on the way could answer for. */
const checkSource = (source: string): void => {
  if (!isUrl(source)) return;
  const url = URL.parse(source);
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.test(url.hostname));
  if (safe && url.username === '' && url.password === '') return;
  throw new StrataError(
    'invalid_request',
    `auth.jwtJwks must be a file or a URL with https, without a name and a password; http is taken on loopback only. ` +
      `Seen ${JSON.stringify(source.slice(0, 100))}.`,
  );
};

export class KeySet {
  readonly #options: KeySetOptions;
  #keys: JSONWebKeySet | null = null;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;

  constructor(options: KeySetOptions) {
    checkSource(options.source);
    this.#options = options;
  }

  /** Changes whenever the keys were read. */
  get readAtMs(): number {
    return this.#readAtMs;
  }

  /** The keys, read again when they are old. @throws StrataError `auth_unavailable`. */
  async keys(): Promise<JSONWebKeySet> {
    const { clock, cacheMs } = this.#options;
    if (clock.nowMs() - this.#readAtMs >= cacheMs) await this.#refresh();
    return this.#present();
  }

  /** For a token whose key is not among them: reads them again, if that was not done just now. */
  async newerKeys(): Promise<JSONWebKeySet> {
    await this.#refresh();
    return this.#present();
  }

  #present(): JSONWebKeySet {
    const ageMs = this.#options.clock.nowMs() - this.#readAtMs;
    if (this.#keys !== null && ageMs <= Math.max(STALE_MAX_MS, this.#options.cacheMs)) return this.#keys;
    throw new StrataError(
      'auth_unavailable',
      'The keys of the issuer cannot be read now, so the token cannot be checked. Retry later.',
      { retryAfterMs: COOLDOWN_MS },
    );
  }

  #refresh(): Promise<void> {
    const { clock } = this.#options;
    if (this.#reading === null && clock.nowMs() - this.#triedAtMs < COOLDOWN_MS) return Promise.resolve();
    this.#triedAtMs = clock.nowMs();
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const { source, clock, onFault } = this.#options;
    try {
      const text = isUrl(source) ? await this.#download(source) : await readSmallFile(source);
      this.#keys = publicKeysIn(text);
      this.#readAtMs = clock.nowMs();
    } catch (error) {
      onFault('the keys of the issuer of tokens cannot be read', { source, err: error });
    }
  }

  async #download(url: string): Promise<string> {
    const { clock, timeoutMs, fetch: get } = this.#options;
    const stop = new AbortController();
    const timer = clock.setTimer(timeoutMs, () => stop.abort(new Error(`no answer within ${timeoutMs} ms`)));
    try {
      const response = await get(url, {
        redirect: 'error',
        signal: stop.signal,
        headers: { accept: 'application/json' },
      });
      if (response.status !== 200) throw new Error(`the answer has status ${response.status}`);
      return await textOf(response);
    } finally {
      timer.cancel();
      stop.abort();
    }
  }
}

const LOOPBACK = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/;
const MAX_BYTES = 256 * 1024;
const KEYS_MAX = 100;
const COOLDOWN_MS = 10_000;
const STALE_MAX_MS = 3_600_000;
const RSA_MIN_CHARS = 342;

const isUrl = (source: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(source);

const tooLarge = (): Error => new Error(`it has more than ${MAX_BYTES} bytes`);

const readSmallFile = async (path: string): Promise<string> => {
  if ((await stat(path)).size > MAX_BYTES) throw tooLarge();
  return await readFile(path, 'utf8');
};

const textOf = async (response: Response): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** The keys that can verify and do nothing else; without one it is an error. */
const publicKeysIn = (text: string): JSONWebKeySet => {
  const set = JSON.parse(text) as { readonly keys?: unknown } | null;
  const given = Array.isArray(set?.keys) ? set.keys.slice(0, KEYS_MAX) : [];
  const keys = given.filter(isUsable);
  if (keys.length === 0) throw new Error('it holds no key that is taken: RSA of 2048 bits, P-256 or Ed25519');
  return { keys };
};

const isUsable = (key: unknown): key is JWK => {
  if (typeof key !== 'object' || key === null) return false;
  const { kty, crv, n, use, d, k } = key as JWK;
  if (d !== undefined || k !== undefined || (use !== undefined && use !== 'sig')) return false;
  if (kty === 'RSA') return typeof n === 'string' && n.length >= RSA_MIN_CHARS;
  return (kty === 'EC' && crv === 'P-256') || (kty === 'OKP' && crv === 'Ed25519');
};
