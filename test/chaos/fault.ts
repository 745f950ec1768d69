/**
 * What a fault is.
 */
import type { ErrorCode } from '../../src/core/errors.ts';
import type { Tier } from '../../src/core/spec.ts';
import type { Chance } from '../../src/simulator/chance.ts';
import type { Load } from './load.ts';
import type { World } from './world.ts';

export interface Struck {
  readonly world: World;
  readonly load: Load;
  readonly chance: Chance;
}

export interface Fault {
  /** For example `an isolate host is killed`. */
  readonly name: string;
  /** What the invocations of a tier may be told because of it; a tier that is not listed must not notice. */
  readonly allows: Partial<Readonly<Record<Tier, readonly ErrorCode[]>>>;
  /** Connections of clients may end without an answer: only when the server itself goes. */
  readonly cuts?: true;
  /** How often it strikes in one run; once unless told. */
  readonly times?: number;
  /** How long clients may have to wait for service after the fault is over; 5 s unless told. */
  readonly recoveryLimitMs?: number;
  /** How long it may take until nothing is left of what it hit; 10 s unless told. */
  readonly settleLimitMs?: number;
  /** Resolves when the fault is over, as far as it ends by itself. */
  strike(struck: Struck): Promise<void>;
  /** What has to hold afterwards beside what holds after every fault; answers what does not, a line for each. */
  check?(struck: Struck): Promise<readonly string[]>;
}
