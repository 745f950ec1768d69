/**
 * The operations of provisioned concurrency: instances of a published version that are kept ready.
 *
 * Owns what each takes and answers. It is ready when as many instances have loaded the code as were asked for.
 */
import { StrataError } from '../../core/errors.ts';
import type { FunctionRecord } from '../../core/spec.ts';
import {
  functionOf,
  type LambdaCall,
  type LambdaParts,
  NO_CONTENT,
  type Operation,
  ok,
  placeOf,
} from './call.ts';
import { lambdaTime } from './configuration.ts';
import { invalidParameter, noProvisionedConcurrency } from './errors.ts';
import { Fields, required } from './fields.ts';
import { arnOf, LATEST } from './names.ts';
import { slice } from './pages.ts';
import type { Setting } from './settings.ts';

interface Provisioned {
  readonly requested: number;
  readonly updatedAt: string;
}

const MOST = 100;

export const putProvisioned: Operation = (call, parts) => {
  const { tenant, name, qualifier } = qualified(call, parts);
  const asked = new Fields(call.body).whole('ProvisionedConcurrentExecutions', 1, MOST);
  const requested = required(asked, 'provisionedConcurrentExecutions');
  return parts.inTurn(tenant, name, async () => {
    const latest = parts.executor.get(name, { tenant });
    parts.executor.get(name, { tenant, qualifier });
    const updatedAt = new Date(parts.clock.wallMs()).toISOString();
    const value: Provisioned = { requested, updatedAt };
    const others = parts.settings
      .list(latest.id, 'provisioned')
      .filter((setting) => setting.qualifier !== qualifier);
    const own: Setting = { owner: latest, kind: 'provisioned', qualifier, value };
    try {
      await parts.provisioning.apply(latest, wantedOf(parts, latest, [...others, own]));
    } catch (thrown) {
      if (thrown instanceof StrataError && thrown.code === 'conflict') throw invalidParameter(thrown.message);
      throw thrown;
    }
    parts.settings.put(latest, 'provisioned', qualifier, value);
    return { status: 202, body: viewOf(value, 0) };
  });
};

/** Two operations have this place: the list has `List=ALL`. */
export const getProvisioned: Operation = (call, parts) => {
  if (call.query.List !== undefined) return list(call, parts);
  const { tenant, name, qualifier } = qualified(call, parts);
  const record = parts.executor.get(name, { tenant, qualifier });
  const value = parts.settings.get(record.id, 'provisioned', qualifier) as Provisioned | undefined;
  if (value === undefined) throw noProvisionedConcurrency();
  return ok(viewOf(value, parts.provisioning.available(record, value.requested)));
};

export const deleteProvisioned: Operation = (call, parts) => {
  const { tenant, name, qualifier } = qualified(call, parts);
  return parts.inTurn(tenant, name, async () => {
    const latest = parts.executor.get(name, { tenant });
    parts.executor.get(name, { tenant, qualifier });
    if (parts.settings.remove(latest.id, 'provisioned', qualifier)) await reapply(parts, latest);
    return NO_CONTENT;
  });
};

/** After aliases have moved, versions were deleted, or the server was started. */
export const reapply = async (parts: LambdaParts, latest: FunctionRecord): Promise<void> => {
  const settings = parts.settings.list(latest.id, 'provisioned');
  await parts.provisioning.apply(latest, wantedOf(parts, latest, settings));
};

/** Puts back what was asked for before the server was started; what there is no room for any more is left. */
export const restoreProvisioned = async (parts: LambdaParts): Promise<void> => {
  const owners = new Map([...parts.settings.all('provisioned')].map(({ owner }) => [owner.id, owner]));
  for (const { tenant, name } of owners.values())
    await reapply(parts, parts.executor.get(name, { tenant })).catch(() => {});
};

/** Where a version is meant twice, by its number and by an alias, the larger number counts. */
const wantedOf = (
  parts: LambdaParts,
  latest: FunctionRecord,
  settings: readonly Setting[],
): ReadonlyMap<string, number> => {
  const wanted = new Map<string, number>();
  for (const { qualifier, value } of settings) {
    const record = versionOf(parts, latest, qualifier);
    if (record === null || record.version === LATEST) continue;
    const { requested } = value as Provisioned;
    wanted.set(record.version, Math.max(wanted.get(record.version) ?? 0, requested));
  }
  return wanted;
};

const list = (call: LambdaCall, parts: LambdaParts): ReturnType<Operation> => {
  const { tenant, name } = functionOf(call, parts);
  const owner = parts.executor.get(name, { tenant });
  const all = parts.settings.list(owner.id, 'provisioned');
  const { items, next } = slice(call, 50, all, ({ qualifier }) => qualifier);
  const views = items.map(({ qualifier, value }) => {
    const record = versionOf(parts, owner, qualifier);
    const { requested } = value as Provisioned;
    const available = record === null ? 0 : parts.provisioning.available(record, requested);
    return {
      FunctionArn: arnOf(placeOf(call, parts), name, qualifier),
      ...viewOf(value as Provisioned, available),
    };
  });
  return ok({ ProvisionedConcurrencyConfigs: views, ...next });
};

/** Versions and aliases only: `$LATEST` changes. */
const qualified = (call: LambdaCall, parts: LambdaParts) => {
  const { tenant, name, qualifier } = functionOf(call, parts);
  required(qualifier ?? undefined, 'qualifier');
  if (qualifier === null || qualifier === LATEST)
    throw invalidParameter(
      'Provisioned Concurrency Configs cannot be applied to unpublished function versions.',
    );
  return { tenant, name, qualifier };
};

const versionOf = (
  { executor }: LambdaParts,
  { tenant, name }: { readonly tenant: string; readonly name: string },
  qualifier: string,
): FunctionRecord | null => {
  try {
    return executor.get(name, { tenant, qualifier });
  } catch {
    return null;
  }
};

const viewOf = ({ requested, updatedAt }: Provisioned, ready: number): object => {
  const available = Math.min(ready, requested);
  return {
    RequestedProvisionedConcurrentExecutions: requested,
    AvailableProvisionedConcurrentExecutions: available,
    AllocatedProvisionedConcurrentExecutions: available,
    Status: available >= requested ? 'READY' : 'IN_PROGRESS',
    LastModified: lambdaTime(updatedAt),
  };
};
