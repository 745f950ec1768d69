import { describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE, type ErrorCode, StrataError } from '../core/errors.ts';
import { nextOf } from './outcomes.ts';
import { POLICY } from './testing.ts';

const STANDING = { policy: POLICY, retries: 2, cancelAsked: false };
const outcomeOf = (code: ErrorCode, standing: Partial<typeof STANDING> = {}): string =>
  nextOf({ ...STANDING, ...standing }, { kind: 'refused', error: new StrataError(code, 'No.') }).next;

describe('a refusal before anything ran', () => {
  it('is tried again where time or somebody else mends it, and uses up no retry', () => {
    for (const code of [
      ...(['function_disabled', 'ledger_unavailable', 'quota_exceeded', 'rate_limit', 'overloaded'] as const),
      ...(['concurrency_limit', 'storage_full', 'draining', 'conflict', 'start_failed'] as const),
    ]) {
      const refused = { kind: 'refused', error: new StrataError(code, 'No.') } as const;
      expect(nextOf(STANDING, refused), code).toMatchObject({ next: 'again', counts: false, refused: true });
      expect(outcomeOf(code, { policy: { ...POLICY, delivery: 'at-most-once' } }), code).toBe('again');
    }
  });

  it('fails at once where no retry mends it', () => {
    for (const code of [
      'not_found',
      'forbidden',
      'unauthorized',
      'invalid_request',
      'payload_too_large',
    ] as const)
      expect(outcomeOf(code), code).toBe('failed');
  });

  it('has a way on for every code, and is the end of one that was cancelled', () => {
    for (const code of Object.keys(ERROR_CATALOGUE) as ErrorCode[]) {
      expect(['again', 'failed', 'cancelled'], code).toContain(outcomeOf(code));
      expect(outcomeOf(code, { cancelAsked: true }), code).toBe('cancelled');
    }
  });
});
