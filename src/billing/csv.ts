/**
 * Rows as CSV (RFC 4180) that a spreadsheet can open without running anything.
 *
 * Owns quoting. A text that a spreadsheet would take for a formula gets an apostrophe in front; numbers stay as they
 * are.
 */

export type CsvCell = string | number | null;

const FORMULA = /^[=+\-@\t\r]/;
const NUMBER = /^-?\d+(?:\.\d+)?$/;
const QUOTED = /[",\r\n]/;

/** One line with its end. */
export const csvLine = (cells: readonly CsvCell[]): string => `${cells.map(cellText).join(',')}\r\n`;

const cellText = (cell: CsvCell): string => {
  if (cell === null) return '';
  const text = String(cell);
  if (typeof cell === 'number') return text;
  const safe = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return QUOTED.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};
