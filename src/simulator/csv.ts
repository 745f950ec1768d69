/**
 * Strict reading of one CSV file, row by row: what a row lacks or has too much is an error that names its place.
 *
 * Owns the bounds on a file; never holds more of it than a row. The format itself is csv-parse's.
 */
import { createReadStream } from 'node:fs';
import { CsvError, parse } from 'csv-parse';
import { StrataError } from '../core/errors.ts';

export interface CsvRow {
  /** The first is 1: the header. */
  readonly line: number;
  readonly cells: readonly string[];
}

/** A row of every minute of two weeks fits into it. */
const ROW_MAX_BYTES = 1024 * 1024;
const ROWS_MAX = 1_000_000;

/**
 * The rows under the header, each with as many cells as that; empty lines are passed over.
 *
 * @throws StrataError `invalid_request` for a file that cannot be read or is no table.
 */
export async function* rowsOf(
  path: string,
  header: (cells: readonly string[]) => void,
): AsyncGenerator<CsvRow> {
  let names: readonly string[] | undefined;
  let rows = 0;
  for await (const row of recordsOf(path)) {
    if (names === undefined) {
      names = row.cells;
      const seen = new Set<string>();
      const twice = names.find((name) => seen.size === seen.add(name).size);
      if (twice !== undefined) throw badCell(path, row.line, twice, 'the column is there twice');
      header(names);
      continue;
    }
    if (row.cells.length !== names.length) {
      const missing = names[row.cells.length];
      const seen = `the row has ${row.cells.length} cells and the header ${names.length}`;
      throw badCell(path, row.line, missing ?? `number ${names.length + 1}`, seen);
    }
    rows += 1;
    if (rows > ROWS_MAX)
      throw refused(`${named(path)}, line ${row.line}: more than ${ROWS_MAX} rows; take fewer.`);
    yield row;
  }
}

/** The names of a file's columns, or null when it has none; reads no more than its beginning. */
export const headerOf = async (path: string): Promise<readonly string[] | null> => {
  for await (const { cells } of recordsOf(path, 1)) return cells;
  return null;
};

/** A number as traces write it: decimal, not negative. */
export const numberIn = (path: string, line: number, column: string, text: string | undefined): number => {
  const value = text !== undefined && /^\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(value)) throw badCell(path, line, column, `${shown(text)} is not a number from 0`);
  return value;
};

export const badCell = (path: string, line: number, column: string, what: string): StrataError =>
  refused(`${named(path)}, line ${line}, column ${shown(column)}: ${what}.`);

/** A path in a message: who made the folder chose the name, and it may not steer a terminal. */
export const named = (path: string): string =>
  path.replace(
    /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

const SHOWN_MAX_CHARS = 60;

/** A value of the file in a message: on one line, and not long. */
export const shown = (text: string | undefined): string =>
  named(JSON.stringify((text ?? '').slice(0, SHOWN_MAX_CHARS)));

async function* recordsOf(path: string, max?: number): AsyncGenerator<CsvRow> {
  const source = createReadStream(path);
  const parser = parse({
    ...{ bom: true, info: true, relax_column_count: true, skip_empty_lines: true },
    ...{ max_record_size: ROW_MAX_BYTES, ...(max === undefined ? {} : { to: max }) },
  });
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  try {
    for await (const { record, info } of parser as AsyncIterable<Parsed>)
      yield { line: info.lines, cells: record };
  } catch (error) {
    throw error instanceof StrataError ? error : unreadable(path, error);
  } finally {
    source.destroy();
    parser.destroy();
  }
}

interface Parsed {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

const unreadable = (path: string, cause: unknown): StrataError => {
  const line = cause instanceof CsvError && typeof cause.lines === 'number' ? `, line ${cause.lines}` : '';
  const reason =
    cause instanceof CsvError ? cause.code : ((cause as NodeJS.ErrnoException).code ?? String(cause));
  return new StrataError(
    'invalid_request',
    `${named(path)}${line}: it cannot be read as CSV (${reason}); rows may have ${ROW_MAX_BYTES} bytes.`,
    { cause },
  );
};

const refused = (detail: string): StrataError => new StrataError('invalid_request', detail);
