/**
 * Whether a caller may invoke a function, as far as it can be known before it runs.
 */
import { type Credential, resolveFor } from '../core/identity.ts';
import type { Executor } from '../invocation/api.ts';

export interface Requester {
  readonly tenant: string;
  readonly function: string;
  readonly qualifier: string | undefined;
  readonly credential: Credential | undefined;
}

/**
 * Whoever may not invoke the function now may not do so later either; the attempts of an event ask nobody.
 * @throws StrataError as `resolveFor` does.
 */
export const refuseStrangers = (
  executor: Pick<Executor, 'get'>,
  { tenant, function: name, qualifier, credential }: Requester,
): void => {
  resolveFor(
    credential,
    () => executor.get(name, { tenant, ...(qualifier && { qualifier }) }),
    () => executor.get(name, { tenant }).auth,
  );
};
