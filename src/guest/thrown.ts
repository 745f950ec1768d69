/**
 * Any thrown value as strings.
 *
 * Owns how a value that a function threw is described, in whatever tier it runs. Never throws and never trusts an
 * error's own properties: each is read once, inside try, and used only when it is a string. A getter that loops is
 * the business of who holds the deadline.
 */
import type { GuestFailure } from './contract.ts';
import { brief } from './inspect.ts';
import { constructorName } from './inspection.ts';
import { cut } from './primordials.ts';
import { withoutBootstrap } from './stack.ts';

type DescribedError = NonNullable<GuestFailure['error']>;

const TEXT_MAX_CHARS = 8_192;

/** Any thrown value as three strings of at most 8 KB each. @param cleanStack takes the frames away that are not the guest's. */
export const describeError = (
  thrown: unknown,
  cleanStack: (stack: string) => string = withoutBootstrap,
): DescribedError => {
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
    stack: cut(cleanStack(read(thrown, 'stack') ?? ''), TEXT_MAX_CHARS),
  };
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
