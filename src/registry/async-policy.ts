/**
 * Checks what a spec says about asynchronous invocations, and completes it with defaults.
 *
 * Owns the refusals that the schema cannot make. Never resolves a name and never looks whether a destination exists: it
 * may be deployed later. Invariant: a webhook that comes out is the canonical URL of a host that the operator does not
 * keep from functions, as far as its text says; what its name resolves to is checked when it is sent.
 */
import { StrataError } from '../core/errors.ts';
import { ASYNC_BOUNDS, DESTINATION_FUNCTION_PATTERN, WEBHOOK_MAX_LENGTH } from '../core/limits.ts';
import type { AsyncPolicy, Destination } from '../core/spec.ts';
import { entryTextOf, parseAllowEntry, refusalOfEntry } from '../egress/allow-list.ts';
import type { NetworkRules } from './network.ts';
import { shown } from './spec-errors.ts';

export const DEFAULT_ASYNC_POLICY: AsyncPolicy = Object.freeze({
  maxRetries: ASYNC_BOUNDS.maxRetries.default,
  maxEventAgeMs: ASYNC_BOUNDS.maxEventAgeMs.default,
  ...({ delivery: 'at-least-once', onSuccess: null, onFailure: null } as const),
});

/** @throws StrataError `invalid_request` naming the field and what is wrong with it. */
export const completeAsync = (input: Partial<AsyncPolicy>, network: NetworkRules): AsyncPolicy =>
  Object.freeze({
    maxRetries: input.maxRetries ?? DEFAULT_ASYNC_POLICY.maxRetries,
    maxEventAgeMs: input.maxEventAgeMs ?? DEFAULT_ASYNC_POLICY.maxEventAgeMs,
    delivery: input.delivery ?? DEFAULT_ASYNC_POLICY.delivery,
    onSuccess: completeDestination('async.onSuccess', input.onSuccess ?? null, network),
    onFailure: completeDestination('async.onFailure', input.onFailure ?? null, network),
  });

const DESTINATION_FUNCTION = new RegExp(DESTINATION_FUNCTION_PATTERN);

const completeDestination = (
  field: string,
  destination: Destination | null,
  network: NetworkRules,
): Destination | null => {
  if (destination === null) return null;
  if ('deadLetter' in destination) return Object.freeze({ deadLetter: true });
  if ('webhook' in destination) {
    return Object.freeze({ webhook: completeWebhook(`${field}.webhook`, destination.webhook, network) });
  }
  const name = destination.function;
  // The pattern bounds the length, too.
  if (DESTINATION_FUNCTION.test(name)) return Object.freeze({ function: name });
  return refuse(
    `${field}.function: ${shown(name)} is not the name of a function; write name or name:qualifier.`,
  );
};

const completeWebhook = (field: string, text: string, network: NetworkRules): string => {
  if (text.length > WEBHOOK_MAX_LENGTH)
    refuse(`${field}: has ${text.length} characters; at most ${WEBHOOK_MAX_LENGTH} are allowed.`);
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    return refuse(`${field}: ${shown(text)} is not an http or https URL.`);
  if (url.username !== '' || url.password !== '')
    refuse(`${field}: holds credentials; leave them out, and check the signature instead.`);
  if (!network.offered) refuse(`${field}: is not offered here: egress.mode is off.`);
  const entry = parseAllowEntry(entryTextOf(url));
  const wrong = typeof entry === 'string' ? entry : refusalOfEntry(entry, network.privateRanges);
  if (wrong !== null) refuse(`${field}: ${shown(url.host)} ${wrong}.`);
  url.hash = '';
  return url.href;
};

const refuse: (message: string) => never = (message) => {
  throw new StrataError('invalid_request', message);
};
