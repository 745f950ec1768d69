/**
 * The record of an invocation that has ended, as its destination gets it: the shape is that of AWS Lambda.
 *
 * Owns the shape and its bound. Invariant: a record has no more bytes than it may; what does not fit is left out, the
 * event first, and the record says so.
 */
import type { Receipt } from '../core/receipt.ts';
import type { FullRow } from './operations.ts';

interface LambdaRecord {
  readonly version: '1.0';
  readonly timestamp: string;
  readonly requestContext: {
    readonly requestId: string;
    readonly functionArn: string;
    readonly condition: 'Success' | 'RetriesExhausted' | 'EventAgeExceeded';
    readonly approximateInvokeCount: number;
  };
  requestPayload: unknown;
  readonly responseContext: {
    readonly statusCode: number;
    readonly executedVersion: string;
    readonly functionError?: 'Unhandled';
  };
  responsePayload: unknown;
  /** Only here: the members that were too large to be sent. */
  omitted?: readonly string[];
}

export const recordOf = (row: FullRow, maxBytes: number): Uint8Array => {
  const { failure, attemptRows } = row;
  const last = attemptRows.at(-1);
  const receipt = last === undefined ? null : (JSON.parse(last.receipt) as Receipt);
  const omitted: string[] = row.resultDropped ? ['responsePayload'] : [];
  const record: LambdaRecord = {
    version: '1.0',
    timestamp: new Date(row.finishedAtMs ?? row.acceptedAtMs).toISOString(),
    requestContext: {
      requestId: row.id,
      functionArn: arnOf(row.function, row.qualifier),
      condition: conditionOf(row),
      approximateInvokeCount: row.attempts,
    },
    requestPayload: payloadOf(row.event),
    responseContext: {
      statusCode: 200,
      executedVersion: receipt?.version ?? row.qualifier ?? '$LATEST',
      ...(failure === null ? {} : ({ functionError: 'Unhandled' } as const)),
    },
    responsePayload:
      failure === null
        ? payloadOf(row.result)
        : {
            errorType: failure.error?.type ?? failure.code,
            errorMessage: failure.error?.message ?? failure.detail,
            trace: failure.error?.stack.split('\n') ?? [],
          },
  };
  if (omitted.length > 0) record.omitted = [...omitted];
  for (const member of ['requestPayload', 'responsePayload'] as const) {
    const bytes = Buffer.from(JSON.stringify(record));
    if (bytes.length <= maxBytes) return bytes;
    record[member] = null;
    omitted.push(member);
    record.omitted = [...omitted];
  }
  return Buffer.from(JSON.stringify(record));
};

/** Region and account stand for nothing here; the shape is what clients parse. */
const arnOf = (name: string, qualifier: string | null): string =>
  `arn:aws:lambda:us-east-1:000000000000:function:${name}:${qualifier ?? '$LATEST'}`;

const conditionOf = ({ status }: FullRow): LambdaRecord['requestContext']['condition'] => {
  if (status === 'succeeded') return 'Success';
  return status === 'expired' ? 'EventAgeExceeded' : 'RetriesExhausted';
};

/** What is no JSON, which an event may be, goes as text; so does what is nested deeper than it could be written again. */
export const payloadOf = (json: Uint8Array | null): unknown => {
  if (json === null) return null;
  const text = Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8');
  if (isDeep(json)) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
};

const DEPTH_MAX = 500;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENS: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const CLOSES: ReadonlySet<number> = new Set([0x5d, 0x7d]);

const isDeep = (json: Uint8Array): boolean => {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at] ?? 0;
    if (isText) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) isText = false;
    } else if (byte === QUOTE) isText = true;
    else if (OPENS.has(byte)) {
      depth += 1;
      if (depth > DEPTH_MAX) return true;
    } else if (CLOSES.has(byte)) depth -= 1;
  }
  return false;
};
