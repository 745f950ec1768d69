/**
 * The operations of versions and aliases.
 *
 * Owns what each takes and answers; what a version is, the registry says.
 */
import { StrataError } from '../../core/errors.ts';
import type { FunctionRecord } from '../../core/spec.ts';
import {
  type Alias,
  functionOf,
  type LambdaCall,
  type LambdaParts,
  NO_CONTENT,
  type Operation,
  ok,
  placeOf,
} from './call.ts';
import { configurationOf } from './configuration.ts';
import { invalidParameter, notFound, resourceConflict, violated, wrongRevision } from './errors.ts';
import { Fields, required } from './fields.ts';
import { metadataOf } from './metadata.ts';
import { arnOf, LATEST } from './names.ts';
import { pageOf, slice } from './pages.ts';
import { reapply } from './provisioned.ts';
import { forgetQualifier } from './settings.ts';

const ALIAS_NAME = /^(?!^[0-9]+$)[a-zA-Z0-9_-]{1,64}$/;
const VERSION = /^(?:\$LATEST|[0-9]+)$/;
const WEIGHTED = /^[0-9]+$/;

export const publishIn = (
  parts: LambdaParts,
  latest: FunctionRecord,
  options: { readonly description?: string },
): Promise<FunctionRecord> => parts.versions.publish(latest, options);

export const publishVersion: Operation = (call, parts) => {
  const { tenant, name } = functionOf(call, parts);
  const fields = new Fields(call.body ?? {});
  const digest = fields.text('CodeSha256', { max: 256 });
  const description = fields.text('Description', { max: 256 });
  const revision = fields.text('RevisionId', { max: 256 });
  return parts.inTurn(tenant, name, async () => {
    const latest = parts.executor.get(name, { tenant });
    if (revision !== undefined && revision !== latest.revision) throw wrongRevision('GetFunction');
    const present = metadataOf(latest).CodeSha256 ?? Buffer.from(latest.codeDigest, 'hex').toString('base64');
    if (digest !== undefined && digest !== '' && digest !== present)
      throw invalidParameter(
        `CodeSHA256 (${digest}) is different from current CodeSHA256 in $LATEST (${present}). Please try again with the CodeSHA256 in $LATEST.`,
      );
    const made = await publishIn(parts, latest, description === undefined ? {} : { description });
    return { status: 201, body: configurationOf(placeOf(call, parts), made, made.version, 'created') };
  });
};

export const listVersions: Operation = (call, parts) => {
  const { tenant, name } = functionOf(call, parts);
  const latest = parts.executor.get(name, { tenant });
  const all = [latest, ...parts.versions.all(latest)];
  // `$` comes before the digits, and numbers of the same length in their order.
  const keyOf = ({ version }: FunctionRecord): string => version.padStart(10, '0').replace(/^0+\$/, '$');
  const { items, next } = slice(call, 50, all, keyOf);
  const place = placeOf(call, parts);
  return ok({ Versions: items.map((record) => configurationOf(place, record, record.version)), ...next });
};

export const createAlias: Operation = (call, parts) => {
  const { tenant, name } = functionOf(call, parts);
  const fields = new Fields(call.body);
  const alias = aliasName(required(fields.text('Name', { max: 128 }), 'name'));
  const version = checkVersion(required(fields.text('FunctionVersion', { max: 1_024 }), 'functionVersion'));
  return parts.inTurn(tenant, name, async () => {
    const latest = parts.executor.get(name, { tenant });
    if (findAlias(parts, latest, alias) !== null)
      throw resourceConflict(`Alias already exists: ${arnOf(placeOf(call, parts), name, alias)}`);
    const description = fields.text('Description', { max: 256 }) ?? '';
    const weights = weightsOf(fields) ?? {};
    const made = await put(call, parts, latest, { alias, version, weights, description });
    return { status: 201, body: aliasView(call, parts, name, made) };
  });
};

export const updateAlias: Operation = (call, parts) => {
  const { tenant, name } = functionOf(call, parts);
  const fields = new Fields(call.body ?? {});
  const given = fields.text('FunctionVersion', { max: 1_024 });
  return parts.inTurn(tenant, name, async () => {
    const { latest, alias } = aliasOf(call, parts);
    const revision = fields.text('RevisionId', { max: 256 });
    if (revision !== undefined && revision !== alias.revision) throw wrongRevision('GetAlias');
    const wanted = {
      alias: alias.alias,
      version: given === undefined ? alias.version : checkVersion(given),
      weights: weightsOf(fields) ?? alias.weights,
      description: fields.text('Description', { max: 256 }) ?? alias.description,
    };
    return ok(aliasView(call, parts, name, await put(call, parts, latest, wanted, alias.revision)));
  });
};

