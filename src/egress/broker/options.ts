/**
 * What the server tells the broker: once on its command line, and with each request.
 */

export interface BrokerOptions {
  /** Ranges that entries of a function may name although they are refused to all others. */
  readonly privateRanges: readonly string[];
  /** Name servers; empty for the system's. */
  readonly dnsServers: readonly string[];
  readonly maxHeaderBytes: number;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

/** meta of `fetch` from the server: the function's patterns, and what its invocation has left. */
export interface RequestPolicy {
  readonly allow: readonly string[];
  readonly maxSentBytes: number;
  readonly maxReceivedBytes: number;
  /** What to name as the limit when one is reached. */
  readonly sentLimit: number;
  readonly receivedLimit: number;
}
