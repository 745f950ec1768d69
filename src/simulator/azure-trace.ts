/**
 * Reads a trace in the format of the Azure Functions trace of 2019: a folder with three CSV files, which are known by
 * their headers and not by their names.
 *
 * - invocations: HashOwner, HashApp, HashFunction, Trigger, then a column a minute that is named by its number.
 * - durations: the same hashes, and `percentile_Average_0` to `_100`, in milliseconds.
 * - memory: HashOwner, HashApp, AverageAllocatedMb; HashFunction where it is given by function. What an application
 *   has is taken for each of its functions, since the files do not say how they share it.
 *
 * Every row is checked. A function without durations or memory gets defaults, which a note counts.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { StrataError } from '../core/errors.ts';
import { badCell, headerOf, named, numberIn, rowsOf, shown } from './csv.ts';
import {
  COUNTS_MAX,
  type Counts,
  countsOf,
  DEFAULT_DURATIONS_MS,
  DEFAULT_MEMORY_MB,
  FUNCTIONS_MAX,
  MINUTE_INVOCATIONS_MAX,
  MINUTE_MS,
  MINUTES_MAX,
  PERCENTILES,
  TRIGGERS,
  type Trace,
  type Trigger,
  traceOf,
} from './trace.ts';

/** @throws StrataError `invalid_request` that names the file, the line and the column. */
export const readAzureTrace = async (folder: string): Promise<Trace> => {
  const files = await filesOf(folder);
  const notes: string[] = [];
  const { functions: read, startMinute, minutes } = await readInvocations(files.invocations, notes);
  const durations = await readDurations(files.durations, read, notes);
  const memory = await readMemory(files.memory, read);
  const functions = [...read.values()].map(({ id, app, owner, trigger, counts, invocations }) => ({
    ...{ id, app, owner, trigger, counts, invocations },
    memoryMb: memory.get(id) ?? memory.get(appId(owner, app)) ?? DEFAULT_MEMORY_MB,
    durationsMs: durations.get(id) ?? DEFAULT_DURATIONS_MS,
  }));
  const unknown = functions.filter(({ id }) => !durations.has(id)).length;
  if (unknown > 0) notes.push(`${unknown} functions have no durations; defaults are used for them`);
  const unsized = functions.filter(({ id, owner, app }) => !memory.has(id) && !memory.has(appId(owner, app)));
  if (unsized.length > 0)
    notes.push(`${unsized.length} functions have no memory; ${DEFAULT_MEMORY_MB} MB are used for them`);
  return traceOf({ functions, startMinute, minutes, minuteMs: MINUTE_MS, notes });
};

const KINDS = ['invocations', 'durations', 'memory'] as const;
type Kind = (typeof KINDS)[number];

const ENTRIES_MAX = 1_000;
const FILE_MAX_BYTES = 2 * 1024 ** 3;

const PERCENTILE = 'percentile_Average_';
const MEMORY = 'AverageAllocatedMb';
const HASHES = ['HashOwner', 'HashApp', 'HashFunction'] as const;

/** By what only one kind of file has. */
const kindOf = (columns: readonly string[]): Kind | null => {
  if (columns.some((name) => name.startsWith(PERCENTILE))) return 'durations';
  if (columns.some((name) => name.startsWith(MEMORY))) return 'memory';
  return columns.includes('HashFunction') && columns.some((name) => /^\d+$/.test(name))
    ? 'invocations'
    : null;
};

const SHAPES: Readonly<Record<Kind, string>> = {
  invocations: 'HashOwner, HashApp, HashFunction, Trigger and a column a minute',
  durations: `HashOwner, HashApp, HashFunction and ${PERCENTILES.map((each) => PERCENTILE + each).join(', ')}`,
  memory: `HashOwner, HashApp and ${MEMORY}`,
};

const filesOf = async (folder: string): Promise<Record<Kind, string>> => {
  const found = new Map<Kind, string>();
  for (const path of await pathsIn(folder)) {
    const columns = await headerOf(path);
    const kind = columns === null ? null : kindOf(columns);
    if (kind === null) continue;
    const other = found.get(kind);
    if (other !== undefined) {
      throw refused(
        `${named(folder)} has two files of ${kind}, ${named(other)} and ${named(path)}; leave one day in the folder.`,
      );
    }
    found.set(kind, path);
  }
  const fileOf = (kind: Kind): string => {
    const path = found.get(kind);
    if (path === undefined)
      throw refused(`${named(folder)} has no .csv file of ${kind}, with the columns ${SHAPES[kind]}.`);
    return path;
  };
  return { invocations: fileOf('invocations'), durations: fileOf('durations'), memory: fileOf('memory') };
};

