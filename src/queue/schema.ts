/**
 * The tables of the queue: the steps from each version to the next; step 0 makes version 1 of an empty database.
 *
 * What may be large comes last in a row, because whoever reads what stands behind it reads all of it.
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE invocations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    function TEXT NOT NULL,
    qualifier TEXT,
    event_bytes INTEGER NOT NULL,
    policy TEXT NOT NULL,
    hops INTEGER NOT NULL,
    status TEXT NOT NULL,
    accepted_ms INTEGER NOT NULL,
    queued_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0,
    cancel INTEGER NOT NULL DEFAULT 0,
    finished_ms INTEGER,
    result_dropped INTEGER NOT NULL DEFAULT 0,
    failure TEXT,
    dead INTEGER NOT NULL DEFAULT 0,
    kept_bytes INTEGER NOT NULL DEFAULT 0,
    delivery TEXT,
    delivery_due_ms INTEGER NOT NULL DEFAULT 0,
    delivery_tries INTEGER NOT NULL DEFAULT 0,
    delivery_error TEXT,
    key TEXT,
    digest BLOB,
    result BLOB,
    event BLOB
  ) STRICT;
  CREATE UNIQUE INDEX by_key ON invocations (tenant, function, key) WHERE key IS NOT NULL;
  CREATE INDEX by_function ON invocations (tenant, function, seq);
  CREATE INDEX live ON invocations (seq) WHERE finished_ms IS NULL OR delivery = 'pending';
  CREATE INDEX finished ON invocations (tenant, dead, finished_ms, kept_bytes)
    WHERE finished_ms IS NOT NULL AND delivery IS NOT 'pending';
  CREATE TABLE attempts (
    id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    receipt TEXT NOT NULL,
    PRIMARY KEY (id, attempt)
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER forget_attempts AFTER DELETE ON invocations BEGIN
    DELETE FROM attempts WHERE id = OLD.id;
  END;
  CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID`,
  // Whoever asks for dead letters does not look through all that has ended.
  'CREATE INDEX dead_letters ON invocations (tenant, function, seq) WHERE dead = 1',
];
