/**
 * Parsers of option values, shared by the commands. A bad value is a usage error that shows the value.
 */
import { InvalidArgumentError } from 'commander';

/** A whole number, zero included; the server checks the bounds. */
export const wholeNumber = (value: string): number => {
  if (!/^\d{1,15}$/.test(value)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(value);
};

/** Collects a repeated `KEY=VALUE`. */
export const keyValue = (
  pair: string,
  previous: Readonly<Record<string, string>> = {},
): Record<string, string> => {
  const at = pair.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be KEY=VALUE.');
  return { ...previous, [pair.slice(0, at)]: pair.slice(at + 1) };
};

/** A path of the API to one function. */
export const functionPath = (name: string, rest = ''): string =>
  `/v1/functions/${encodeURIComponent(name)}${rest}`;
