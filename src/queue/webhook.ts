/**
 * How records for webhooks are signed.
 *
 * Owns the scheme: HMAC-SHA256 over the time, a dot and the body, under a key that each function of each tenant has for
 * itself. Invariant: the key that all others are made of leaves the database never.
 */
import { createHmac } from 'node:crypto';

export const MASTER_BYTES = 32;

/** The key by which a function's records are signed, as text: what its receivers are told. */
export const secretOf = (master: Uint8Array, tenant: string, name: string): string =>
  `whsec_${createHmac('sha256', master).update(`${tenant}\0${name}`).digest('hex')}`;

/** @param id stays the same when a record is sent again, so that its receiver can tell. */
export const signedHeaders = (
  secret: string,
  { id, atMs, body }: { readonly id: string; readonly atMs: number; readonly body: Uint8Array },
): [name: string, value: string][] => {
  const timestamp = String(Math.floor(atMs / MS_PER_SECOND));
  const signature = createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest('hex');
  return [
    ['Content-Type', 'application/json'],
    ['User-Agent', 'strata'],
    ['Strata-Webhook-Id', id],
    ['Strata-Webhook-Timestamp', timestamp],
    ['Strata-Webhook-Signature', `v1=${signature}`],
  ];
};

const MS_PER_SECOND = 1_000;
