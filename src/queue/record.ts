/**
 * The record of an invocation that has ended, as its destination gets it: the shape is that of AWS Lambda.
 *
 * Owns the shape and its bound. Invariant: a record has no more bytes than it may; what does not fit is left out, the
 * event first, and the record says so.
 */
import { isJson } from '../core/json-check.ts';
import type { Receipt } from '../core/receipt.ts';
import type { FullRow } from './operations.ts';

/** What does not fit is left out in this order. */
const PAYLOADS = ['requestPayload', 'responsePayload'] as const;

/** Payloads go in as they are: parsing them would keep the server from everybody else. */
export const recordOf = (row: FullRow, maxBytes: number): Uint8Array => {
  const { failure, attemptRows } = row;
  const last = attemptRows.at(-1);
  const receipt = last === undefined ? null : (JSON.parse(last.receipt) as Receipt);
  const head = JSON.stringify({
    version: '1.0',
    timestamp: new Date(row.finishedAtMs ?? row.acceptedAtMs).toISOString(),
    requestContext: {
      requestId: row.id,
      functionArn: arnOf(row.function, row.qualifier),
      condition: conditionOf(row),
      approximateInvokeCount: row.attempts,
    },
    responseContext: {
      statusCode: 200,
      executedVersion: receipt?.version ?? row.qualifier ?? '$LATEST',
      ...(failure === null ? {} : { functionError: 'Unhandled' }),
    },
  }).slice(0, -1);
  const payloads = {
    requestPayload: jsonTextOf(row.event),
    responsePayload:
      failure === null
        ? jsonTextOf(row.result)
        : JSON.stringify({
            errorType: failure.error?.type ?? failure.code,
            errorMessage: failure.error?.message ?? failure.detail,
            trace: failure.error?.stack.split('\n') ?? [],
          }),
  };
  const omitted: string[] = row.resultDropped ? ['responsePayload'] : [];
  const write = (): Buffer => {
    const members = PAYLOADS.map((member) => `"${member}":${payloads[member]}`);
    // Only here: the members that were too large to be sent.
    if (omitted.length > 0) members.push(`"omitted":${JSON.stringify(omitted)}`);
    return Buffer.from(`${[head, ...members].join(',')}}`);
  };
  for (const member of PAYLOADS) {
    const bytes = write();
    if (bytes.length <= maxBytes) return bytes;
    payloads[member] = 'null';
    omitted.push(member);
  }
  return write();
};

/** What is no JSON, which an event may be, as a text. */
const jsonTextOf = (json: Uint8Array | null): string => {
  if (json === null) return 'null';
  const text = textOf(json);
  return isJson(json) ? text : JSON.stringify(text);
};

/** Region and account stand for nothing here; the shape is what clients parse. */
const arnOf = (name: string, qualifier: string | null): string =>
  `arn:aws:lambda:us-east-1:000000000000:function:${name}:${qualifier ?? '$LATEST'}`;

const conditionOf = ({ status }: FullRow): 'Success' | 'RetriesExhausted' | 'EventAgeExceeded' => {
  if (status === 'succeeded') return 'Success';
  return status === 'expired' ? 'EventAgeExceeded' : 'RetriesExhausted';
};

/** What is no JSON is shown as text; so is what is nested deeper than it could be written again. */
export const payloadOf = (json: Uint8Array | null): unknown => {
  if (json === null) return null;
  const text = textOf(json);
  if (isDeep(json)) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
};

const textOf = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('utf8');

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
