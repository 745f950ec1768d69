/**
 * What the HTTP server takes from the configuration; the full `Config` satisfies it.
 */
export interface ServerSettings {
  readonly server: {
    /** A whole request, its body included, must arrive within this time. */
    readonly requestTimeoutMs: number;
    /** The headers of a request must arrive within this time. */
    readonly headersTimeoutMs: number;
    /** The names of a server with keys; none unless told. */
    readonly hostNames?: string;
    readonly maxConnections: number;
    /** What the bodies of unanswered requests may take together. */
    readonly maxBodyBytesInFlight: number;
  };
  /** The Lambda API; none where these two are left out. */
  readonly lambda?: { readonly mode: 'on' | 'off'; readonly region: string };
  readonly dataDir?: string;
  readonly limits: {
    readonly eventMaxBytes: number;
    readonly codeMaxBytes: number;
    readonly containerCodeMaxBytes: number;
  };
}
