/**
 * The revision that a change expects, so that nobody undoes what somebody else has done meanwhile.
 *
 * Owns the comparison and the refusal. Invariant: it is asked in the turn of the change, so that nothing comes between.
 */
import { StrataError } from '../core/errors.ts';
import type { Precondition } from './api.ts';
import { shown } from './spec-errors.ts';

/**
 * @param what for people, such as `The function "f"`.
 * @param revision null when it does not exist.
 * @throws StrataError `revision_mismatch`.
 */
export const refuseMismatch = (what: string, revision: string | null, { ifMatch }: Precondition): void => {
  if (ifMatch === undefined) return;
  if (revision !== null && ifMatch.some((expected) => expected === '*' || expected === revision)) return;
  const seen = revision === null ? 'does not exist' : `is at revision ${shown(revision)}`;
  const expected = ifMatch.map(shown).join(', ');
  throw new StrataError(
    'revision_mismatch',
    `${what} ${seen}, and the request expects ${expected}. Read it again and decide anew.`,
  );
};
