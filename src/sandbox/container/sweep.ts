/**
 * Removes what earlier starts of this installation left behind: containers and socket folders.
 *
 * Owns that decision. Never touches what another owner made, what a living server made, or what this one uses.
 * Invariant: an error with one leftover does not keep the others.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from '../../ports/process-label.ts';
import { openCgroup } from './cgroup.ts';
import type { ContainerEngine, ListedContainer } from './engine.ts';
import { LABELS, ownerLabels, type ServerIdentity } from './server-identity.ts';

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
  /** Containers of this start that were in nobody's use at the sweep before: the next sweep removes them. */
  #unused: ReadonlySet<string> = new Set();

  /** @param live the containers of this start that are in use. */
  constructor(
    engine: Pick<ContainerEngine, 'list' | 'inspect' | 'remove'>,
    identity: ServerIdentity,
    live: ReadonlySet<string>,
  ) {
    this.#engine = engine;
    this.#identity = identity;
    this.#live = live;
  }

  get owes(): boolean {
    return this.#owed.size > 0;
  }

  /** This one could not be removed: the next sweep tries again. */
  owe(id: string): void {
    this.#owed.add(id);
  }

  async sweep(): Promise<Swept> {
    const unused = new Set<string>();
    const found = await this.#engine.list(ownerLabels(this.#identity));
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
    for (const container of containers) {
      try {
        await thaw(this.#engine, container.id);
        await this.#engine.remove(container.id);
        this.#owed.delete(container.id);
        removed += 1;
      } catch (thrown) {
        failed.push(
          `${container.id.slice(0, 12)}: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
        );
      }
    }
    return { removed, failed };
  }

  /** One of this start may just have been made, before the server knows its id: it is looked at twice. */
  #isLeftover({ id, labels }: ListedContainer, unused: Set<string>): boolean {
    if (labels[LABELS.boot] !== this.#identity.boot) return !isAlive(labels[LABELS.process]);
    if (this.#live.has(id)) return false;
    if (this.#owed.has(id)) return true;
    unused.add(id);
    return this.#unused.has(id);
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
