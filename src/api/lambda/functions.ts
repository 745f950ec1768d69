/**
 * The operations of functions: create, read, change, delete, list.
 *
 * Owns what each takes and answers. Changes of one function happen one after the other, so that each builds on what
 * the one before left.
 */
import { StrataError } from '../../core/errors.ts';
import type { FunctionRecord, FunctionSpecInput } from '../../core/spec.ts';
import { functionOf, type LambdaCall, type LambdaParts, type Operation, ok, placeOf } from './call.ts';
import { configurationOf } from './configuration.ts';
import { asLambdaError, invalidParameter, resourceConflict, violated, wrongRevision } from './errors.ts';
import { Fields, required } from './fields.ts';
import { type FunctionReference, referenceOf } from './names.ts';
import { pageOf } from './pages.ts';
import { archiveOf, createdSpec, recodedSpec, reconfiguredSpec, type Surroundings } from './specification.ts';
import { checkTags, tagsOf } from './tags.ts';
import { publishIn } from './versions.ts';

export const createFunction: Operation = async (call, parts) => {
  const fields = new Fields(call.body);
  const given = required(fields.text('FunctionName', { max: 256 }), 'functionName');
  const { tenant, name, qualifier } = referenceOf(placeOf(call, parts), given);
  if (qualifier !== null) throw violated(given, 'functionName', 'Member must not have a qualifier');
  const tags = checkTags(fields.textMap('Tags') ?? {});
  const archive = archiveOf(required(fields.object('Code'), 'code'));
  const spec = createdSpec(fields, archive, { tags, region: parts.region });
  const publish = fields.flag('Publish') === true;
  return parts.inTurn(tenant, name, async () => {
    if (find(parts, tenant, name) !== null) throw resourceConflict(`Function already exist: ${name}`);
    const record = await deploy(parts, tenant, name, spec);
    if (Object.keys(tags).length > 0) parts.settings.put(record, 'tags', '', tags);
    const made = publish ? await publishIn(parts, record, {}) : record;
    return { status: 201, body: configurationOf(placeOf(call, parts), made, null, 'created') };
  });
};

export const getFunction: Operation = (call, parts) => {
  const { record, qualifier } = readOf(call, parts);
  const tags = tagsOf(parts, record.id);
  const concurrency = parts.settings.get(record.id, 'concurrency');
  return ok({
    Configuration: configurationOf(placeOf(call, parts), record, qualifier),
    // There is no Location: the archive itself is not kept, only the files that were in it.
    Code: { RepositoryType: 'S3' },
    ...(Object.keys(tags).length === 0 ? {} : { Tags: tags }),
    ...(concurrency === undefined ? {} : { Concurrency: concurrency }),
  });
};

export const getFunctionConfiguration: Operation = (call, parts) => {
  const { record, qualifier } = readOf(call, parts);
  return ok(configurationOf(placeOf(call, parts), record, qualifier));
};

export const updateFunctionCode: Operation = async (call, parts) => {
  const { tenant, name } = changedOf(call, parts);
  const fields = new Fields(call.body);
  const archive = archiveOf(fields);
  const place = placeOf(call, parts);
  return parts.inTurn(tenant, name, async () => {
    const record = presentOf(parts, tenant, name, fields);
    const spec = recodedSpec(record, fields, archive, aroundOf(parts, record));
    if (fields.flag('DryRun') === true)
      return ok({
        ...configurationOf(place, record, null),
        CodeSha256: archive.sha256,
        CodeSize: archive.bytes,
      });
    const changed = await deploy(parts, tenant, name, spec, record.revision);
    const made = fields.flag('Publish') === true ? await publishIn(parts, changed, {}) : changed;
    return ok(configurationOf(place, made, null, 'updated'));
  });
};

export const updateFunctionConfiguration: Operation = async (call, parts) => {
  const { tenant, name } = changedOf(call, parts);
  const fields = new Fields(call.body);
  return parts.inTurn(tenant, name, async () => {
    const record = presentOf(parts, tenant, name, fields);
    const spec = reconfiguredSpec(record, fields, aroundOf(parts, record));
    const changed = await deploy(parts, tenant, name, spec, record.revision);
    return ok(configurationOf(placeOf(call, parts), changed, null, 'updated'));
  });
};

export const listFunctions: Operation = (call, parts) => {
  const { tenant } = call;
  const { limit, cursor } = pageOf(call, 50);
  const page = parts.executor.list({ tenant, limit, ...cursor });
  const place = placeOf(call, parts);
  const { nextCursor } = page;
  const every = call.query.FunctionVersion === 'ALL';
  const functions = page.functions.flatMap((record) => {
    const latest = configurationOf(place, record, every ? record.version : null);
    if (!every) return [latest];
    const versions = parts.versions.all(record);
    return [latest, ...versions.map((version) => configurationOf(place, version, version.version))];
  });
  return ok({ Functions: functions, ...(nextCursor === null ? {} : { NextMarker: nextCursor }) });
};

/** Stores a function and says a refusal of its code in this API's words. */
export const deploy = async (
  parts: LambdaParts,
  tenant: string,
  name: string,
  spec: FunctionSpecInput,
  ifMatch?: string,
): Promise<FunctionRecord> => {
  try {
    const condition = ifMatch === undefined ? {} : { ifMatch };
    return (await parts.deploy({ ...spec, name, tenant }, condition)).function;
  } catch (thrown) {
    if (thrown instanceof StrataError && thrown.limit?.kind === 'codeBytes')
      throw invalidParameter(`Unzipped size must be smaller than ${thrown.limit.configured} bytes`);
    if (thrown instanceof StrataError && thrown.code === 'not_found') throw asLambdaError(thrown, null);
    throw thrown;
  }
};

/** The function that a change is of, which is always `$LATEST`. */
export const changedOf = (call: LambdaCall, parts: LambdaParts): FunctionReference => {
  const reference = functionOf(call, parts);
  if (reference.qualifier !== null && reference.qualifier !== '$LATEST')
    throw invalidParameter(
      '$LATEST and published versions are not changed by this call; name the function alone.',
    );
  return reference;
};

/** The state that a change builds on. @throws LambdaError where the caller expects another one. */
const presentOf = (parts: LambdaParts, tenant: string, name: string, fields: Fields): FunctionRecord => {
  const record = parts.executor.get(name, { tenant });
  const expected = fields.text('RevisionId', { max: 256 });
  if (expected !== undefined && expected !== record.revision) throw wrongRevision('GetFunction');
  return record;
};

const aroundOf = (parts: LambdaParts, { id }: FunctionRecord): Surroundings => ({
  tags: tagsOf(parts, id),
  region: parts.region,
});

const readOf = (
  call: LambdaCall,
  parts: LambdaParts,
): { readonly record: FunctionRecord; readonly qualifier: string | null } => {
  const { tenant, name, qualifier } = functionOf(call, parts);
  const record = parts.executor.get(name, { tenant, ...(qualifier === null ? {} : { qualifier }) });
  return { record, qualifier };
};

const find = (parts: LambdaParts, tenant: string, name: string): FunctionRecord | null => {
  try {
    return parts.executor.get(name, { tenant });
  } catch (thrown) {
    if (thrown instanceof StrataError && thrown.code === 'not_found') return null;
    throw thrown;
  }
};
