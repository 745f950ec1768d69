/**
 * `GetAccountSettings`: what one tenant may have, and has.
 */
import type { FunctionRecord } from '../../core/spec.ts';
import { type LambdaParts, type Operation, ok } from './call.ts';
import { metadataOf } from './metadata.ts';

const PAGE = 1_000;
const MIB = 1024 * 1024;
const ALL_CODE_BYTES = 75 * 1024 * MIB;

export const getAccountSettings: Operation = (call, parts) => {
  let functions = 0;
  let bytes = 0;
  let reserved = 0;
  for (const record of all(parts, call.tenant)) {
    functions += 1;
    bytes += metadataOf(record).CodeSize ?? record.codeBytes;
    reserved += record.reservedConcurrency;
  }
  const maxInFlight = parts.executor.pools().limits?.maxInFlight ?? 0;
  return ok({
    AccountLimit: {
      TotalCodeSize: ALL_CODE_BYTES,
      CodeSizeUnzipped: parts.codeMaxBytes,
      CodeSizeZipped: parts.codeMaxBytes,
      ConcurrentExecutions: maxInFlight,
      UnreservedConcurrentExecutions: Math.max(0, maxInFlight - reserved),
    },
    AccountUsage: { TotalCodeSize: bytes, FunctionCount: functions },
  });
};

function* all({ executor }: LambdaParts, tenant: string): Generator<FunctionRecord> {
  let cursor: string | null | undefined;
  do {
    const page = executor.list({ tenant, limit: PAGE, ...(cursor == null ? {} : { cursor }) });
    yield* page.functions;
    cursor = page.nextCursor;
  } while (cursor !== null);
}