/** The regular files that may be of a trace; what cannot be asked about is an error, not passed over. */
const pathsIn = async (folder: string): Promise<string[]> => {
  const paths: string[] = [];
  try {
    const names = (await readdir(folder)).filter((name) => name.toLowerCase().endsWith('.csv'));
    if (names.length > ENTRIES_MAX)
      throw refused(`${named(folder)} has ${names.length} .csv files; a trace has three.`);
    for (const name of names.toSorted()) {
      const path = join(folder, name);
      const status = await stat(path);
      if (!status.isFile()) continue;
      if (status.size > FILE_MAX_BYTES)
        throw refused(`${named(path)} has ${status.size} bytes; ${FILE_MAX_BYTES} are allowed.`);
      paths.push(path);
    }
  } catch (cause) {
    if (cause instanceof StrataError) throw cause;
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new StrataError(
      'invalid_request',
      `${named(folder)} cannot be read (${reason}); give a folder of CSV files.`,
      {
        cause,
      },
    );
  }
  return paths;
};

interface ReadFunction {
  readonly id: string;
  readonly owner: string;
  readonly app: string;
  readonly trigger: Trigger;
  readonly counts: Counts;
  readonly invocations: number;
}

type ReadFunctions = ReadonlyMap<string, ReadFunction>;

const functionId = (owner: string, app: string, name: string): string => `${owner}/${app}/${name}`;
const appId = (owner: string, app: string): string => `${owner}/${app}`;

interface Invocations {
  readonly functions: ReadFunctions;
  readonly startMinute: number;
  readonly minutes: number;
}

const readInvocations = async (path: string, notes: string[]): Promise<Invocations> => {
  const functions = new Map<string, ReadFunction>();
  const strange = new Set<string>();
  let minutes: MinuteColumns = { at: [], names: [] };
  let hashes: HashColumns = {};
  let scratch = new Uint32Array();
  let triggerAt = -1;
  const header = (columns: readonly string[]): void => {
    hashes = hashColumns(path, columns, HASHES);
    triggerAt = columnAt(path, columns, 'Trigger');
    minutes = minuteColumns(path, columns);
    scratch = new Uint32Array(minutes.at.length);
  };
  for await (const { line, cells } of rowsOf(path, header)) {
    const [owner, app, name] = hashesIn(path, line, cells, hashes);
    const id = functionId(owner, app, name);
    if (functions.has(id)) throw badCell(path, line, 'HashFunction', `${shown(name)} is there twice`);
    if (functions.size === FUNCTIONS_MAX || (functions.size + 1) * scratch.length > COUNTS_MAX) {
      const most = Math.min(FUNCTIONS_MAX, Math.floor(COUNTS_MAX / scratch.length));
      throw refused(
        `${named(path)}, line ${line}: more than ${most} functions of ${scratch.length} minutes; take fewer.`,
      );
    }
    for (const [minute, at] of minutes.at.entries())
      scratch[minute] = countIn(path, line, minutes.names[minute] ?? '', cells[at] ?? '');
    const trigger = TRIGGERS.find((each) => each === cells[triggerAt]);
    if (trigger === undefined) strange.add(cells[triggerAt] ?? '');
    functions.set(id, { id, owner, app, trigger: trigger ?? 'others', ...countsOf(scratch) });
  }
  if (functions.size === 0)
    throw refused(`${named(path)}, line 2: there are no functions; nothing can be played.`);
  if (strange.size > 0)
    notes.push(`triggers taken as "others": ${[...strange].slice(0, 5).map(shown).join(', ')}`);
  return { functions, startMinute: Number(minutes.names[0]), minutes: minutes.at.length };
};

interface MinuteColumns {
  readonly at: readonly number[];
  readonly names: readonly string[];
}

/** They follow each other without a gap; what else is there must be known. */
const minuteColumns = (path: string, columns: readonly string[]): MinuteColumns => {
  const known: readonly string[] = [...HASHES, 'Trigger'];
  const at = [...columns.keys()].filter((index) => !known.includes(columns[index] ?? ''));
  const names = at.map((index) => columns[index] ?? '');
  if (names.length > MINUTES_MAX)
    throw refused(`${named(path)}, line 1: ${names.length} minutes; ${MINUTES_MAX} are allowed.`);
  const first = Number(names[0]);
  for (const [index, name] of names.entries()) {
    if (!/^\d{1,7}$/.test(name)) throw badCell(path, 1, name, 'it is not the number of a minute');
    if (Number(name) !== first + index) throw badCell(path, 1, name, `minute ${first + index} was expected`);
  }
  return { at, names };
};

