/**
 * Whether a caller may have a function invoked later, when nobody is asked any more.
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
 * Whoever may not invoke the function now may not do so later either; its attempts ask nobody. Which version of an alias
 * runs is known then, so that each has to take the caller.
 * @throws StrataError as `resolveFor` does.
 */
export const refuseStrangers = (
  executor: Pick<Executor, 'get' | 'versions'>,
  { tenant, function: name, qualifier, credential }: Requester,
): void => {
  const { version } = resolveFor(credential, () =>
    executor.get(name, { tenant, ...(qualifier && { qualifier }) }),
  );
  if (credential === undefined || qualifier === undefined || qualifier === version) return;
  for (const other of Object.keys(executor.versions.alias(name, qualifier, { tenant }).weights))
    resolveFor(credential, () => executor.get(name, { tenant, qualifier: other }));
};
