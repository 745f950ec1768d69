/**
 * Refuses requests that Node's parser takes and another reader on the way may have understood differently.
 *
 * Owns two checks: the target is a path, because one that names a host would be routed by its path whatever the host is;
 * and the body comes as it is or in chunks, because nothing here undoes another coding. Never looks at names or bodies.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { StrataError } from '../core/errors.ts';

const SLASH = 0x2f;
const SHOWN_MAX = 100;

/** Why a request is refused, or null. */
export const refusalOfForm = ({
  url = '',
  httpVersion,
  headers,
}: {
  readonly url?: string | undefined;
  readonly httpVersion: string;
  readonly headers: IncomingHttpHeaders;
}): StrataError | null => {
  if (url.charCodeAt(0) !== SLASH)
    return new StrataError(
      'invalid_request',
      `The target of the request is ${quoted(url)}; send a path that begins with "/": this server is no proxy.`,
    );
  const coding = headers['transfer-encoding'];
  if (coding === undefined) return null;
  if (httpVersion === '1.0')
    return new StrataError(
      'invalid_request',
      'The body of a request in HTTP/1.0 has a Transfer-Encoding; that version has none. Send its length, or HTTP/1.1.',
    );
  if (coding.toLowerCase() === 'chunked') return null;
  return new StrataError(
    'invalid_request',
    `The Transfer-Encoding is ${quoted(coding)}; only chunked is taken. Send the body as it is.`,
  );
};

const quoted = (text: string): string => JSON.stringify(text.slice(0, SHOWN_MAX));
