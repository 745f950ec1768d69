/**
 * What a version of a function has in this API and nowhere else: its role, its archive's checksum, its tracing, …
 *
 * Kept as one annotation of the function's record: written with it, frozen with each version, gone with it. Owns the
 * shape. What cannot be read, because somebody else wrote the annotation, counts as absent.
 */
import { LAMBDA_ANNOTATION, REGION_ANNOTATION } from '../../core/limits.ts';
import type { FunctionRecord } from '../../core/spec.ts';

/** Members of a function's configuration, as they are shown. */
export interface Metadata {
  readonly Runtime?: string;
  readonly Role?: string;
  readonly CodeSha256?: string;
  readonly CodeSize?: number;
  readonly KMSKeyArn?: string;
  readonly TracingConfig?: { readonly Mode: string };
  readonly EphemeralStorage?: { readonly Size: number };
  readonly SnapStart?: { readonly ApplyOn: string };
  readonly LoggingConfig?: Readonly<Record<string, string>>;
  readonly Architectures?: readonly string[];
}

const MEMBERS: Readonly<Record<keyof Metadata, 'string' | 'number' | 'object'>> = {
  Runtime: 'string',
  Role: 'string',
  CodeSha256: 'string',
  CodeSize: 'number',
  KMSKeyArn: 'string',
  TracingConfig: 'object',
  EphemeralStorage: 'object',
  SnapStart: 'object',
  LoggingConfig: 'object',
  Architectures: 'object',
};

export const metadataOf = ({ annotations }: Pick<FunctionRecord, 'annotations'>): Metadata => {
  const text = Object.hasOwn(annotations, LAMBDA_ANNOTATION) ? annotations[LAMBDA_ANNOTATION] : undefined;
  if (text === undefined) return {};
  try {
    const members = JSON.parse(text) as Record<string, unknown> | null;
    if (typeof members !== 'object' || members === null) return {};
    return Object.fromEntries(
      Object.entries(MEMBERS).flatMap(([name, type]) => {
        const value = Object.hasOwn(members, name) ? members[name] : undefined;
        return typeof value === type && value !== null ? [[name, value]] : [];
      }),
    );
  } catch {
    return {};
  }
};

/** What else is annotated stays. */
export const annotationsOf = (
  metadata: Metadata,
  region: string,
  others: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> => ({
  ...others,
  [LAMBDA_ANNOTATION]: JSON.stringify(metadata),
  [REGION_ANNOTATION]: region,
});
