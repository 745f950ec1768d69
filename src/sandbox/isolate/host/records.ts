/**
 * Reads the records that a bootstrap's COLLECT returns.
 *
 * Owns the decoding of `guest/contract.ts`. Never trusts a length: a string that does not follow the contract
 * raises, and the host then ends the isolate.
 */
import type { RecordKind } from '../../../guest/contract.ts';

export interface GuestRecord {
  readonly kind: RecordKind;
  readonly owner: number;
  readonly payload: string;
}

const KINDS: ReadonlySet<string> = new Set<RecordKind>(['R', 'X', 'L', 'I', 'G', 'T', 'F', 'B', 'C', 'Q']);

export const parseRecords = (text: string): GuestRecord[] => {
  const records: GuestRecord[] = [];
  let at = 0;
  while (at < text.length) {
    const space = text.indexOf(' ', at);
    const newline = text.indexOf('\n', at);
    const kind = text.charAt(at);
    const owner = Number(text.slice(at + 1, space));
    const length = Number(text.slice(space + 1, newline));
    const start = newline + 1;
    const sound =
      KINDS.has(kind) &&
      space > at &&
      newline > space &&
      Number.isSafeInteger(owner) &&
      Number.isSafeInteger(length) &&
      length >= 0 &&
      start + length <= text.length;
    if (!sound) throw new Error('the bootstrap returned records that do not follow the contract');
    records.push({ kind: kind as RecordKind, owner, payload: text.slice(start, start + length) });
    at = start + length;
  }
  return records;
};
