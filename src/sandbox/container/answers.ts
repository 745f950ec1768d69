/**
 * What a function's own process may say of how a call ended.
 *
 * Owns the list. In this tier the server finds out itself what the kernel, the budget or its own order did: a process
 * that claims to have been lost, stopped or out of memory claims what is not its to know, and a retry could follow.
 */
import { FrameError } from '../protocol/frames.ts';
import { type HostFailureCode, type OutcomeTail, parseTail } from '../protocol/messages.ts';

const OWN_CODES: ReadonlySet<HostFailureCode> = new Set([
  ...(['function_error', 'init_error', 'result_invalid', 'result_too_large', 'invalid_request'] as const),
]);

/** @throws FrameError when the text is no outcome's tail, or one that only the server may write. */
export const parseOwnTail = (text: string, logMaxBytes: number): OutcomeTail => {
  const tail = parseTail(text, logMaxBytes);
  if (tail.failure !== null && !OWN_CODES.has(tail.failure.code))
    throw new FrameError(`a function's process may not report ${tail.failure.code}`);
  return tail;
};
