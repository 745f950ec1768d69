/**
 * What the groups of keys are made of: the few kinds of key that there are.
 *
 * Invariant: every number has a lower and an upper bound, and every key a default and a meaning.
 */
import { type TSchema, Type } from 'typebox';

/** Annotations of a key beyond JSON Schema: its own environment name, and whether its value may be shown. */
export interface KeyOptions {
  /** The environment variable, where it is not `STRATA_` and the path in upper snake case. */
  readonly env?: string;
  /** True when the value is never printed. */
  readonly secret?: boolean;
}

export const whole = (
  defaultValue: number,
  [minimum, maximum]: readonly [number, number],
  description: string,
  options: KeyOptions = {},
) => Type.Integer({ ...options, default: defaultValue, minimum, maximum, description });

export const text = (defaultValue: string, description: string, options: KeyOptions = {}) =>
  Type.String({ ...options, default: defaultValue, minLength: 1, maxLength: 1024, description });

/** Like `text`, where the empty text says that nothing was chosen. */
export const optionalText = (description: string, options: KeyOptions = {}) =>
  Type.String({ ...options, default: '', minLength: 0, maxLength: 1024, description });

export const choice = <const Values extends string[]>(
  values: readonly [...Values],
  defaultValue: Values[number],
  description: string,
) => Type.Enum([...values] as [...Values], { default: defaultValue, description });

export const group = <Properties extends Record<string, TSchema>>(
  description: string,
  properties: Properties,
) => Type.Object(properties, { additionalProperties: false, description });
