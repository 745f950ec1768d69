/**
 * What a caller sees of a function.
 *
 * Owns what is left out: the tenant's internal ids, and of a published version what holds for the function as a whole.
 */
import { type FunctionRecord, LATEST } from '../../core/spec.ts';

export const functionView = (record: FunctionRecord): Record<string, unknown> => {
  const { id: _id, tenant: _tenant, codeDigest, codeBytes, createdAt, updatedAt, ...spec } = record;
  const view = { ...spec, code: { digest: codeDigest, bytes: codeBytes }, createdAt, updatedAt };
  if (record.version === LATEST) return view;
  const { enabled: _enabled, reservedConcurrency: _reserved, auth: _auth, ...ofVersion } = view;
  return ofVersion;
};
