/**
 * Tags of functions.
 *
 * Owns their bounds. They belong to the function and not to a version; those that begin with `strata:` say where a
 * function runs, and take effect with its next deployment or configuration.
 */

import { type LambdaParts, NO_CONTENT, type Operation, ok, placeOf } from './call.ts';
import { invalidParameter } from './errors.ts';
import { Fields, required } from './fields.ts';
import { referenceOf } from './names.ts';

type Tags = Readonly<Record<string, string>>;

const TAGS_MAX = 50;
const KEY_MAX_CHARS = 128;
const VALUE_MAX_CHARS = 256;
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);

export const tagsOf = (parts: LambdaParts, functionId: string): Tags =>
  (parts.settings.get(functionId, 'tags') as Tags | undefined) ?? {};

/** @throws LambdaError `InvalidParameterValueException`. */
export const checkTags = (tags: Tags): Tags => {
  const entries = Object.entries(tags);
  if (entries.length > TAGS_MAX) throw invalidParameter(`A function has at most ${TAGS_MAX} tags.`);
  for (const [key, value] of entries) {
    if (key.length === 0 || key.length > KEY_MAX_CHARS || FORBIDDEN.has(key))
      throw invalidParameter(`The key of a tag has 1 to ${KEY_MAX_CHARS} characters.`);
    if (/^aws:/i.test(key)) throw invalidParameter('Keys of tags that begin with aws: are reserved.');
    if (value.length > VALUE_MAX_CHARS)
      throw invalidParameter(`The value of a tag has at most ${VALUE_MAX_CHARS} characters.`);
    if (!key.isWellFormed() || !value.isWellFormed()) throw invalidParameter('A tag is no valid Unicode.');
  }
  return tags;
};

const taggedOf: (...args: Parameters<Operation>) => { owner: ReturnType<LambdaParts['executor']['get']> } = (
  call,
  parts,
) => {
  const given = call.params.Resource ?? '';
  const { tenant, name, qualifier } = referenceOf(placeOf(call, parts), given);
  if (!given.startsWith('arn:') || qualifier !== null)
    throw invalidParameter(
      'Tags on function aliases and versions are not supported. Please specify a function ARN.',
    );
  return { owner: parts.executor.get(name, { tenant }) };
};

export const listTags: Operation = (call, parts) => {
  const { owner } = taggedOf(call, parts);
  return ok({ Tags: tagsOf(parts, owner.id) });
};

export const tagResource: Operation = (call, parts) => {
  const { owner } = taggedOf(call, parts);
  const added = checkTags(required(new Fields(call.body).textMap('Tags'), 'tags'));
  parts.settings.put(owner, 'tags', '', checkTags({ ...tagsOf(parts, owner.id), ...added }));
  return NO_CONTENT;
};

export const untagResource: Operation = (call, parts) => {
  const { owner } = taggedOf(call, parts);
  const { tagKeys } = call.query;
  const keys = new Set(required(tagKeys, 'tagKeys').split('\n'));
  const left = Object.entries(tagsOf(parts, owner.id)).filter(([key]) => !keys.has(key));
  parts.settings.put(owner, 'tags', '', Object.fromEntries(left));
  return NO_CONTENT;
};
