/**
 * Text for a terminal: what guests wrote is made harmless, and rows become columns.
 */

/** Escape sequences can move the cursor or retitle the terminal; everything but tab and newline is spelled out. */
export const printable = (text: string): string =>
  text.replace(
    /(?![\t\n])[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** On one line: newlines are spelled out too. */
export const oneLine = (text: string): string => printable(text).replaceAll('\n', '\\n');

/** Rows with their columns aligned; the first row is the heading. */
export const table = (rows: readonly (readonly string[])[]): string => {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};
