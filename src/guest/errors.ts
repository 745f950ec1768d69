/**
 * Thrown values as strings.
 *
 * Owns how any value that guest code throws is described. Never throws and never trusts an error's own properties:
 * each is read once, inside try, and used only when it is a string. A getter that loops is the host's matter.
 */
import type { GuestFailure } from './contract.ts';
import { brief } from './inspect.ts';
import { constructorName } from './inspection.ts';
import { cut } from './primordials.ts';
import { type Owner, settleFailure } from './records.ts';
import { withoutBootstrap } from './stack.ts';

type DescribedError = NonNullable<GuestFailure['error']>;

const TEXT_MAX_CHARS = 8_192;
const DETAIL_MAX_CHARS = 1_000;

/** Any thrown value as three strings of at most 8 KB each. */
export const describeError = (thrown: unknown): DescribedError => {
  if (thrown === null || (typeof thrown !== 'object' && typeof thrown !== 'function')) {
    const type = thrown === null ? 'null' : typeof thrown;
    return {
      type,
      message: cut(typeof thrown === 'string' ? thrown : brief(thrown), TEXT_MAX_CHARS),
      stack: '',
    };
  }
  const message = read(thrown, 'message');
  return {
    type: cut(typeOf(thrown), TEXT_MAX_CHARS),
    message: cut(message ?? brief(thrown), TEXT_MAX_CHARS),
    stack: cut(withoutBootstrap(read(thrown, 'stack') ?? ''), TEXT_MAX_CHARS),
  };
};

/** Fails an owner with what it threw. */
export const failThrown = (owner: Owner, code: GuestFailure['code'], what: string, thrown: unknown): void => {
  if (owner.ended) return;
  const error = describeError(thrown);
  settleFailure(owner, code, cut(`${what} ${error.type}: ${error.message}`, DETAIL_MAX_CHARS), error);
};

/** An exception that no code of the guest's caught, as in a timer: its owner fails. */
export const uncaught = (owner: Owner | null, thrown: unknown, what: string): void => {
  if (owner === null) return;
  failThrown(owner, owner.number === 0 ? 'init_error' : 'function_error', what, thrown);
};

/** The name that an error gives itself, or its class's when that says more. */
const typeOf = (thrown: object): string => {
  const name = read(thrown, 'name');
  if (name !== null && name !== '' && name !== 'Error') return name;
  let own: string | null = null;
  try {
    own = constructorName(thrown);
  } catch {
    own = null;
  }
  return own ?? name ?? 'Object';
};

const read = (thrown: object, key: 'name' | 'message' | 'stack'): string | null => {
  try {
    const value: unknown = (thrown as Record<string, unknown>)[key];
    return typeof value === 'string' ? value : null;
  } catch {
    return null;
  }
};
