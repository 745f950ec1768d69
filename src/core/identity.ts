/**
 * Who a request comes from: the tenant, what it may do, and by what it was shown.
 *
 * Owns the shapes and the rule of a function's `auth`. Never looks at headers, keys or tokens; `src/accounts` does.
 */
import { StrataError } from './errors.ts';
import type { FunctionAuth, FunctionRecord } from './spec.ts';

/** `admin` includes the others and is the operator's: it holds for every tenant. */
export const SCOPES = ['admin', 'deploy', 'invoke', 'read'] as const;
export type Scope = (typeof SCOPES)[number];

/**
 * By what a caller is known. `none` is a stranger to a server that asks for keys; `open` is anybody at a server that
 * asks for none.
 */
export type Credential = 'none' | 'open' | 'key' | 'jwt' | 'signature';

export interface Identity {
  /** The tenant that the request acts for. */
  readonly tenant: string;
  readonly scopes: ReadonlySet<Scope>;
  /** For people and the audit log, as `key:…`, `jwt:…`, `operator`, `anonymous`. */
  readonly principal: string;
  readonly credential: Credential;
  /** What a signed request says of its body: SHA-256, lower-case hex. Null for what is not signed. */
  readonly bodySha256: string | null;
}

/** One answer for all that is wrong with credentials, so that it does not tell what there is. */
export const unauthorized = (): StrataError =>
  new StrataError(
    'unauthorized',
    'The request carries no credentials that this server takes; send Authorization with a key, a token or a signature ' +
      'that is valid now.',
  );

/**
 * The function that a caller may invoke.
 * @param credential undefined where nobody asks, as in the library.
 * @param authOf what the function asks for now, whichever of its versions that is.
 * @throws StrataError what `resolve` throws; `unauthorized` for strangers, whether or not there is such a function;
 *   `forbidden` for a caller who is known by something else than the function asks for.
 */
export const resolveFor = (
  credential: Credential | undefined,
  resolve: () => FunctionRecord,
  authOf: (record: FunctionRecord) => FunctionAuth,
): FunctionRecord => {
  if (credential === undefined || credential === 'open') return resolve();
  if (credential === 'none') return resolveForStranger(resolve, authOf);
  const record = resolve();
  const auth = authOf(record);
  if (auth === 'none' || auth === 'key' || auth === credential) return record;
  throw new StrataError(
    'forbidden',
    `This function takes only calls with ${auth === 'jwt' ? 'a JWT' : 'a signature'}; the call came with a ${credential}.`,
  );
};

const resolveForStranger = (
  resolve: () => FunctionRecord,
  authOf: (record: FunctionRecord) => FunctionAuth,
): FunctionRecord => {
  let record: FunctionRecord;
  try {
    record = resolve();
  } catch {
    throw unauthorized();
  }
  if (authOf(record) !== 'none') throw unauthorized();
  return record;
};