export const getAlias: Operation = (call, parts) => {
  const { latest, alias } = aliasOf(call, parts);
  return ok(aliasView(call, parts, latest.name, alias));
};

export const deleteAlias: Operation = (call, parts) => {
  const { tenant, name } = functionOf(call, parts);
  return parts.inTurn(tenant, name, async () => {
    const latest = parts.executor.get(name, { tenant });
    const alias = findAlias(parts, latest, call.params.Name ?? '');
    // Deleting what is not there is no error.
    if (alias !== null) {
      await parts.versions.removeAlias(latest, alias.alias);
      forgetQualifier(parts, latest.id, alias.alias);
      await reapply(parts, latest);
    }
    return NO_CONTENT;
  });
};

export const listAliases: Operation = (call, parts) => {
  const { tenant, name } = functionOf(call, parts);
  const latest = parts.executor.get(name, { tenant });
  const { FunctionVersion: version } = call.query;
  const all = parts.versions
    .aliases(latest)
    .filter(
      (alias) => version === undefined || alias.version === version || Object.hasOwn(alias.weights, version),
    );
  pageOf(call, 50);
  const { items, next } = slice(call, 50, all, ({ alias }) => alias);
  return ok({ Aliases: items.map((alias) => aliasView(call, parts, name, alias)), ...next });
};

const aliasOf = (
  call: LambdaCall,
  parts: LambdaParts,
): { readonly latest: FunctionRecord; readonly alias: Alias } => {
  const { tenant, name } = functionOf(call, parts);
  const latest = parts.executor.get(name, { tenant });
  const given = call.params.Name ?? '';
  const alias = findAlias(parts, latest, given);
  if (alias === null) throw notFound(`Cannot find alias arn: ${arnOf(placeOf(call, parts), name, given)}`);
  return { latest, alias };
};

const findAlias = (parts: LambdaParts, latest: FunctionRecord, name: string): Alias | null => {
  try {
    return parts.versions.alias(latest, aliasName(name));
  } catch (thrown) {
    if (thrown instanceof StrataError && thrown.code === 'not_found') return null;
    throw thrown;
  }
};

const put = async (
  call: LambdaCall,
  parts: LambdaParts,
  latest: FunctionRecord,
  alias: Omit<Alias, 'revision'>,
  ifMatch?: string,
): Promise<Alias> => {
  const { version, weights } = alias;
  const place = placeOf(call, parts);
  for (const pointed of [version, ...Object.keys(weights)])
    if (!exists(parts, latest, pointed))
      throw notFound(`Function not found: ${arnOf(place, latest.name, pointed)}`);
  const made = await parts.versions.putAlias(latest, alias, ifMatch);
  await reapply(parts, latest);
  return made;
};

const exists = (parts: LambdaParts, { tenant, name }: FunctionRecord, qualifier: string): boolean => {
  try {
    parts.executor.get(name, { tenant, qualifier });
    return true;
  } catch (thrown) {
    if (thrown instanceof StrataError && thrown.code === 'not_found') return false;
    throw thrown;
  }
};

const aliasName = (name: string): string => {
  if (ALIAS_NAME.test(name)) return name;
  throw violated(name, 'name', `Member must satisfy regular expression pattern: ${ALIAS_NAME.source}`);
};

const checkVersion = (version: string): string => {
  if (VERSION.test(version)) return version;
  throw violated(
    version,
    'functionVersion',
    `Member must satisfy regular expression pattern: ${VERSION.source}`,
  );
};

/** Null where the request says nothing of weights; an empty map takes them away. */
const weightsOf = (fields: Fields): Readonly<Record<string, number>> | null => {
  const routing = fields.object('RoutingConfig');
  if (routing === undefined) return null;
  const given = routing.object('AdditionalVersionWeights');
  if (given === undefined) return {};
  const entries = given.names().map((version) => [version, given.share(version)] as const);
  if (entries.length > 1)
    throw invalidParameter('Number of items in AdditionalVersionWeights cannot be greater than 1');
  for (const [version] of entries) {
    if (version === LATEST)
      throw invalidParameter('$LATEST is not supported for an alias pointing to more than 1 version');
    if (!WEIGHTED.test(version))
      throw violated(version, 'routingConfig.additionalVersionWeights', 'Map keys must be versions');
  }
  return Object.fromEntries(entries);
};

const aliasView = (call: LambdaCall, parts: LambdaParts, name: string, alias: Alias): object => ({
  AliasArn: arnOf(placeOf(call, parts), name, alias.alias),
  Name: alias.alias,
  FunctionVersion: alias.version,
  Description: alias.description,
  ...(Object.keys(alias.weights).length === 0
    ? {}
    : { RoutingConfig: { AdditionalVersionWeights: alias.weights } }),
  RevisionId: alias.revision,
});
