/**
 * The operations of provisioned concurrency: instances of a published version that are kept ready.
 *
 * Owns what each takes and answers. It is ready when as many instances have loaded the code as were asked for.
 */
import type { FunctionRecord } from '../../core/spec.ts';
import {
  functionOf,
  type LambdaCall,
  type LambdaParts,
  NO_CONTENT,
  type Operation,
  ok,
  type Provisioning,
  placeOf,
} from './call.ts';
import { lambdaTime } from './configuration.ts';
import { invalidParameter, noProvisionedConcurrency, notOffered } from './errors.ts';
import { Fields, required } from './fields.ts';
import { arnOf, LATEST } from './names.ts';
import { slice } from './pages.ts';

interface Provisioned {
  readonly requested: number;
  readonly updatedAt: string;
}

const MOST = 100;

export const putProvisioned: Operation = (call, parts) => {
  const provisioning = provisioningOf(parts);
  const { tenant, name, qualifier } = qualified(call, parts);
  const asked = new Fields(call.body).whole('ProvisionedConcurrentExecutions', 1, MOST);
  const requested = required(asked, 'provisionedConcurrentExecutions');
  return parts.inTurn(tenant, name, async () => {
    const record = parts.executor.get(name, { tenant, qualifier });
    const updatedAt = new Date(parts.clock.wallMs()).toISOString();
    const value: Provisioned = { requested, updatedAt };
    await provisioning.set(record, requested);
    parts.settings.put(record, 'provisioned', qualifier, value);
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
  return ok(viewOf(value, availableOf(parts, record)));
};

export const deleteProvisioned: Operation = (call, parts) => {
  const { tenant, name, qualifier } = qualified(call, parts);
  return parts.inTurn(tenant, name, async () => {
    const record = parts.executor.get(name, { tenant, qualifier });
    if (parts.settings.remove(record.id, 'provisioned', qualifier))
      await provisioningOf(parts).set(record, 0);
    return NO_CONTENT;
  });
};

/** Puts back what was asked for before the server was started. */
export const restoreProvisioned = async (parts: LambdaParts): Promise<void> => {
  for (const { owner, qualifier, value } of parts.settings.all('provisioned')) {
    const record = versionOf(parts, owner, qualifier);
    if (record !== null) await parts.provisioning?.set(record, (value as Provisioned).requested);
  }
};

const list = (call: LambdaCall, parts: LambdaParts): ReturnType<Operation> => {
  const { tenant, name } = functionOf(call, parts);
  const owner = parts.executor.get(name, { tenant });
  const all = parts.settings.list(owner.id, 'provisioned');
  const { items, next } = slice(call, 50, all, ({ qualifier }) => qualifier);
  const views = items.map(({ qualifier, value }) => {
    const record = versionOf(parts, owner, qualifier);
    const available = record === null ? 0 : availableOf(parts, record);
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

const provisioningOf = ({ provisioning }: LambdaParts): Provisioning => {
  if (provisioning === null) throw notOffered('Provisioned concurrency');
  return provisioning;
};

const availableOf = ({ provisioning }: LambdaParts, record: FunctionRecord): number =>
  provisioning?.available(record) ?? 0;

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
