/**
 * Requests that are signed with a secret of a key: HMAC-SHA256 over all that says what is asked.
 *
 * Owns the form and the checks. What is signed is seven lines: the scheme, the method, path and query as they are sent,
 * the date, the nonce, the tenant that is named (or nothing), the SHA-256 of the body. Invariants: a signature is taken
 * once, within the window around its date, and not again after a restart; nothing of a request is believed before its
 * signature was found right; a body is what was signed, which whoever reads it checks (`Identity.bodySha256`).
 */
import { createHmac } from 'node:crypto';
import { StrataError } from '../core/errors.ts';
import { unauthorized } from '../core/identity.ts';
import type { Clock } from '../ports/clock.ts';
import type { RequestHead } from './api.ts';
import { isSame, signingSecretOf } from './key-text.ts';
import type { HeldKey, Keyring } from './keyring.ts';
import { NonceWindow } from './nonces.ts';
import type { SteadyTime } from './steady-time.ts';

export interface SignaturesOptions {
  readonly clock: Clock;
  readonly time: SteadyTime;
  readonly keyring: Keyring;
  /** What the secrets are derived from. */
  readonly master: () => Uint8Array;
  readonly windowMs: number;
  readonly maxNonces: number;
}

export interface Signed {
  readonly held: HeldKey;
  readonly bodySha256: string;
}

export const SCHEME = 'STRATA-HMAC-SHA256';

export class Signatures {
  readonly #options: SignaturesOptions;
  readonly #nonces: NonceWindow;

  constructor(options: SignaturesOptions) {
    this.#options = options;
    this.#nonces = new NonceWindow({ windowMs: options.windowMs, max: options.maxNonces });
  }

  /** @throws StrataError `unauthorized`, `overloaded` when no more signatures can be remembered. */
  verify(authorization: string, { method, url, headers }: RequestHead): Signed {
    const match = AUTHORIZATION.exec(authorization);
    const date = headers['strata-date'];
    const bodySha256 = headers['strata-content-sha256'];
    if (match === null || !matches(DATE, date) || !matches(SHA256, bodySha256)) throw malformed();
    const [, id = '', nonce = '', signature = ''] = match;
    const { keyring } = this.#options;
    const held = keyring.signer(id);
    // For keys that there are not, a secret that nobody has: both take as long.
    const tenant = headers['strata-tenant'] ?? '';
    const text = [SCHEME, method, url, date, nonce, String(tenant), bodySha256].join('\n');
    const expected = createHmac('sha256', this.secretOf(id)).update(text).digest();
    const isRight = isSame(expected, Buffer.from(signature, 'hex'));
    if (held === null || !isRight) throw unauthorized();
    this.#take(held, signature, Date.parse(date));
    return { held, bodySha256 };
  }

  secretOf(id: string): string {
    return signingSecretOf(this.#options.master(), id);
  }

  /** From here on the caller is known to have the secret, and may be told what is wrong. */
  #take(held: HeldKey, signature: string, dateMs: number): void {
    const { time, clock, windowMs, keyring } = this.#options;
    const steadyMs = time.nowMs();
    if (!(Math.abs(steadyMs - dateMs) <= windowMs))
      throw refused(
        `Strata-Date is more than ${windowMs} ms from the time of the server, ${new Date(steadyMs).toISOString()}; sign ` +
          'again with the present time.',
      );
    if (dateMs <= held.signedFloorMs)
      throw refused(
        'The request was signed before the server started, so that it may have been taken already; sign again with the ' +
          'present time.',
      );
    const taken = this.#nonces.add({ tenant: held.row.tenant, signature, dateMs }, steadyMs, clock.nowMs());
    if (taken === 'seen')
      throw refused('The request was taken already; sign each one with a nonce of its own.');
    if (taken === 'full')
      throw new StrataError(
        'overloaded',
        'More signed requests came than can be remembered within auth.signatureWindowMs; retry later.',
        {
          limit: { kind: 'maxNonces', configured: this.#options.maxNonces, observed: this.#nonces.size },
          retryAfterMs: 10_000,
        },
      );
    keyring.signed(held, dateMs);
  }
}

const AUTHORIZATION =
  /^STRATA-HMAC-SHA256 Credential=([a-z2-7]{16}), ?Nonce=([A-Za-z0-9_-]{8,64}), ?Signature=([0-9a-f]{64})$/;
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z$/;
const SHA256 = /^[0-9a-f]{64}$/;

/** A header that came twice is an array, or two values joined: neither matches. */
const matches = (pattern: RegExp, value: unknown): value is string =>
  typeof value === 'string' && pattern.test(value);

const refused = (detail: string): StrataError => new StrataError('unauthorized', detail);

const malformed = (): StrataError =>
  refused(
    `A signed request has the headers Strata-Date, Strata-Content-Sha256, and Authorization: ${SCHEME} ` +
      'Credential=<key id>, Nonce=<8 to 64 letters, digits, "-", "_">, Signature=<64 hex digits>.',
  );
