/**
 * What an attack is: a small program or a request that should not get through, and the exact outcome that is promised.
 *
 * Owns the shapes and the few words that the tables under `corpus/` are written in. Cases are data: what runs them and
 * what is checked around each of them is in `run.ts`.
 */
import type { ErrorCode, LimitKind } from '../core/errors.ts';
import type { CodeUpload, FunctionSpecInput, ProcessModel, Runtime } from '../core/spec.ts';
import type { Target } from './target.ts';

export const GROUPS = [
  ...['cpu', 'async', 'error', 'memory', 'output', 'result', 'escape', 'cross'],
  ...['processes', 'privilege', 'protocol', 'network', 'upload', 'api'],
] as const;
export type Group = (typeof GROUPS)[number];

export type Outcome = ErrorCode | 'succeeded';

/** What one call promises. What is left out is not compared. */
export interface Expectation {
  /** A list only where the engine itself leaves open which of them comes first. */
  readonly code: Outcome | readonly Outcome[];
  /** The limit that the answer and the receipt name. */
  readonly limit?: LimitKind;
  /** What the function threw, as the receipt has it. */
  readonly error?: { readonly type?: string; readonly message?: string | RegExp };
  /** What the detail of a failure has to match. */
  readonly detail?: RegExp;
  /** The result of a success, compared deeply. */
  readonly result?: unknown;
  /** Every line of the log, in order. */
  readonly logs?: readonly (string | RegExp)[];
  readonly logTruncated?: boolean;
  /** CPU time that the receipt charges at least: who burns pays. */
  readonly minCpuMs?: number;
  /** What the receipt says of the network. */
  readonly network?: { readonly requests?: number; readonly refused?: number; readonly code?: ErrorCode };
}

export interface Call {
  /** The event; `{}` when left out. */
  readonly event?: unknown;
  readonly expect: Expectation;
}

/** One program for one runtime. */
export interface Attack {
  readonly code: CodeUpload;
  readonly spec?: Partial<FunctionSpecInput>;
  /** Calls one after the other; each waits for the answer of the one before. */
  readonly calls: readonly Call[];
  /** Both when left out. */
  readonly models?: readonly ProcessModel[];
  /** A deployment that is refused: then there are no calls. */
  readonly refused?: { readonly code: ErrorCode; readonly detail?: RegExp };
}

interface CaseBase {
  /** 1 to 114 are known attacks, a number each; from 200 on they are our own. */
  readonly id: number;
  readonly group: Group;
  /** What is tried, as a noun: "a regular expression that backtracks". */
  readonly name: string;
  /** Whether it may run against an installation that serves others: it takes no resource worth naming. */
  readonly harmless?: true;
}

/** An attack by a function, on each runtime to which it applies. */
export interface FunctionCase extends CaseBase {
  readonly attacks: Partial<Record<Runtime, Attack>>;
}

/** An attack on the server by whoever can reach it. */
export interface WireCase extends CaseBase {
  /** @throws Breach when the attack gets through. */
  readonly wire: (target: Target) => Promise<void>;
}

export type AttackCase = FunctionCase | WireCase;

/** Something got through, or was answered otherwise than promised. */
export class Breach extends Error {
  override readonly name = 'Breach';
}

/** @throws Breach with the text unless the condition holds. */
export const holds = (condition: boolean, text: string): void => {
  if (!condition) throw new Breach(text);
};

/** A CommonJS file whose handler has this body; `event`, `context` and `require` are at hand. */
export const js = (body: string): CodeUpload => ({
  source: `exports.handler = async (event, context) => { ${body} };`,
});

/** The same with a handler that is not async: what it returns is returned as it is. */
export const plainJs = (body: string): CodeUpload => ({
  source: `exports.handler = (event, context) => { ${body} };`,
});

/** A whole file. */
export const file = (source: string): CodeUpload => ({ source });

/** A Python file whose handler has this body, its lines indented by nothing. */
export const python = (body: string): CodeUpload => ({
  source: `import os, sys, time, errno\ndef handler(event, context):\n${body.replaceAll(/^/gm, '  ')}\n`,
});

/** The same program on both runtimes that speak JavaScript. */
export const onBothNodes = (attack: Attack): Partial<Record<Runtime, Attack>> => ({
  isolate: attack,
  nodejs24: attack,
});

/** One call with the event `{}`. */
export const once = (expect: Expectation): readonly Call[] => [{ expect }];

/** Stopped by the wall clock: CPU time is allowed in plenty. */
export const BY_WALL = {
  spec: { timeoutMs: 300, cpuMs: 20_000 },
  calls: once({ code: 'function_timeout', limit: 'timeoutMs' }),
} as const satisfies Partial<Attack>;

/** Stopped by CPU time, which is charged: the wall is far away. */
export const BY_CPU = {
  spec: { timeoutMs: 8_000, cpuMs: 150 },
  calls: once({ code: 'cpu_limit', limit: 'cpuMs', minCpuMs: 150 }),
} as const satisfies Partial<Attack>;
