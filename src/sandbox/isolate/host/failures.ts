/**
 * Failures as a host reports them.
 *
 * Owns how a thrown value of the engine or of the guest becomes plain strings. Values that isolated-vm copied out
 * may be of any type, so nothing here assumes an Error.
 */
import type { GuestError } from '../../../core/errors.ts';
import type { GuestFailure } from '../../../guest/contract.ts';
import type { HostFailure } from '../../protocol/messages.ts';
import { LOAD_OWNER, type Owner } from './owner.ts';

const TEXT_MAX_CHARS = 8_192;

export const hostFailure = (
  code: HostFailure['code'],
  detail: string,
  error: GuestError | null = null,
  limit: HostFailure['limit'] = null,
): HostFailure => ({ code, detail, error, limit });

/** For who was in an isolate that had to be ended on another's account. */
export const LOST: HostFailure = hostFailure(
  'sandbox_lost',
  'The instance ended while this invocation was in it, and not on its account. Retry.',
);

/** The parts of a thrown value as strings, without the frames and the words of the host itself. */
export const describeThrown = (thrown: unknown): GuestError => {
  if (!(thrown instanceof Error)) {
    return { type: typeof thrown, message: cut(String(thrown)), stack: '' };
  }
  // What the addon says of a value that it could not copy.
  if (thrown.message.includes('was not an instance of `Error`')) {
    return { type: 'object', message: 'A value that is not an Error was thrown.', stack: '' };
  }
  const message = withoutMark(String(thrown.message));
  const overflow = message.startsWith('Maximum call stack size exceeded');
  const type = overflow ? 'RangeError' : String('type' in thrown ? thrown.type : thrown.name);
  const stack = typeof thrown.stack === 'string' ? thrown.stack : '';
  const boundary = stack.indexOf('\n    at (<isolated-vm boundary>)');
  const own = boundary < 0 ? '' : withoutMark(stack.slice(0, boundary));
  return { type: cut(type), message: cut(message), stack: cut(own) };
};

/** The addon marks errors that have no place in the code. */
const withoutMark = (text: string): string => text.replace(/ ?\[<isolated-vm>:\d+:\d+\]/, '');

/** What the bootstrap reports, as the host does. */
export const guestFailure = (payload: string, resultMaxBytes: number): HostFailure => {
  const guest = JSON.parse(payload) as GuestFailure;
  if (guest.code === 'event_invalid') return hostFailure('invalid_request', guest.detail);
  const limit =
    guest.code === 'result_too_large'
      ? { kind: 'resultBytes' as const, configured: resultMaxBytes, observed: guest.observed }
      : null;
  return hostFailure(guest.code, guest.detail, guest.error, limit);
};

export const cpuFailure = (owner: Owner): HostFailure => {
  const configured = (owner.cpuLimitNs ?? 0) / 1e6;
  const observed = Math.round(owner.cpuNs / 1e4) / 100;
  if (owner.number === LOAD_OWNER)
    return hostFailure(
      'cpu_limit',
      `Loading and initialising used ${observed} ms of CPU time; limits.initCpuMs allows ${configured}. Do less at start.`,
      null,
      { kind: 'initCpuMs', configured, observed },
    );
  return hostFailure(
    'cpu_limit',
    `The invocation used ${observed} ms of CPU time; cpuMs allows ${configured}. Compute less or raise cpuMs.`,
    null,
    { kind: 'cpuMs', configured, observed },
  );
};

export const tooLarge = (resultMaxBytes: number, bytes: number): HostFailure =>
  hostFailure(
    'result_too_large',
    `The result has ${bytes} bytes; ${resultMaxBytes} are allowed. Return less, or store the data elsewhere.`,
    null,
    { kind: 'resultBytes', configured: resultMaxBytes, observed: bytes },
  );

export const memoryFailure = (memoryMb: number): HostFailure =>
  hostFailure(
    'memory_limit',
    `The function needed more than the ${memoryMb} MB that memoryMb allows. Use less memory or raise memoryMb.`,
    null,
    { kind: 'memoryMb', configured: memoryMb, observed: null },
  );

const cut = (text: string): string =>
  text.length <= TEXT_MAX_CHARS ? text : `${text.slice(0, TEXT_MAX_CHARS)}…`;