const countIn = (path: string, line: number, column: string, text: string): number => {
  if (text === '0') return 0;
  const count = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(count)) throw badCell(path, line, column, `${shown(text)} is not a whole number from 0`);
  if (count > MINUTE_INVOCATIONS_MAX)
    throw badCell(path, line, column, `${count} invocations; ${MINUTE_INVOCATIONS_MAX} are allowed`);
  return count;
};

const readDurations = async (
  path: string,
  known: ReadFunctions,
  notes: string[],
): Promise<ReadonlyMap<string, readonly number[]>> => {
  const durations = new Map<string, readonly number[]>();
  const columnNames = PERCENTILES.map((percentile) => `${PERCENTILE}${percentile}`);
  let hashes: HashColumns = {};
  let at: readonly number[] = [];
  let disordered = 0;
  const header = (columns: readonly string[]): void => {
    hashes = hashColumns(path, columns, HASHES);
    at = columnNames.map((name) => columnAt(path, columns, name));
  };
  for await (const { line, cells } of rowsOf(path, header)) {
    const [owner, app, name] = hashesIn(path, line, cells, hashes);
    const id = functionId(owner, app, name);
    const values = at.map((index, each) => numberIn(path, line, columnNames[each] ?? '', cells[index]));
    if (durations.has(id)) throw badCell(path, line, 'HashFunction', `${shown(name)} is there twice`);
    if (!known.has(id)) continue;
    const ascending = values.toSorted((one, other) => one - other);
    if (ascending.some((value, each) => value !== values[each])) disordered += 1;
    durations.set(id, ascending);
  }
  if (disordered > 0) notes.push(`${disordered} functions have percentiles out of order; they were sorted`);
  return durations;
};

/** By function where the file has it so, else by application. */
const readMemory = async (path: string, known: ReadFunctions): Promise<ReadonlyMap<string, number>> => {
  const memory = new Map<string, number>();
  const wanted = new Set([...known.values()].flatMap(({ id, owner, app }) => [id, appId(owner, app)]));
  let hashes: HashColumns = {};
  let memoryAt = -1;
  let byFunction = false;
  const header = (columns: readonly string[]): void => {
    byFunction = columns.includes('HashFunction');
    hashes = hashColumns(path, columns, byFunction ? HASHES : ['HashOwner', 'HashApp']);
    memoryAt = columnAt(path, columns, MEMORY);
  };
  for await (const { line, cells } of rowsOf(path, header)) {
    const [owner, app, name] = hashesIn(path, line, cells, hashes);
    const id = byFunction ? functionId(owner, app, name) : appId(owner, app);
    const value = numberIn(path, line, MEMORY, cells[memoryAt]);
    const column = byFunction ? 'HashFunction' : 'HashApp';
    if (memory.has(id)) throw badCell(path, line, column, `${shown(byFunction ? name : app)} is there twice`);
    if (wanted.has(id)) memory.set(id, value);
  }
  return memory;
};

type Hash = (typeof HASHES)[number];
type HashColumns = Partial<Record<Hash, number>>;

const hashColumns = (path: string, columns: readonly string[], wanted: readonly Hash[]): HashColumns =>
  Object.fromEntries(wanted.map((name) => [name, columnAt(path, columns, name)]));

/** The owner, the application and the function; empty for a column that the file does not have. */
const hashesIn = (
  path: string,
  line: number,
  cells: readonly string[],
  columns: HashColumns,
): [owner: string, app: string, name: string] => {
  const hash = (column: Hash): string => {
    const at = columns[column];
    const value = at === undefined ? '' : (cells[at] ?? '');
    // It becomes a part of ids and names; other traces may use names of their own instead of hashes.
    if (at !== undefined && !/^[\w.:-]{1,200}$/.test(value))
      throw badCell(path, line, column, `${shown(value)} is not a hash or a plain name`);
    return value;
  };
  return [hash('HashOwner'), hash('HashApp'), hash('HashFunction')];
};

const columnAt = (path: string, columns: readonly string[], name: string): number => {
  const at = columns.indexOf(name);
  if (at < 0) throw badCell(path, 1, name, 'the column is missing');
  return at;
};

const refused = (detail: string): StrataError => new StrataError('invalid_request', detail);
