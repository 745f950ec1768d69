/**
 * Keeps instances of published versions ready, as the configurations of provisioned concurrency say.
 *
 * Owns what has been asked of the executor for each function, so that what is not wanted any more is given up.
 */
import type { Executor } from '../../invocation/api.ts';
import type { Provisioning } from './call.ts';

export const createProvisioning = (executor: Pick<Executor, 'versions' | 'pools'>): Provisioning => {
  /** By the function's id. */
  const applied = new Map<string, ReadonlyMap<string, number>>();
  return {
    async apply({ id, name, tenant }, wanted) {
      const former = applied.get(id) ?? new Map<string, number>();
      for (const [version, instances] of wanted)
        if (former.get(version) !== instances)
          await executor.versions.provision(name, version, instances, { tenant });
      for (const version of former.keys())
        if (!wanted.has(version))
          await executor.versions.provision(name, version, 0, { tenant }).catch(ignoreGone);
      if (wanted.size === 0) applied.delete(id);
      else applied.set(id, new Map(wanted));
    },
    available({ name, version, tenant, runtime }, wanted) {
      const label = `${name}@${version}`;
      const unmet = executor
        .pools()
        .tiers[runtime]?.unmet?.find((view) => view.function === label && view.tenant === tenant);
      return unmet === undefined ? wanted : Math.min(wanted, unmet.ready);
    },
  };
};

/** What was kept of a version that was deleted went with it. */
const ignoreGone = (): void => {};
