/**
 * How a function was called, as the contexts of handlers have it.
 *
 * Owns the shape, and the text by which it goes to a sandbox with the id of an invocation: three lines, the ARN and
 * the client's context behind the id, or the id alone.
 */
export interface Caller {
  /** The ARN by which the caller named the function. */
  readonly functionArn: string;
  /** What a client says of itself: a JSON object as printable ASCII, so that it can stand in a header; or null. */
  readonly clientContext: string | null;
}

export const withCaller = (invocationId: string, caller: Caller | null | undefined): string =>
  caller == null ? invocationId : `${invocationId}\n${caller.functionArn}\n${caller.clientContext ?? ''}`;
