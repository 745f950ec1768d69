/**
 * Removes what nobody holds: containers and socket folders of earlier starts, and containers of this one.
 *
 * Owns that decision. Never touches what another owner made, what a living server made, or what is held in this one.
 * Invariants: an error with one leftover does not keep the others; it is owed until the engine was asked after the last
 * sign of it, and had none.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import PQueue from 'p-queue';
import type { Clock } from '../../ports/clock.ts';
import { isAlive } from '../../ports/process-label.ts';
import { openCgroup } from './cgroup.ts';
import type { ContainerEngine, ListedContainer } from './engine.ts';
import type { Fate, Ownership } from './ownership.ts';
import { LABELS, ownerLabels, type ServerIdentity } from './server-identity.ts';

/** So long an engine may need until a container shows that it was asked for, or that it had let go of before it died. */
const LATE_MS = 60_000;
/** A server listens when the first sweep is over, and one that was killed may have left as many as it could have. */
const PARALLELISM = 4;

export interface Swept {
  readonly removed: number;
  readonly failed: readonly string[];
}

type SweptEngine = Pick<ContainerEngine, 'list' | 'inspect' | 'remove'>;

export class ContainerSweeper {
  readonly #engine: SweptEngine;
  readonly #identity: ServerIdentity;
  readonly #ownership: Pick<Ownership, 'holds'>;
  readonly #clock: Clock;
  /** Only a sweep that begins at this time or later, and finds nothing, shows that nothing is left. */
  #owedUntilMs = Number.NEGATIVE_INFINITY;
  /** The last sweep found nothing, or there has been no reason for one. */
  #clean = true;

  /** @param ownership of the containers of this start. */
  constructor(
    engine: SweptEngine,
    identity: ServerIdentity,
    ownership: Pick<Ownership, 'holds'>,
    clock: Clock,
  ) {
    this.#clock = clock;
    this.#engine = engine;
    this.#identity = identity;
    this.#ownership = ownership;
  }

  /** Something may be left that was not there, or not nobody's, when the last sweep began. */
  get owes(): boolean {
    return !this.#clean;
  }

  /** A container is nobody's from now on; one of which the engine said nothing may yet come. */
  owe(fate: Exclude<Fate, 'gone'>): void {
    this.#clean = false;
    const untilMs = this.#clock.nowMs() + (fate === 'unknown' ? LATE_MS : 0);
    this.#owedUntilMs = Math.max(this.#owedUntilMs, untilMs);
  }

  async sweep(): Promise<Swept> {
    const sinceMs = this.#clock.nowMs();
    // What is owed while this one runs is for the next to find.
    const owedMs = this.#owedUntilMs;
    this.#clean = sinceMs >= owedMs;
    const found = await this.#engine.list(ownerLabels(this.#identity)).catch((thrown: unknown) => {
      // An engine that was away may come back with what it had let go of.
      this.owe('unknown');
      throw thrown;
    });
    const leftovers = found.filter((container) => this.#isLeftover(container));
    // That they have gone, the next look has to show.
    if (leftovers.length > 0) this.#clean = false;
    return this.#remove(leftovers);
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
        if (await this.#engine.remove(id)) removed += 1;
      } catch (thrown) {
        failed.push(`${id.slice(0, 12)}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
      }
    };
    const queue = new PQueue({ concurrency: PARALLELISM });
    await queue.addAll(containers.map((container) => () => one(container)));
    return { removed, failed };
  }

  #isLeftover({ labels }: ListedContainer): boolean {
    if (labels[LABELS.boot] !== this.#identity.boot) return !isAlive(labels[LABELS.process]);
    return !this.#ownership.holds(labels[LABELS.container]);
  }
}

/** The kernel kills nobody while frozen, and the engine does not know of a freeze that it did not make. */
const thaw = async (engine: Pick<ContainerEngine, 'inspect'>, id: string): Promise<void> => {
  // One that cannot be looked at has perhaps gone: removing it shows.
  const seen = await engine.inspect(id).catch(() => null);
  if (seen === null || !seen.State.Running || seen.State.Pid <= 0) return;
  const cgroup = openCgroup(seen.State.Pid, id);
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
