/**
 * Who sends a request: from its headers to an identity.
 *
 * Owns which kind of credentials a request carries and whose tenant it acts for. Never reads a body. Invariants: a
 * request that carries bad credentials is refused, never taken for one without; what is wrong with a key or a token is
 * not told; only `admin` acts for another tenant than its own; all lengths are bounded before anything is parsed.
 */
import { StrataError } from '../core/errors.ts';
import { type Credential, type Identity, SCOPES, type Scope, unauthorized } from '../core/identity.ts';
import type { RequestHead } from './api.ts';
import { isTenantName } from './inputs.ts';
import type { JwtVerifier, TokenHolder } from './jwt.ts';
import { digestOf, isSame } from './key-text.ts';
import type { HeldKey, Keyring } from './keyring.ts';
import { SCHEME, type Signatures } from './signature.ts';
import { DEFAULT_TENANT, type Tenants } from './tenants.ts';

export interface AuthenticatorOptions {
  readonly tenants: Tenants;
  readonly keyring: Keyring;
  readonly signatures: Signatures;
  readonly jwt: JwtVerifier | null;
  /** SHA-256 of the operator's own admin key. */
  readonly operatorDigest: Uint8Array | null;
  readonly isOpen: () => boolean;
}

const AUTHORIZATION_MAX = 8_192;
const KEY_MAX = 256;
const BEARER = /^bearer ([A-Za-z0-9._~+/=-]+)$/i;

export class Authenticator {
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** @throws StrataError `unauthorized`, `forbidden`, `not_found`, `invalid_request`. */
  identify(head: RequestHead): Identity | Promise<Identity> {
    const { authorization, 'strata-tenant': named } = head.headers;
    // Node joins a header that came twice, which no name of a tenant survives.
    const tenant = named === undefined ? undefined : String(named);
    if (this.#options.isOpen()) return openTo(tenant);
    if (authorization === undefined) return this.#stranger(tenant);
    if (authorization.length > AUTHORIZATION_MAX) throw unauthorized();
    if (authorization.startsWith(SCHEME)) return this.#signed(authorization, head, tenant);
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) throw unauthorized();
    if (token.startsWith('sk_')) return this.#withKey(token, tenant);
    const { jwt } = this.#options;
    if (jwt === null) throw unauthorized();
    const holder = jwt.verify(token);
    return holder instanceof Promise
      ? holder.then((known) => this.#withToken(known, tenant))
      : this.#withToken(holder, tenant);
  }

  /** Who has signed with a key, by whatever scheme. */
  signer(held: HeldKey, head: RequestHead, bodySha256: string | null): Identity {
    const { keyring } = this.#options;
    const named = head.headers['strata-tenant'];
    const identity = this.#actingFor(held.identity, named === undefined ? undefined : String(named));
    keyring.used(held);
    return { ...identity, credential: 'signature', bodySha256 };
  }

  #signed(authorization: string, head: RequestHead, tenant: string | undefined): Identity {
    const { signatures, keyring } = this.#options;
    const { held, bodySha256 } = signatures.verify(authorization, head);
    const identity = this.#actingFor(held.identity, tenant);
    keyring.used(held);
    return { ...identity, credential: 'signature', bodySha256 };
  }

  #withKey(text: string, tenant: string | undefined): Identity {
    if (text.length > KEY_MAX) throw unauthorized();
    const { keyring, operatorDigest } = this.#options;
    const held = keyring.find(text);
    if (held !== null) {
      const identity = this.#actingFor(held.identity, tenant);
      keyring.used(held);
      return identity;
    }
    if (operatorDigest !== null && isSame(digestOf(text), operatorDigest))
      return this.#actingFor(OPERATOR, tenant);
    throw unauthorized();
  }

  #withToken(holder: TokenHolder, tenant: string | undefined): Identity {
    return this.#actingFor({ ...holder, credential: 'jwt', bodySha256: null }, tenant);
  }

  /** The identity, for the tenant that the request names. */
  #actingFor(identity: Identity, named: string | undefined): Identity {
    const { tenants } = this.#options;
    if (!tenants.isActive(identity.tenant)) throw unauthorized();
    if (named === undefined || named === identity.tenant) return identity;
    checkNamed(named);
    if (!identity.scopes.has('admin'))
      throw new StrataError(
        'forbidden',
        'The header Strata-Tenant names another tenant than the credentials do; only the scope admin may choose. Drop it.',
      );
    tenants.get(named);
    return { ...identity, tenant: named };
  }

  /** Somebody without credentials may still invoke what asks for none. */
  #stranger(named: string | undefined): Identity {
    const tenant = named === undefined ? DEFAULT_TENANT : checkNamed(named);
    if (!this.#options.tenants.isActive(tenant)) throw unauthorized();
    return { tenant, scopes: TO_INVOKE, principal: 'anonymous', credential: 'none', bodySha256: null };
  }
}

/** @throws StrataError `invalid_request`. */
const checkNamed = (tenant: string): string => {
  const isName: boolean = isTenantName(tenant);
  if (isName) return tenant;
  const seen =
    tenant.length <= SHOWN_MAX ? JSON.stringify(tenant) : `${JSON.stringify(tenant.slice(0, SHOWN_MAX))}…`;
  throw new StrataError(
    'invalid_request',
    'The header Strata-Tenant starts with a letter or digit and has at most 64 letters, digits, "-" and "_"; ' +
      `this one is ${seen}.`,
  );
};

const SHOWN_MAX = 64;
const EVERYTHING: ReadonlySet<Scope> = new Set(SCOPES);
const TO_INVOKE: ReadonlySet<Scope> = new Set<Scope>(['invoke']);

const all = (principal: string, credential: Credential, tenant = DEFAULT_TENANT): Identity => ({
  ...{ tenant, scopes: EVERYTHING, principal, credential, bodySha256: null },
});

const OPERATOR = all('operator', 'key');
const OPEN = all('open', 'open');

const openTo = (named: string | undefined): Identity =>
  named === undefined || named === DEFAULT_TENANT ? OPEN : all('open', 'open', checkNamed(named));
