/**
 * Who calls this API: by a signature of Version 4, or by whatever else the server takes.
 *
 * Owns the order: who it is comes before the body is read, as far as the request tells it, and what was signed is held
 * against the body that came. A server without keys looks at no signature, because nobody could have made one.
 * Invariant: an operation begins only with a caller who has its scope.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { accessDenied, type LambdaError } from './errors.ts';
import {
  missingSignature,
  readSignature,
  SCHEME,
  type Signature,
  sha256Of,
  unknownKey,
  verifySignature,
  wrongSignature,
} from './sigv4.ts';

export interface RequestHead {
  readonly method: string;
  /** Path and query as they were sent. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export type Scope = 'deploy' | 'invoke' | 'read';

export interface Identity {
  readonly tenant: string;
  readonly scopes: ReadonlySet<string>;
  readonly principal: string;
  readonly credential: 'none' | 'open' | 'key' | 'jwt' | 'signature';
}

interface SigningKey {
  readonly secret: string;
  readonly identity: (head: RequestHead) => Identity;
}

/** The accounts of the server, as far as this API asks them. */
export interface Accounts {
  readonly isOpen: boolean;
  identify(head: RequestHead): Identity | Promise<Identity>;
  /** Null for a key that there is not, that may not sign, or that holds no more. */
  signingKey(id: string): SigningKey | null;
  /** Keeps what was changed, and by whom. */
  addAudit(entry: AuditEntry): void;
}

export interface AuditEntry {
  readonly principal: string;
  readonly tenant: string;
  /** The method and the path of the route. */
  readonly action: string;
  /** The path as it was called, without the query. */
  readonly target: string;
  /** The address of the other end of the connection. */
  readonly from: string;
  readonly outcome: 'succeeded' | 'refused' | 'failed';
  readonly status: number;
  readonly digest: string | null;
}

/** A caller, sure once the body has come. */
export interface Arrival {
  /** Null until the body has come, where the signature is over a body of which the request does not tell the hash. */
  readonly known: Identity | null;
  /** @throws LambdaError unless the body is what was signed. */
  confirm(body: Uint8Array): Identity;
}

/** @throws LambdaError, StrataError for credentials that do not hold. */
export const arrive = async (accounts: Accounts, head: RequestHead, nowMs: number): Promise<Arrival> => {
  if (accounts.isOpen || !isSigned(head)) {
    const known = await accounts.identify(head);
    return { known, confirm: () => known };
  }
  const signature = readSignature(head, nowMs);
  const key = accounts.signingKey(signature.accessKeyId);
  if (key === null) throw unknownKey();
  const { bodySha256 } = signature;
  if (bodySha256 === null)
    return { known: null, confirm: (body) => verified(key, signature, head, sha256Of(body)) };
  const known = verified(key, signature, head, bodySha256);
  return {
    known,
    confirm: (body) => {
      if (sha256Of(body) !== bodySha256) throw wrongSignature('The body is not the one that was signed.');
      return known;
    },
  };
};

/** @throws LambdaError for a caller who may not. */
export const refuseUnlessAllowed = (identity: Identity, scope: Scope, operation: string): void => {
  if (identity.credential === 'none') throw missingSignature();
  if (identity.scopes.has(scope) || identity.scopes.has('admin')) return;
  throw notAllowed(identity.principal, operation);
};

const notAllowed = (principal: string, operation: string): LambdaError =>
  accessDenied(`${principal} is not authorized to perform: lambda:${operation}`);

const isSigned = ({ headers }: RequestHead): boolean => headers.authorization?.startsWith(SCHEME) === true;

const verified = (key: SigningKey, signature: Signature, head: RequestHead, bodySha256: string): Identity => {
  verifySignature(signature, head, bodySha256, key.secret);
  return key.identity(head);
};
