/**
 * Who calls this API: by a signature of Version 4, or by whatever else the server takes.
 *
 * Owns the order: who it is comes before the body is read, as far as the request tells it, and what was signed is held
 * against the body that came. A server without keys looks at no signature, because nobody could have made one.
 * Invariant: an operation begins only with a caller who has its scope.
 */
import type { Accounts, RequestHead, SigningKey } from '../../accounts/api.ts';
import type { Identity, Scope } from '../../core/identity.ts';
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

/** A caller, sure once the body has come. */
export interface Arrival {
  /** Null until the body has come, where the signature is over a body of which the request does not tell the hash. */
  readonly known: Identity | null;
  /** @throws LambdaError unless the body is what was signed. */
  confirm(body: Uint8Array): Identity;
}

/** @throws LambdaError, StrataError for credentials that do not hold. */
export const arrive = async (
  accounts: Pick<Accounts, 'isOpen' | 'identify' | 'signingKey'>,
  head: RequestHead,
  nowMs: number,
): Promise<Arrival> => {
  if (accounts.isOpen || !isSigned(head)) {
    const known = await accounts.identify(head);
    return { known, confirm: (body) => heldAgainst(known, known.bodySha256, body) };
  }
  const signature = readSignature(head, nowMs);
  const key = accounts.signingKey(signature.accessKeyId);
  if (key === null) throw unknownKey();
  const { bodySha256 } = signature;
  if (bodySha256 === null)
    return { known: null, confirm: (body) => verified(key, signature, head, sha256Of(body)) };
  const known = verified(key, signature, head, bodySha256);
  return { known, confirm: (body) => heldAgainst(known, bodySha256, body) };
};

const heldAgainst = (known: Identity, bodySha256: string | null, body: Uint8Array): Identity => {
  if (bodySha256 === null || sha256Of(body) === bodySha256) return known;
  throw wrongSignature('The body is not the one that was signed.');
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
