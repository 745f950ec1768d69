/**
 * The tables of the ledger and the statements on them.
 *
 * Owns the text alone; what is done in one transaction is the store's.
 */
import { SUM_MAX } from './quantities.ts';

/** The steps from each version to the next; step 0 makes version 1 of an empty database. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE segments (
    first INTEGER PRIMARY KEY,
    receipts INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    keys TEXT NOT NULL,
    kept TEXT NOT NULL
  ) STRICT;
  CREATE INDEX segments_of_tenant ON segments (tenant, first);
  CREATE TABLE attempts (
    key TEXT PRIMARY KEY,
    number INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE sums (
    tenant TEXT NOT NULL,
    day INTEGER NOT NULL,
    function TEXT NOT NULL,
    version TEXT NOT NULL,
    invocations INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cpu_ns INTEGER NOT NULL,
    wall_us INTEGER NOT NULL,
    memory_mb_us INTEGER NOT NULL,
    billed_mb_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, function, version)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sums_by_day ON sums (day);
  CREATE TABLE operator_sums (
    day INTEGER NOT NULL,
    runtime TEXT NOT NULL,
    layer TEXT NOT NULL,
    use TEXT NOT NULL,
    memory_mb_ms INTEGER NOT NULL,
    cpu_ns INTEGER NOT NULL,
    PRIMARY KEY (day, runtime, layer, use)
  ) STRICT, WITHOUT ROWID`,
];

const ADDED = ['invocations', 'failed', 'cpu_ns', 'wall_us', 'memory_mb_us', 'billed_mb_ms'] as const;

/** All keys of a batch in one statement; passes over those that are there, and over nothing else. */
export const ADD_KEYS = `INSERT INTO attempts (key, number)
  SELECT item.value, segments.first + item.key FROM segments, json_each(segments.keys) AS item WHERE first >= ?
  ON CONFLICT (key) DO NOTHING`;
export const ADD_KEY = `INSERT INTO attempts (key, number) SELECT value, 0 FROM json_each(?) WHERE true
  ON CONFLICT (key) DO NOTHING`;
export const ADD_SEGMENT = `INSERT INTO segments (first, receipts, tenant, from_ms, to_ms, keys, kept)
  VALUES (?, ?, ?, ?, ?, ?, ?)`;
/** What cannot be true any more stays at the bound. */
export const ADD_UP = `INSERT INTO sums (tenant, day, function, version, ${ADDED.join(', ')})
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (tenant, day, function, version) DO UPDATE SET
    ${ADDED.map((column) => `${column} = min(${column} + excluded.${column}, ${SUM_MAX})`).join(', ')}`;
export const ADD_OPERATOR = `INSERT INTO operator_sums (day, runtime, layer, use, memory_mb_ms, cpu_ns) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (day, runtime, layer, use) DO UPDATE SET
    memory_mb_ms = min(memory_mb_ms + excluded.memory_mb_ms, ${SUM_MAX}),
    cpu_ns = min(cpu_ns + excluded.cpu_ns, ${SUM_MAX})`;

export const NUMBER = 'SELECT number FROM attempts WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT 1';
export const SEGMENT_OF = 'SELECT * FROM segments WHERE first <= ? ORDER BY first DESC LIMIT 1';
export const ENDS = `SELECT (SELECT min(first) FROM segments) AS first,
  (SELECT first + receipts - 1 FROM segments ORDER BY first DESC LIMIT 1) AS last`;
/** Of segments that lie outside the times nothing long is read. */
const pageOf = (where: string): string => {
  const isWithin = 'to_ms >= $fromMs AND from_ms < $toMs';
  return `SELECT first, receipts, tenant, from_ms, to_ms, iif(${isWithin}, keys, '[]') AS keys,
    iif(${isWithin}, kept, '[[],[],[]]') AS kept
  FROM segments WHERE ${where} first >= $from AND first <= $last ORDER BY first LIMIT $limit`;
};
export const PAGE = pageOf('tenant = $tenant AND');
export const PAGE_OF_ALL = pageOf('');
export const FIRST_YOUNG = 'SELECT * FROM segments WHERE first < ? AND to_ms >= ? ORDER BY first LIMIT 1';
const WHOLE = 'first < $end AND first + receipts <= $end';
export const REMOVE_KEYS_OF = `DELETE FROM attempts WHERE key IN
  (SELECT value FROM segments, json_each(segments.keys) WHERE ${WHOLE})`;
export const REMOVE_SEGMENTS = `DELETE FROM segments WHERE ${WHOLE}`;
export const REMOVE_KEYS = 'DELETE FROM attempts WHERE key IN (SELECT value FROM json_each(?))';
export const CUT =
  'UPDATE segments SET first = ?, receipts = ?, from_ms = ?, to_ms = ?, keys = ?, kept = ? WHERE first = ?';
export const REMOVE_SUMS = `DELETE FROM sums WHERE (tenant, day, function, version) IN
  (SELECT tenant, day, function, version FROM sums WHERE day < ? LIMIT ?)`;
export const REMOVE_OPERATOR = 'DELETE FROM operator_sums WHERE day < ?';
export const NEXT_TENANT = 'SELECT min(tenant) AS tenant FROM sums WHERE tenant > ?';
export const SUMS = `SELECT * FROM sums WHERE tenant = ? AND day < ? AND (day, function, version) > (?, ?, ?)
  ORDER BY day, function, version LIMIT ?`;
export const OPERATOR = `SELECT * FROM operator_sums WHERE day >= ? AND day < ? ORDER BY day, runtime, layer, use`;
