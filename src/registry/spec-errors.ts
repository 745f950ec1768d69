/**
 * Puts the schema's complaints about a spec into one sentence for the caller.
 *
 * Owns wording and redaction. Never decides what is valid. Invariants: a shown value has at most 100 characters, and
 * values of `env` and `code` are never shown.
 */
import type { TLocalizedValidationError } from 'typebox/error';
import { CODE_MAX_FILES } from '../core/limits.ts';

export const FORBIDDEN_KEYS = ['__proto__', 'constructor', 'prototype'] as const;

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value as JSON, cut to 100 characters; never throws, whatever the value is. */
export const shown = (value: unknown): string => {
  const text =
    typeof value === 'string' ? JSON.stringify(value.slice(0, SHOWN_MAX_LENGTH + 1)) : asText(value);
  return text.length <= SHOWN_MAX_LENGTH ? text : `${text.slice(0, SHOWN_MAX_LENGTH)}…`;
};

/** The first complaint that says something, with the field's path, what was seen and what is allowed. */
export const explain = (input: unknown, errors: readonly TLocalizedValidationError[]): string => {
  if (!isObject(input)) return `spec: must be an object; seen ${shown(input)}.`;
  if (errors.some((error) => error.instancePath === '/code' || error.schemaPath.startsWith(CODE_PATH)))
    return explainCode(input.code);
  const error = errors.find((candidate) => candidate.keyword !== 'boolean') ?? errors[0];
  if (error === undefined) return 'spec: is not valid.';
  if (error.keyword === 'additionalProperties') {
    const [key] = error.params.additionalProperties;
    return `${fieldOf(`${error.instancePath}/${key}`)}: unknown field; remove it.`;
  }
  if (error.keyword === 'required') {
    const [key] = error.params.requiredProperties;
    return `${fieldOf(`${error.instancePath}/${key}`)}: is missing; give it.`;
  }
  const field = fieldOf(error.instancePath);
  const seen = field.startsWith('env') ? '' : `; seen ${shown(valueAt(input, error.instancePath))}`;
  return `${field}: ${wordingOf(error)}${seen}.`;
};

const SHOWN_MAX_LENGTH = 100;
const CODE_PATH = '#/properties/code';

const wordingOf = (error: TLocalizedValidationError): string =>
  error.keyword === 'enum' ? `must be one of ${error.params.allowedValues.join(', ')}` : error.message;

/** Each form of code complains when none fits, so the sentence is made from the value instead. */
const explainCode = (code: unknown): string => {
  if (code === undefined) return 'code: is missing; give one of source, files and zip.';
  if (!isObject(code)) return `code: must be an object with source, files or zip; seen ${typeOf(code)}.`;
  const keys = Object.keys(code);
  const [form] = keys;
  if (keys.length !== 1 || form === undefined || !['source', 'files', 'zip'].includes(form))
    return `code: must have exactly one of source, files and zip; seen ${keys.length === 0 ? 'none' : shown(keys)}.`;
  if (form !== 'files') return `code.${form}: must be a string; seen ${typeOf(code[form])}.`;
  const files = code.files;
  if (!isObject(files)) return `code.files: must be an object of text by path; seen ${typeOf(files)}.`;
  for (const [path, text] of Object.entries(files))
    if (typeof text !== 'string') return `code.files: ${shown(path)} must be a string; seen ${typeOf(text)}.`;
  return `code.files: has ${Object.keys(files).length} files; 1 to ${CODE_MAX_FILES} are allowed.`;
};

const typeOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;

const fieldOf = (pointer: string): string => {
  const path = segmentsOf(pointer).join('.');
  return path === ''
    ? 'spec'
    : path.length <= SHOWN_MAX_LENGTH
      ? path
      : `${path.slice(0, SHOWN_MAX_LENGTH)}…`;
};

const segmentsOf = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));

const valueAt = (input: unknown, pointer: string): unknown =>
  segmentsOf(pointer).reduce<unknown>(
    (node, name) => (typeof node === 'object' && node !== null ? Reflect.get(node, name) : undefined),
    input,
  );

const asText = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return typeof value;
  }
};
