/**
 * What a request of this API asks for, as the spec of a function.
 *
 * Owns the mapping one way; `configuration.ts` has the other. What this server does not offer is refused, never left
 * out in silence. Invariant: what a request does not name stays as it was.
 */
import { createHash } from 'node:crypto';
import type { FunctionRecord, FunctionSpecInput, Runtime } from '../../core/spec.ts';
import { invalidContent, invalidParameter, notOffered } from './errors.ts';
import { type Fields, required } from './fields.ts';
import { annotationsOf, type Metadata, metadataOf } from './metadata.ts';
import { allowListOf, nameOfRuntime, runtimeOf } from './runtimes.ts';

/** What a function is asked for with, beside the request's body. */
export interface Surroundings {
  readonly tags: Readonly<Record<string, string>>;
  readonly region: string;
}

/** An archive as it came. */
export interface Archive {
  readonly base64: string;
  readonly sha256: string;
  readonly bytes: number;
}

const ROLE = /^arn:(?:aws[a-zA-Z-]*)?:iam::\d{12}:role\/?[a-zA-Z_0-9+=,.@\-_/]+$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const TIMEOUT_S = { default: 3, max: 900 };
const MEMORY_MB = { min: 128, max: 10_240, default: 128 };
const CPU_MAX_MS = 900_000;
/** As many processors as a container of the largest memory has. */
const CONTAINER_CPUS = 6;
const RESERVED_VARIABLES = new Set([
  ...['_HANDLER', '_X_AMZN_TRACE_ID', 'AWS_DEFAULT_REGION', 'AWS_REGION', 'AWS_EXECUTION_ENV'],
  ...['AWS_LAMBDA_FUNCTION_NAME', 'AWS_LAMBDA_FUNCTION_MEMORY_SIZE', 'AWS_LAMBDA_FUNCTION_VERSION'],
  ...['AWS_LAMBDA_INITIALIZATION_TYPE', 'AWS_LAMBDA_LOG_GROUP_NAME', 'AWS_LAMBDA_LOG_STREAM_NAME'],
  ...['AWS_ACCESS_KEY', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'],
  ...['AWS_LAMBDA_RUNTIME_API', 'LAMBDA_TASK_ROOT', 'LAMBDA_RUNTIME_DIR'],
]);

/** @throws LambdaError for what is no base64. */
export const archiveOf = (fields: Fields): Archive => {
  for (const member of ['S3Bucket', 'S3Key', 'ImageUri', 'SourceKMSKeyArn'])
    if (fields.has(member)) throw notOffered(`Code by ${member}`);
  const base64 = fields.text('ZipFile', { max: Number.MAX_SAFE_INTEGER });
  if (base64 === undefined)
    throw invalidParameter('Please provide a source for function code, which here is the archive ZipFile.');
  if (base64.length % 4 !== 0 || !BASE64.test(base64))
    throw invalidContent('Could not parse request body into json: ZipFile is not base64');
  const bytes = Buffer.from(base64, 'base64');
  return { base64, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('base64') };
};

/** The spec that `CreateFunction` asks for. */
export const createdSpec = (fields: Fields, archive: Archive, around: Surroundings): FunctionSpecInput => {
  refuseUnoffered(fields);
  const runtimeName = fields.text('Runtime', { max: 128 });
  const handler = fields.text('Handler', { max: 128 });
  if (runtimeName === undefined || handler === undefined)
    throw invalidParameter(
      'Runtime and Handler are mandatory parameters for functions created with deployment packages.',
    );
  required(fields.text('Role', { max: 2_048, pattern: ROLE }), 'role');
  const base: FunctionSpecInput = {
    runtime: runtimeOf(runtimeName, around.tags),
    code: { zip: archive.base64 },
    handler,
    memoryMb: MEMORY_MB.default,
    timeoutMs: TIMEOUT_S.default * 1_000,
  };
  const metadata = { Runtime: runtimeName, ...codeMembers(archive), ...architecturesOf(fields) };
  return withConfiguration(base, metadata, fields, around);
};

/** The spec of a function with other code. */
export const recodedSpec = (
  record: FunctionRecord,
  fields: Fields,
  archive: Archive,
  around: Surroundings,
): FunctionSpecInput => {
  const metadata = { ...metadataOf(record), ...codeMembers(archive), ...architecturesOf(fields) };
  return {
    ...inputOf(record),
    ...runtimeMembers(metadata.Runtime ?? nameOfRuntime(record.runtime), around),
    code: { zip: archive.base64 },
    annotations: annotationsOf(metadata, around.region, record.annotations),
  };
};

/** The spec of a function with the code that it has and another configuration. */
export const reconfiguredSpec = (
  record: FunctionRecord,
  fields: Fields,
  around: Surroundings,
): FunctionSpecInput => {
  refuseUnoffered(fields);
  return withConfiguration(inputOf(record), metadataOf(record), fields, around);
};

/** A deployed function as what deploys the same again; the code stays where it is. */
export const inputOf = (record: FunctionRecord): FunctionSpecInput => {
  const { id: _id, tenant: _tenant, name: _name, version: _version, revision: _revision, ...rest } = record;
  const { codeDigest, codeBytes: _codeBytes, createdAt: _createdAt, updatedAt: _updatedAt, ...spec } = rest;
  return { ...spec, code: { digest: codeDigest } };
};

const withConfiguration = (
  base: FunctionSpecInput,
  known: Metadata,
  fields: Fields,
  around: Surroundings,
): FunctionSpecInput => {
  const runtimeName = fields.text('Runtime', { max: 128 }) ?? known.Runtime ?? nameOfRuntime(base.runtime);
  const members = runtimeMembers(runtimeName, around);
  const timeoutS = fields.whole('Timeout', 1, TIMEOUT_S.max);
  const timeoutMs = timeoutS === undefined ? (base.timeoutMs ?? 3_000) : timeoutS * 1_000;
  const variables = fields.object('Environment')?.textMap('Variables');
  if (variables !== undefined) refuseReserved(variables);
  const handler = fields.text('Handler', { max: 128 }) ?? base.handler;
  const description = fields.text('Description', { max: 256 }) ?? base.description;
  const memoryMb = fields.whole('MemorySize', MEMORY_MB.min, MEMORY_MB.max) ?? base.memoryMb;
  return {
    ...base,
    ...members,
    ...(handler === undefined ? {} : { handler }),
    ...(description === undefined ? {} : { description }),
    ...(memoryMb === undefined ? {} : { memoryMb }),
    timeoutMs,
    cpuMs: members.runtime === 'isolate' ? timeoutMs : Math.min(CPU_MAX_MS, timeoutMs * CONTAINER_CPUS),
    ...(fields.has('Environment') ? { env: variables ?? {} } : {}),
    annotations: annotationsOf(
      { ...known, Runtime: runtimeName, ...namedMembers(fields) },
      around.region,
      base.annotations,
    ),
  };
};

const runtimeMembers = (
  runtimeName: string,
  around: Surroundings,
): { readonly runtime: Runtime; readonly network: { readonly allow: readonly string[] } } => ({
  runtime: runtimeOf(runtimeName, around.tags),
  network: { allow: allowListOf(around.tags) },
});

const codeMembers = ({ sha256, bytes }: Archive): Metadata => ({ CodeSha256: sha256, CodeSize: bytes });

const architecturesOf = (fields: Fields): Metadata => {
  const given = fields.texts('Architectures');
  if (given === undefined) return {};
  if (given.length !== 1 || !['x86_64', 'arm64'].includes(given[0] ?? ''))
    throw invalidParameter('Architectures has one value, x86_64 or arm64.');
  return { Architectures: given };
};

/** Members that are kept to be shown again. */
const namedMembers = (fields: Fields): Metadata => {
  const role = fields.text('Role', { max: 2_048, pattern: ROLE });
  const key = fields.text('KMSKeyArn', { max: 2_048 });
  const tracing = fields.object('TracingConfig')?.oneOf('Mode', ['Active', 'PassThrough']);
  const storage = fields.object('EphemeralStorage')?.whole('Size', 512, 10_240);
  const snapStart = fields.object('SnapStart')?.oneOf('ApplyOn', ['PublishedVersions', 'None']);
  const logging = fields.object('LoggingConfig');
  const group = logging?.text('LogGroup', { max: 512, pattern: /^[.\-_/#A-Za-z0-9]+$/ });
  const format = logging?.oneOf('LogFormat', ['Text', 'JSON']);
  return {
    ...(role === undefined ? {} : { Role: role }),
    ...(key === undefined || key === '' ? {} : { KMSKeyArn: key }),
    ...(tracing === undefined ? {} : { TracingConfig: { Mode: tracing } }),
    ...(storage === undefined ? {} : { EphemeralStorage: { Size: storage } }),
    ...(snapStart === undefined ? {} : { SnapStart: { ApplyOn: snapStart } }),
    ...(logging === undefined
      ? {}
      : {
          LoggingConfig: {
            ...(format === undefined ? {} : { LogFormat: format }),
            ...(group === undefined ? {} : { LogGroup: group }),
          },
        }),
  };
};

const refuseReserved = (variables: Readonly<Record<string, string>>): void => {
  const used = Object.keys(variables).filter((name) => RESERVED_VARIABLES.has(name));
  if (used.length === 0) return;
  throw invalidParameter(
    'Lambda was unable to configure your environment variables because the environment variables you have provided ' +
      `contains reserved keys that are currently not supported for modification. Reserved keys used in this request: ${used.join(', ')}`,
  );
};

/** What a function would run without, though it was asked for. */
const refuseUnoffered = (fields: Fields): void => {
  if (fields.oneOf('PackageType', ['Zip', 'Image']) === 'Image') throw notOffered('PackageType Image');
  for (const member of ['Layers', 'FileSystemConfigs'])
    if ((fields.list(member)?.length ?? 0) > 0) throw notOffered(member);
  for (const member of ['ImageConfig', 'TenancyConfig', 'CapacityProviderConfig', 'DurableConfig'])
    if ((fields.object(member)?.names().length ?? 0) > 0) throw notOffered(member);
  if (fields.has('CodeSigningConfigArn')) throw notOffered('CodeSigningConfigArn');
  const network = fields.object('VpcConfig');
  for (const member of ['SubnetIds', 'SecurityGroupIds'])
    if ((network?.texts(member)?.length ?? 0) > 0) throw notOffered(`VpcConfig.${member}`);
  if ((fields.object('DeadLetterConfig')?.text('TargetArn', { max: 2_048 }) ?? '') !== '')
    throw notOffered('DeadLetterConfig; PutFunctionEventInvokeConfig has a destination for failures, which');
};
