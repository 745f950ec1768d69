/**
 * JSON Web Tokens of one issuer: whether a token holds, and for whom.
 *
 * Owns what is asked of a token and the memory of those that were verified; the cryptography is jose's. Invariants: the
 * algorithm is one of the configured ones, all with public keys, whatever the token says; a token without `exp` is not
 * taken; what is remembered is bounded, by the token's SHA-256, and no longer than its `exp` or than the issuer's keys
 * are; no more tokens are verified at once than `VERIFYING_MAX`.
 */
import { hash } from 'node:crypto';
import {
  createLocalJWKSet,
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
} from 'jose';
import { StrataError } from '../core/errors.ts';
import { SCOPES, type Scope, unauthorized } from '../core/identity.ts';
import { isTenantName } from './inputs.ts';
import type { KeySet } from './jwks.ts';
import type { SteadyTime } from './steady-time.ts';

export interface JwtSettings {
  readonly jwtIssuer: string;
  readonly jwtAudience: string;
  readonly jwtAlgorithms: string;
  readonly jwtTenantClaim: string;
  readonly jwtTenant: string;
  readonly jwtScopeClaim: string;
  readonly jwtScopePrefix: string;
  readonly jwtScopes: string;
  readonly jwtAdmin: 'on' | 'off';
  readonly jwtClockToleranceMs: number;
  readonly jwksCacheMs: number;
}

export interface TokenHolder {
  readonly tenant: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly principal: string;
}

export interface JwtVerifierOptions {
  readonly settings: JwtSettings;
  readonly keySet: KeySet;
  readonly time: SteadyTime;
  /** Told why a token was not taken, which the caller is not. */
  readonly onRefusal: (reason: string) => void;
}

interface Verified {
  readonly holder: TokenHolder;
  readonly untilMs: number;
}

export class JwtVerifier {
  readonly #options: JwtVerifierOptions;
  readonly #algorithms: string[];
  readonly #defaultScopes: readonly Scope[];
  readonly #verified = new Map<string, Verified>();
  readonly #verifying = new Map<string, Promise<TokenHolder>>();
  /** When the keys were read by which the remembered tokens were verified. */
  #keysReadAtMs = Number.NEGATIVE_INFINITY;

  /** @throws StrataError `invalid_request` for settings that contradict or do not suffice. */
  constructor(options: JwtVerifierOptions) {
    this.#options = options;
    const { jwtAlgorithms, jwtScopes } = options.settings;
    this.#algorithms = listOf(jwtAlgorithms).map((name) => knownOf('auth.jwtAlgorithms', ALGORITHMS, name));
    this.#defaultScopes = listOf(jwtScopes).map((name) => knownOf('auth.jwtScopes', SCOPES, name));
  }

  get remembered(): number {
    return this.#verified.size;
  }

  /** @throws StrataError `unauthorized`, `auth_unavailable`, `overloaded`. */
  verify(token: string): TokenHolder | Promise<TokenHolder> {
    const digest = hash('sha256', token, 'base64');
    const nowMs = this.#options.time.nowMs();
    const known = this.#verified.get(digest);
    if (known !== undefined && known.untilMs > nowMs) return known.holder;
    if (known !== undefined) this.#verified.delete(digest);
    const under = this.#verifying.get(digest);
    if (under !== undefined) return under;
    if (this.#verifying.size >= VERIFYING_MAX)
      throw new StrataError('overloaded', 'Too many tokens are being verified; retry later.', {
        retryAfterMs: 1_000,
      });
    const verifying = this.#verify(token, digest).finally(() => this.#verifying.delete(digest));
    this.#verifying.set(digest, verifying);
    return verifying;
  }

  async #verify(token: string, digest: string): Promise<TokenHolder> {
    const { keySet, time, settings, onRefusal } = this.#options;
    try {
      // Before keys are looked for: what no key could verify costs nothing more.
      const { alg } = decodeProtectedHeader(token);
      if (alg === undefined || !this.#algorithms.includes(alg))
        throw new Refused(`its algorithm is ${String(alg)}`);
      const payload = await this.#payloadOf(token);
      const holder = this.#holderOf(payload);
      if (keySet.readAtMs !== this.#keysReadAtMs) this.#verified.clear();
      this.#keysReadAtMs = keySet.readAtMs;
      const expiresMs = (payload.exp ?? 0) * MS_PER_SECOND + settings.jwtClockToleranceMs;
      this.#remember(digest, {
        holder,
        untilMs: Math.min(expiresMs, time.nowMs() + settings.jwksCacheMs),
      });
      return holder;
    } catch (error) {
      if (error instanceof StrataError) throw error;
      onRefusal(error instanceof Error ? error.message : String(error));
      throw unauthorized();
    }
  }

  async #payloadOf(token: string): Promise<JWTPayload> {
    const { keySet } = this.#options;
    try {
      return await this.#payloadBy(token, await keySet.keys());
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      return await this.#payloadBy(token, await keySet.newerKeys());
    }
  }

  async #payloadBy(token: string, keys: JSONWebKeySet): Promise<JWTPayload> {
    const { settings, time } = this.#options;
    const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
      algorithms: this.#algorithms,
      issuer: settings.jwtIssuer,
      audience: settings.jwtAudience,
      clockTolerance: settings.jwtClockToleranceMs / MS_PER_SECOND,
      currentDate: new Date(time.nowMs()),
      requiredClaims: ['exp'],
    });
    return payload;
  }

  #holderOf(payload: JWTPayload): TokenHolder {
    const { jwtTenant, jwtTenantClaim } = this.#options.settings;
    const tenant = jwtTenant === '' ? claimOf(payload, jwtTenantClaim) : jwtTenant;
    if (!isTenantName(tenant)) throw new Refused(`its claim ${jwtTenantClaim} names no tenant`);
    const subject = (payload.sub ?? '').replace(/[^\x21-\x7e]/g, '?').slice(0, SUBJECT_MAX);
    return { tenant, scopes: this.#scopesOf(payload), principal: `jwt:${subject}` };
  }

  #scopesOf(payload: JWTPayload): ReadonlySet<Scope> {
    const { jwtScopeClaim, jwtScopePrefix, jwtAdmin } = this.#options.settings;
    const claim = claimOf(payload, jwtScopeClaim);
    const given = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : null;
    const scopes =
      given === null
        ? this.#defaultScopes
        : SCOPES.filter((scope) => given.includes(`${jwtScopePrefix}${scope}`));
    return new Set(scopes.filter((scope) => scope !== 'admin' || jwtAdmin === 'on'));
  }

  #remember(digest: string, verified: Verified): void {
    if (this.#verified.size >= REMEMBERED_MAX) {
      const [first] = this.#verified.keys();
      if (first !== undefined) this.#verified.delete(first);
    }
    this.#verified.set(digest, verified);
  }
}

class Refused extends Error {}

/** With public keys, every one: a secret shared with the issuer could be taken from here to make tokens. */
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const;
const REMEMBERED_MAX = 10_000;
const VERIFYING_MAX = 64;
const MS_PER_SECOND = 1_000;
const SUBJECT_MAX = 128;

const claimOf = (payload: JWTPayload, name: string): unknown =>
  Object.hasOwn(payload, name) ? payload[name] : undefined;

const listOf = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

const knownOf = <Name extends string>(key: string, names: readonly Name[], name: string): Name => {
  const known = names.find((each) => each === name);
  if (known !== undefined) return known;
  throw new StrataError(
    'invalid_request',
    `${key}: ${JSON.stringify(name)} is not taken; use ${names.join(', ')}.`,
  );
};
