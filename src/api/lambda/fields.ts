/**
 * Reads the members of a request's JSON body one by one.
 *
 * Owns types and bounds of single members, in the words of this API. Members that nobody asks for are ignored, as the
 * service does; null counts as absent.
 */
import { invalidContent, unreadable, violated } from './errors.ts';

export class Fields {
  readonly #members: Readonly<Record<string, unknown>>;
  readonly #path: string;

  /** @throws LambdaError for what is no JSON object. */
  constructor(body: unknown, path = '') {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      if (path !== '') throw unreadable(path, 'a structure');
      throw invalidContent('Could not parse request body into json: the body is not an object');
    }
    this.#members = body as Record<string, unknown>;
    this.#path = path;
  }

  has(name: string): boolean {
    return this.#get(name) !== undefined;
  }

  text(name: string, rule: { readonly max: number; readonly pattern?: RegExp }): string | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    const at = this.#at(name);
    if (typeof value !== 'string') throw unreadable(at, 'a string');
    if (value.length > rule.max)
      throw violated(value, at, `Member must have length less than or equal to ${rule.max}`);
    if (rule.pattern !== undefined && !rule.pattern.test(value))
      throw violated(value, at, `Member must satisfy regular expression pattern: ${rule.pattern.source}`);
    return value;
  }

  oneOf<const Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const value = this.text(name, { max: 256 });
    if (value === undefined) return undefined;
    const known = choices.find((choice) => choice === value);
    if (known !== undefined) return known;
    throw violated(value, this.#at(name), `Member must satisfy enum value set: [${choices.join(', ')}]`);
  }

  whole(name: string, min: number, max: number): number | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    const at = this.#at(name);
    if (typeof value !== 'number' || !Number.isInteger(value)) throw unreadable(at, 'an integer');
    if (value < min) throw violated(value, at, `Member must have value greater than or equal to ${min}`);
    if (value > max) throw violated(value, at, `Member must have value less than or equal to ${max}`);
    return value;
  }

  /** A part of one. */
  share(name: string): number {
    const value = this.#get(name);
    const at = this.#at(name);
    if (typeof value !== 'number') throw unreadable(at, 'a number');
    if (value < 0) throw violated(value, at, 'Member must have value greater than or equal to 0.0');
    if (value > 1) throw violated(value, at, 'Member must have value less than or equal to 1.0');
    return value;
  }

  flag(name: string): boolean | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'boolean') throw unreadable(this.#at(name), 'a boolean');
    return value;
  }

  object(name: string): Fields | undefined {
    const value = this.#get(name);
    return value === undefined ? undefined : new Fields(value, this.#at(name));
  }

  list(name: string): readonly unknown[] | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw unreadable(this.#at(name), 'a list');
    return value;
  }

  texts(name: string): readonly string[] | undefined {
    const values = this.list(name);
    if (values?.some((value) => typeof value !== 'string')) throw unreadable(this.#at(name), 'strings');
    return values as readonly string[] | undefined;
  }

  textMap(name: string): Readonly<Record<string, string>> | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    const at = this.#at(name);
    if (typeof value !== 'object' || Array.isArray(value)) throw unreadable(at, 'a map');
    for (const member of Object.values(value as object))
      if (typeof member !== 'string') throw unreadable(at, 'strings');
    return value as Record<string, string>;
  }

  /** The names of all members that are there. */
  names(): readonly string[] {
    return Object.keys(this.#members).filter((name) => this.has(name));
  }

  #get(name: string): unknown {
    const value = Object.hasOwn(this.#members, name) ? this.#members[name] : undefined;
    return value === null ? undefined : value;
  }

  /** As error messages name it: with a small letter first, and its parents before it. */
  #at(name: string): string {
    const own = name.charAt(0).toLowerCase() + name.slice(1);
    return this.#path === '' ? own : `${this.#path}.${own}`;
  }
}

/** @throws LambdaError `ValidationException` for a member that has to be there. */
export const required = <Value>(value: Value | undefined, member: string): Value => {
  if (value !== undefined) return value;
  throw violated(null, member, 'Member must not be null');
};
