/**
 * Why a request to the network fails, in the words that the function reads.
 *
 * Owns the sentences. Never names an address that a name resolved to or one of this machine, nor where something lies in
 * the broker's memory: the network around the server and the broker's insides are not the function's to explore.
 */
import type { NetworkLimitKind } from '../core/errors.ts';
import type { NetworkFailure } from '../guest/contract.ts';

/** A failure on its way out of the broker's code. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
  readonly failure: NetworkFailure;

  constructor(failure: NetworkFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

export const denied = (message: string): NetworkFailure => ({
  ...{ code: 'network_denied', message, refused: true, limit: null },
});

export const unavailable = (message: string): NetworkFailure => ({
  ...{ code: 'network_unavailable', message, refused: true, limit: null },
});

export const NO_NETWORK_TEXT = 'the function has no network, because its network.allow is empty';

const LIMIT_TEXTS: Readonly<Record<NetworkLimitKind, (configured: number) => string>> = {
  networkRequests: (most) => `the invocation has made ${most} requests, as many as egress.maxRequests allows`,
  networkRequestsAtOnce: (most) =>
    `${most} requests are under way, as many as may be at the same time; wait for some`,
  networkSentBytes: (most) =>
    `the invocation would send more than the ${most} bytes that egress.maxSentBytes allows`,
  networkReceivedBytes: (most) =>
    `the answers have more than the ${most} bytes that egress.maxReceivedBytes allows an invocation`,
  networkHeaderBytes: (most) =>
    `the headers have more than the ${most} bytes that egress.maxHeaderBytes allows`,
  networkTimeMs: (most) => `the request was not done after ${most} ms`,
  networkRedirects: (most) => `more than ${most} redirects, as many as egress.maxRedirects allows`,
};

export const beyond = (
  kind: NetworkLimitKind,
  configured: number,
  observed: number | null = null,
): NetworkFailure => ({
  ...{ code: 'network_limit', message: LIMIT_TEXTS[kind](configured), refused: true },
  limit: { kind, configured, observed },
});

/** What the other side, or the way to it, did. */
export const failed = (code: string, message: string): NetworkFailure => ({
  ...{ code, message, refused: false, limit: null },
});

const DETAIL_MAX_CHARS = 300;

/** What was thrown on the way to the other side. */
export const failureOf = (thrown: unknown): NetworkFailure => {
  if (thrown instanceof NetworkError) return thrown.failure;
  const { code } = thrown as { code?: unknown };
  return failed(typeof code === 'string' ? code : 'UND_ERR', messageOf(thrown).slice(0, DETAIL_MAX_CHARS));
};

/** The system's messages name both addresses of a connection; those of OpenSSL begin with the address of a thread. */
const messageOf = (thrown: unknown): string => {
  const { code, message, syscall, hostname, reason, library } = thrown as Record<string, unknown>;
  if (typeof syscall === 'string') {
    const what = `${syscall} ${String(code)}`;
    return typeof hostname === 'string' ? `${what} ${hostname}` : what;
  }
  if (typeof library === 'string') return `${library}: ${typeof reason === 'string' ? reason : 'failed'}`;
  return typeof message === 'string' ? message : 'the request failed';
};

const TIMED_OUT: ReadonlySet<string> = new Set(['ETIMEOUT', 'ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT']);

/** What a proxy answers a failure with. */
export const proxyStatusOf = ({ code, limit }: NetworkFailure): number => {
  if (code === 'network_denied') return 403;
  if (code === 'network_unavailable') return 503;
  if (limit?.kind === 'networkTimeMs' || TIMED_OUT.has(code)) return 504;
  if (code === 'network_limit') return 429;
  return code === 'ERR_INVALID_REQUEST' ? 400 : 502;
};
