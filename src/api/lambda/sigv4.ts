/**
 * Signature Version 4, as the SDKs of this API sign their requests.
 *
 * Owns the form and the arithmetic. Never knows keys, and never reads a body: it is given the hash of it. Invariants:
 * host, date, body and whatever headers change what is asked for are signed; a signature holds five minutes around its date, and is compared in constant time.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { LambdaError } from './errors.ts';

export interface SignedHead {
  readonly method: string;
  /** Path and query as they were sent. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Signature {
  readonly accessKeyId: string;
  /** `20260131/us-east-1/lambda/aws4_request`. */
  readonly scope: string;
  /** `20260131T120000Z`. */
  readonly date: string;
  readonly signedHeaders: readonly string[];
  readonly signature: Buffer;
  /** SHA-256 of the body as the request tells it, lower-case hex; null where only the body itself tells. */
  readonly bodySha256: string | null;
}

export const SCHEME = 'AWS4-HMAC-SHA256';

const WINDOW_MS = 300_000;
const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([A-Za-z0-9_-]{1,128})\/((\d{8})\/[a-z0-9-]{1,32}\/lambda\/aws4_request), ?SignedHeaders=([a-z0-9;-]{1,2048}), ?Signature=([0-9a-f]{64})$/;
const DATE = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;
const SHA256 = /^[0-9a-f]{64}$/;
/** Headers that say what a request asks for. */
const MEANT = /^(?:x-amz|strata)-/;

/**
 * What a request says of its signature; nothing of it is believed yet.
 * @throws LambdaError for what is none, or does not hold now.
 */
export const readSignature = ({ headers }: SignedHead, nowMs: number): Signature => {
  const match = AUTHORIZATION.exec(headers.authorization ?? '');
  const date = headers['x-amz-date'];
  const stamp = typeof date === 'string' ? DATE.exec(date) : null;
  if (match === null || typeof date !== 'string' || stamp === null || !date.startsWith(match[3] ?? ' '))
    throw incomplete();
  const [, accessKeyId = '', scope = '', , list = '', signature = ''] = match;
  const signedHeaders = list.split(';');
  const [, year, month, day, hour, minute, second] = stamp;
  const atMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (!(Math.abs(nowMs - atMs) <= WINDOW_MS))
    throw wrongSignature(`Signature expired: ${date} is more than 5 minutes from the time of the server`);
  const told = headers['x-amz-content-sha256'];
  if (told !== undefined && (typeof told !== 'string' || !SHA256.test(told))) throw incomplete();
  // Whoever hears a request could send it again with others of what it is understood by.
  const needed = ['host', ...Object.keys(headers).filter((name) => MEANT.test(name))];
  if (!needed.every((name) => signedHeaders.includes(name))) throw incomplete();
  return {
    ...{ accessKeyId, scope, date, signedHeaders, bodySha256: told ?? null },
    signature: Buffer.from(signature, 'hex'),
  };
};

/** @throws LambdaError unless this secret made the signature over this request with a body of this hash. */
export const verifySignature = (
  signature: Signature,
  { method, url, headers }: SignedHead,
  bodySha256: string,
  secret: string,
): void => {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const canonical = [
    method,
    // The path was encoded once to be sent, and is encoded again to be signed.
    path.split('/').map(encode).join('/'),
    mark < 0 ? '' : canonicalQuery(url.slice(mark + 1)),
    ...signature.signedHeaders.map((name) => `${name}:${headerText(headers[name])}`),
    '',
    signature.signedHeaders.join(';'),
    bodySha256,
  ].join('\n');
  const [day = '', region = '', service = ''] = signature.scope.split('/');
  const toSign = [SCHEME, signature.date, signature.scope, sha256Of(canonical)].join('\n');
  const key = [day, region, service, 'aws4_request'].reduce<Buffer>(hmac, Buffer.from(`AWS4${secret}`));
  if (!timingSafeEqual(hmac(key, toSign), signature.signature))
    throw wrongSignature(
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
    );
};

export const sha256Of = (bytes: string | Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

export const missingSignature = (): LambdaError =>
  new LambdaError('MissingAuthenticationTokenException', 403, { message: 'Missing Authentication Token' });

export const unknownKey = (): LambdaError =>
  new LambdaError('UnrecognizedClientException', 403, {
    message: 'The security token included in the request is invalid.',
  });

export const wrongSignature = (message: string): LambdaError =>
  new LambdaError('InvalidSignatureException', 403, { message });

const incomplete = (): LambdaError =>
  new LambdaError('IncompleteSignatureException', 403, {
    message: `Authorization is ${SCHEME} with Credential, SignedHeaders (host, and all that begin with x-amz- or strata-) and Signature, for the service lambda.`,
  });

const hmac = (key: Uint8Array, text: string): Buffer => createHmac('sha256', key).update(text).digest();

const encode = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    throw incomplete();
  }
};

const canonicalQuery = (query: string): string =>
  query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      const [name, value] = equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
      return [encode(decode(name)), encode(decode(value))] as const;
    })
    // What was encoded is ASCII, whose units have the order of its bytes.
    .sort(([nameA, valueA], [nameB, valueB]) =>
      nameA === nameB ? order(valueA, valueB) : order(nameA, nameB),
    )
    .map(([name, value]) => `${name}=${value}`)
    .join('&');

const order = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

const headerText = (value: string | string[] | undefined): string =>
  [value ?? ''].flat().join(',').trim().replace(/\s+/g, ' ');
