/**
 * What all fuzz tests share: seeded dice, a mutator of bytes, and the loop that runs a target.
 *
 * Each run has a seed of its own, made from STRATA_FUZZ_SEED, the target and the number of the run, so that one run can
 * be played again alone: a failure says how. STRATA_FUZZ_RUNS is how many times the usual number of runs is made. Never
 * reads a clock: what bounds a target is counted.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Randomness for one run. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to 2^32 − 1 (mulberry32). */
  word(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** 0 to `below` − 1. */
  int(below: number): number {
    return below <= 1 ? 0 : this.word() % below;
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.int(times) === 0;
  }

  pick<T>(list: readonly T[]): T {
    const index = this.int(list.length);
    if (list.length === 0) throw new RangeError('nothing to pick from');
    return list[index] as T;
  }

  bytes(count: number): Buffer {
    return Buffer.from(Uint8Array.from({ length: count }, () => this.word() & 0xff));
  }

  /** Small numbers mostly, now and then a large one. */
  size(most: number): number {
    return this.int(2 ** this.int(Math.ceil(Math.log2(most + 1)) + 1)) % (most + 1);
  }
}

/** Numbers at which lengths and counts go wrong. */
const EDGES = [
  0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
];

type Change = (dice: Dice, bytes: Buffer, others: readonly Uint8Array[]) => Buffer;

const splice = (bytes: Buffer, at: number, removed: number, added: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)]);

/** A part of some other input, or of this one. */
const partOf = (dice: Dice, bytes: Buffer, others: readonly Uint8Array[]): Uint8Array => {
  const source = others.length > 0 ? dice.pick(others) : bytes;
  const start = dice.int(source.length + 1);
  return source.subarray(start, start + dice.size(source.length - start));
};

const CHANGES: readonly Change[] = [
  (dice, bytes) => {
    const changed = Buffer.from(bytes);
    for (let flips = 1 + dice.int(4); flips > 0 && changed.length > 0; flips -= 1) {
      const at = dice.int(changed.length);
      changed[at] = (changed[at] ?? 0) ^ (1 << dice.int(8));
    }
    return changed;
  },
  (dice, bytes) => splice(bytes, dice.int(bytes.length + 1), 1, dice.bytes(1)),
  (dice, bytes) => bytes.subarray(0, dice.int(bytes.length + 1)),
  (dice, bytes) => splice(bytes, dice.int(bytes.length + 1), dice.size(bytes.length), Buffer.alloc(0)),
  (dice, bytes) => splice(bytes, dice.int(bytes.length + 1), 0, dice.bytes(1 + dice.int(8))),
  (dice, bytes, others) => splice(bytes, dice.int(bytes.length + 1), 0, partOf(dice, bytes, others)),
  (dice, bytes, others) => {
    const part = partOf(dice, bytes, others);
    return splice(bytes, dice.int(bytes.length + 1), part.length, part);
  },
  (dice, bytes) => {
    // A field of some width becomes a number at which such fields go wrong, or nearly what it was.
    const width = dice.pick([1, 2, 4]);
    if (bytes.length < width) return bytes;
    const changed = Buffer.from(bytes);
    const at = dice.int(bytes.length - width + 1);
    const before = changed.readUIntLE(at, width);
    const value = dice.once(2) ? dice.pick(EDGES) : before + dice.pick([-1, 1, 4, -4, 42, -42]);
    changed.writeUIntLE((value >>> 0) % 2 ** (8 * width), at, width);
    return changed;
  },
];

/** A few changes to the bytes: flips, cuts, copies, splices of others, lengths at their edges. */
export const mutate = (dice: Dice, bytes: Uint8Array, others: readonly Uint8Array[] = []): Buffer => {
  let changed = Buffer.from(bytes);
  for (let changes = 1 + dice.int(3); changes > 0; changes -= 1)
    changed = Buffer.from(dice.pick(CHANGES)(dice, changed, others));
  return changed;
};

/** The same bytes in pieces: many small ones, a few, or each byte alone. */
export const pieces = (dice: Dice, bytes: Buffer): Buffer[] => {
  const most = dice.pick([1, 3, 16, 64, Math.max(1, bytes.length)]);
  const cut: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + dice.int(most);
    cut.push(bytes.subarray(at, at + length));
    at += length;
  }
  return cut;
};

const number = (name: string, otherwise: number): number => {
  const text = process.env[name];
  const value = text === undefined || text === '' ? otherwise : Number(text);
  if (!Number.isFinite(value)) throw new RangeError(`${name} must be a number; it is ${text}`);
  return value;
};

const SEED = number('STRATA_FUZZ_SEED', 1);
const FACTOR = number('STRATA_FUZZ_RUNS', 1);
const ONLY = number('STRATA_FUZZ_RUN', -1);

/** Mixes the parts of a run's name into its seed (FNV-1a). */
const seedOf = (target: string, run: number): number => {
  let hash = 0x811c9dc5;
  for (const unit of `${SEED}/${target}/${run}`)
    hash = Math.imul(hash ^ unit.charCodeAt(0), 0x01000193) >>> 0;
  return hash;
};

/**
 * Runs a target with ever new dice. The first run that throws ends it, with the words to play that run again.
 * @param runs how many runs are usual.
 */
export const fuzz = async (
  target: string,
  runs: number,
  body: (dice: Dice, run: number) => void | Promise<void>,
): Promise<void> => {
  const last = Math.max(1, Math.round(runs * FACTOR));
  const first = Math.max(0, ONLY);
  const end = ONLY < 0 ? last : ONLY + 1;
  for (let run = first; run < end; run += 1) {
    try {
      await body(new Dice(seedOf(target, run)), run);
    } catch (cause) {
      note(target, run + 1, 1);
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(
        `${target}: ${reason}\nplay it again with STRATA_FUZZ_SEED=${SEED} STRATA_FUZZ_RUN=${run}`,
        { cause },
      );
    }
  }
  note(target, last, 0);
};

export interface FuzzResult {
  readonly target: string;
  readonly seed: number;
  readonly runs: number;
  readonly findings: number;
}

/** Adds a line to the report's results, where somebody wants them; the files of this folder run one after another. */
const note = (target: string, runs: number, findings: number): void => {
  const folder = process.env.STRATA_REPORT_DIR;
  if (folder === undefined || folder === '') return;
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'fuzz.json');
  const before = readResults(path).filter((result) => result.target !== target || result.seed !== SEED);
  writeFileSync(path, JSON.stringify([...before, { target, seed: SEED, runs, findings }], null, 2));
};

const readResults = (path: string): readonly FuzzResult[] => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as FuzzResult[];
  } catch {
    return [];
  }
};

/** Bytes as a failure shows them. */
export const hex = (bytes: Uint8Array): string =>
  bytes.length <= 600
    ? Buffer.from(bytes).toString('hex')
    : `${Buffer.from(bytes.subarray(0, 600)).toString('hex')}… (${bytes.length})`;
