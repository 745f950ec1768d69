/**
 * Parsers of option values and paths, shared by the commands. A bad value is a usage error that shows the value.
 */
import { InvalidArgumentError, Option } from 'commander';
import type { Client } from './client.ts';

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

/** Every item of a list that the server gives in pages, as the field of that name. */
export const allPages = async <Item>(client: Client, path: string, field: string): Promise<Item[]> => {
  const items: Item[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const query = { limit: '1000', cursor };
    const page: Readonly<Record<string, unknown>> = await client.json('GET', path, { query });
    items.push(...(page[field] as readonly Item[]));
    cursor = page.nextCursor as string | null;
  }
  return items;
};

/** A whole number from `min` to `max`. */
export const wholeNumberIn =
  (min: number, max: number) =>
  (value: string): number => {
    const number = wholeNumber(value);
    if (number < min || number > max) throw new InvalidArgumentError(`It must be ${min} to ${max}.`);
    return number;
  };

/** A list with commas: each of the choices at most once, and one at least. */
export const choiceList =
  <T extends string>(choices: readonly T[]) =>
  (value: string): readonly T[] =>
    uniqueList(value, (part) => {
      const choice = choices.find((each) => each === part);
      if (choice === undefined)
        throw new InvalidArgumentError(`${JSON.stringify(part)} is none of ${choices.join(', ')}.`);
      return choice;
    });

/** A list with commas of decimal numbers, each above 0, up to `max`, and there once; `most` of them. */
export const numberList =
  (max: number, most: number) =>
  (value: string): readonly number[] => {
    const numbers = uniqueList(value, (part) => {
      const number = /^\d{1,9}(?:\.\d{1,6})?$/.test(part) ? Number(part) : Number.NaN;
      if (!(number > 0 && number <= max))
        throw new InvalidArgumentError(`${JSON.stringify(part)} is no number above 0 and up to ${max}.`);
      return number;
    });
    if (numbers.length > most) throw new InvalidArgumentError(`No more than ${most} are taken.`);
    return numbers;
  };

const uniqueList = <T>(value: string, parse: (part: string) => T): readonly T[] => {
  if (value.trim() === '') throw new InvalidArgumentError('The list is empty.');
  const list = value.split(',').map((part) => parse(part.trim()));
  if (new Set(list).size < list.length) throw new InvalidArgumentError('Something is in the list twice.');
  return list;
};

/** Of the commands that speak to the Docker engine. */
export const engineHost = (): Option =>
  new Option(
    '--engine-host <url>',
    'where the Docker engine listens; container.engineHost or DOCKER_HOST, else its usual socket',
  );
