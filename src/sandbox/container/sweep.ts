/**
 * Removes what earlier starts of this installation left behind: containers and socket folders.
 *
 * Owns that decision. Never touches what another owner made, what a living server made, or what this one uses.
 * Invariant: an error with one leftover does not keep the others.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import PQueue from 'p-queue';
import type { Clock } from '../../ports/clock.ts';
import { isAlive } from '../../ports/process-label.ts';
import { openCgroup } from './cgroup.ts';
import type { ContainerEngine, ListedContainer } from './engine.ts';
import { LABELS, ownerLabels, type ServerIdentity } from './server-identity.ts';

/** The engine says the id of a new container long before. */
const UNKNOWN_MS = 5_000;
/** A server listens when the first sweep is over, and one that was killed may have left as many as it could have. */
const PARALLELISM = 4;

export interface Swept {
  readonly removed: number;
  readonly failed: readonly string[];
}

export class ContainerSweeper {
  readonly #engine: Pick<ContainerEngine, 'list' | 'inspect' | 'remove'>;
  readonly #identity: ServerIdentity;
  readonly #live: ReadonlySet<string>;
  /** Containers that are known to be left: they could not be removed when their time came. */
  readonly #owed = new Set<string>();
  /** Containers of this start that are in nobody's use, and since when. */
  #unused: ReadonlyMap<string, number> = new Map();
  /** One may have been made whose id the engine did not get to say. */
  #suspects = false;
  readonly #clock: Clock;

  /** @param live the containers of this start that are in use. */
  constructor(
    engine: Pick<ContainerEngine, 'list' | 'inspect' | 'remove'>,
    identity: ServerIdentity,
    live: ReadonlySet<string>,
    clock: Clock,
  ) {
    this.#clock = clock;
    this.#engine = engine;
    this.#identity = identity;
    this.#live = live;
  }

  get owes(): boolean {
    return this.#owed.size > 0 || this.#unused.size > 0 || this.#suspects;
  }

  /** This one could not be removed, or one of unknown id may be left: the next sweep looks for it. */
  owe(id: string | null): void {
    if (id === null) this.#suspects = true;
    else this.#owed.add(id);
  }

  async sweep(): Promise<Swept> {
    const unused = new Map<string, number>();
    const found = await this.#engine.list(ownerLabels(this.#identity));
    this.#suspects = false;
    // What the engine does not have any more is owed no longer.
    const there = new Set(found.map(({ id }) => id));
    for (const id of this.#owed) if (!there.has(id)) this.#owed.delete(id);
    const swept = await this.#remove(found.filter((container) => this.#isLeftover(container, unused)));
    this.#unused = unused;
    return swept;
  }

  /** At the end of this start: what is still there could not be removed when its time came. */
  async sweepOwn(): Promise<Swept> {
    const own = { ...ownerLabels(this.#identity), [LABELS.boot]: this.#identity.boot };
    return this.#remove(await this.#engine.list(own));
  }

  async #remove(containers: readonly ListedContainer[]): Promise<Swept> {
    let removed = 0;
    const failed: string[] = [];
    const one = async ({ id }: ListedContainer): Promise<void> => {
      try {
        await thaw(this.#engine, id);
        await this.#engine.remove(id);
        this.#owed.delete(id);
        removed += 1;
      } catch (thrown) {
        failed.push(`${id.slice(0, 12)}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
      }
    };
    const queue = new PQueue({ concurrency: PARALLELISM });
    await queue.addAll(containers.map((container) => () => one(container)));
    return { removed, failed };
  }

  /** One of this start may just have been made, before the server knows its id: it is given time. */
  #isLeftover({ id, labels }: ListedContainer, unused: Map<string, number>): boolean {
    if (labels[LABELS.boot] !== this.#identity.boot) return !isAlive(labels[LABELS.process]);
    if (this.#live.has(id)) return false;
    if (this.#owed.has(id)) return true;
    const nowMs = this.#clock.nowMs();
    const sinceMs = this.#unused.get(id) ?? nowMs;
    if (nowMs - sinceMs >= UNKNOWN_MS) return true;
    unused.set(id, sinceMs);
    return false;
  }
}

/** The kernel kills nobody while frozen, and the engine does not know of a freeze that it did not make. */
const thaw = async (engine: Pick<ContainerEngine, 'inspect'>, id: string): Promise<void> => {
  const { State } = await engine.inspect(id);
  if (!State.Running || State.Pid <= 0) return;
  const cgroup = openCgroup(State.Pid, id);
  cgroup?.freeze(false);
  cgroup?.close();
};

/** The folder in which this start keeps its sockets: its name says who made it. */
export const runFolderName = ({ owner, process, boot }: ServerIdentity): string =>
  `${runFolderPrefix(owner)}${process.replace(':', '-')}-${boot.slice(0, NAME_CHARS)}`;

/** The path of a socket has to fit in 107 bytes. */
const NAME_CHARS = 8;
const runFolderPrefix = (owner: string): string => `strata-run-${owner.slice(0, NAME_CHARS)}-`;

/** Removes the socket folders of servers of this owner that no longer run. */
export const sweepRunFolders = async (parent: string, identity: ServerIdentity): Promise<void> => {
  const prefix = runFolderPrefix(identity.owner);
  const names = await readdir(parent).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const [pid, startTime] = name.slice(prefix.length).split('-');
    if (isAlive(`${pid}:${startTime}`)) continue;
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
  }
};
