/**
 * A function's record as this API shows it: the structure FunctionConfiguration.
 *
 * Owns the mapping one way; `specification.ts` has the other. Never decides anything.
 */
import type { FunctionRecord } from '../../core/spec.ts';
import { metadataOf } from './metadata.ts';
import { arnOf, type Place } from './names.ts';
import { nameOfRuntime } from './runtimes.ts';

/** How far a function is: as the answers to changes say it, and as everything afterwards does. */
export type Stage = 'created' | 'updated' | 'settled';

const DEFAULT_ROLE = 'role/strata';
const EPHEMERAL_MB = 512;

/**
 * @param qualifier what stands in the ARN; null for none.
 */
export const configurationOf = (
  place: Place,
  record: FunctionRecord,
  qualifier: string | null,
  stage: Stage = 'settled',
): Record<string, unknown> => {
  const metadata = metadataOf(record);
  const arn = arnOf(place, record.name, qualifier);
  const account = arn.split(':')[4] ?? '';
  const { env } = record;
  return {
    FunctionName: record.name,
    FunctionArn: arn,
    Runtime: metadata.Runtime ?? nameOfRuntime(record.runtime),
    Role: metadata.Role ?? `arn:aws:iam::${account}:${DEFAULT_ROLE}`,
    Handler: record.handler,
    CodeSize: metadata.CodeSize ?? record.codeBytes,
    Description: record.description,
    Timeout: Math.ceil(record.timeoutMs / 1_000),
    MemorySize: record.memoryMb,
    LastModified: lambdaTime(record.updatedAt),
    CodeSha256: metadata.CodeSha256 ?? Buffer.from(record.codeDigest, 'hex').toString('base64'),
    Version: record.version,
    ...(Object.keys(env).length === 0 ? {} : { Environment: { Variables: env } }),
    ...(metadata.KMSKeyArn === undefined ? {} : { KMSKeyArn: metadata.KMSKeyArn }),
    TracingConfig: metadata.TracingConfig ?? { Mode: 'PassThrough' },
    RevisionId: record.revision,
    ...stateOf(stage),
    PackageType: 'Zip',
    Architectures: metadata.Architectures ?? ['x86_64'],
    EphemeralStorage: metadata.EphemeralStorage ?? { Size: EPHEMERAL_MB },
    SnapStart: { ApplyOn: metadata.SnapStart?.ApplyOn ?? 'None', OptimizationStatus: 'Off' },
    RuntimeVersionConfig: {
      RuntimeVersionArn: `arn:aws:lambda:${place.region}::runtime:${record.runtime}`,
    },
    LoggingConfig: { LogFormat: 'Text', LogGroup: `/aws/lambda/${record.name}`, ...metadata.LoggingConfig },
  };
};

/** What is stored can be called at once; the answers to changes say what callers of the service are used to. */
const stateOf = (stage: Stage): Record<string, string> => {
  if (stage === 'created')
    return { State: 'Pending', StateReason: 'The function is being created.', StateReasonCode: 'Creating' };
  if (stage === 'settled') return { State: 'Active', LastUpdateStatus: 'Successful' };
  return {
    State: 'Active',
    LastUpdateStatus: 'InProgress',
    LastUpdateStatusReason: 'The function is being created.',
    LastUpdateStatusReasonCode: 'Creating',
  };
};

/** `2026-01-31T12:00:00.000+0000`. */
export const lambdaTime = (iso: string): string => iso.replace(/Z$/, '+0000');
