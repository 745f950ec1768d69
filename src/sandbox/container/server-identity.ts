/**
 * Who made a container: the installation that owns it, this start of it, and the process that serves.
 *
 * Owns the labels. Invariant: a container of another owner, or of a server that is alive, is never taken for a
 * leftover — however it is called.
 */
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processLabel } from '../../ports/process-label.ts';
import type { Random } from '../../ports/random.ts';

export interface ServerIdentity {
  readonly owner: string;
  readonly boot: string;
  /** `pid:start time`: no other process ever has the same while the machine is up. */
  readonly process: string;
}

export const LABELS = {
  app: 'strata.app',
  owner: 'strata.owner',
  boot: 'strata.boot',
  process: 'strata.process',
  runtime: 'strata.runtime',
  /** The container's own, chosen before the engine hears of it. */
  container: 'strata.container',
} as const;
const APP = 'strata';

/**
 * @param dataDir where the owner's name is kept; null for servers that keep nothing: those of one user that can see
 *   each other's processes share one name.
 */
export const serverIdentity = async (dataDir: string | null, random: Random): Promise<ServerIdentity> => ({
  owner: dataDir === null ? memoryOwner() : await ownerOf(dataDir, random),
  boot: random.uuid(),
  process: processLabel(),
});

export const ownerLabels = ({ owner }: ServerIdentity): Readonly<Record<string, string>> => ({
  [LABELS.app]: APP,
  [LABELS.owner]: owner,
});

export const labelsOf = (identity: ServerIdentity, runtime: string): Readonly<Record<string, string>> => ({
  ...ownerLabels(identity),
  [LABELS.boot]: identity.boot,
  [LABELS.process]: identity.process,
  [LABELS.runtime]: runtime,
});

/** Whether another server lives can only be told on the same machine, and in the same namespace of processes. */
const memoryOwner = (): string => {
  const namespace = createHash('sha256')
    .update(readFileSync('/proc/sys/kernel/random/boot_id'))
    .update(readlinkSync('/proc/self/ns/pid'));
  return `${namespace.digest('hex').slice(0, NAMESPACE_CHARS)}-memory-${process.getuid?.() ?? 0}`;
};
const NAMESPACE_CHARS = 12;

const OWNER_FILE = 'container-owner';

const ownerOf = async (dataDir: string, random: Random): Promise<string> => {
  const path = join(dataDir, OWNER_FILE);
  try {
    const known = (await readFile(path, 'utf8')).trim();
    if (/^[0-9a-f-]{36}$/.test(known)) return known;
  } catch {
    // The first start.
  }
  const owner = random.uuid();
  await mkdir(dataDir, { recursive: true });
  await writeFile(path, `${owner}\n`, { mode: 0o600 });
  return owner;
};
