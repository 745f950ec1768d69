/**
 * The executor's versions and aliases, as the operations of this API use them.
 */
import type { FunctionRecord } from '../../core/spec.ts';
import type { Executor } from '../../invocation/api.ts';
import type { Versions } from './call.ts';

const PAGE = 1_000;

export const versionsOf = ({ versions }: Executor): Versions => ({
  async publish({ name, tenant, revision }, options) {
    return (await versions.publish(name, { tenant, ifMatch: [revision], ...options })).function;
  },
  all: ({ name, tenant }) =>
    everything((cursor) => {
      const page = versions.list(name, { tenant, limit: PAGE, ...cursor });
      return { items: page.versions, nextCursor: page.nextCursor };
    }),
  async remove({ name, tenant }, version) {
    await versions.delete(name, version, { tenant });
  },
  alias: ({ name, tenant }, alias) => versions.alias(name, alias, { tenant }),
  aliases: ({ name, tenant }) =>
    everything((cursor) => {
      const page = versions.aliases(name, { tenant, limit: PAGE, ...cursor });
      return { items: page.aliases, nextCursor: page.nextCursor };
    }),
  async putAlias({ name, tenant }, { alias, version, weights, description }, ifMatch) {
    const condition = ifMatch === undefined ? {} : { ifMatch: [ifMatch] };
    const input = { version, weights, description };
    return (await versions.putAlias(name, alias, input, { tenant, ...condition })).alias;
  },
  async removeAlias({ name, tenant }: FunctionRecord, alias) {
    await versions.deleteAlias(name, alias, { tenant });
  },
});

/** All pages, one behind the other. */
const everything = <Item>(
  read: (cursor: { readonly cursor?: string }) => {
    readonly items: readonly Item[];
    readonly nextCursor: string | null;
  },
): readonly Item[] => {
  const items: Item[] = [];
  let cursor: string | null = null;
  do {
    const page = read(cursor === null ? {} : { cursor });
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return items;
};
