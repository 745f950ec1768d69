/**
 * Where a bench's trace comes from: a folder of the user's, or the seeded generator where there is none.
 *
 * Owns the parts that are played. Says what a trace is in words and never where it lay.
 */
import { readAzureTrace } from '../../src/simulator/azure-trace.ts';
import { generateTrace, usualInvocations } from '../../src/simulator/generator.ts';
import { halves } from '../../src/simulator/slices.ts';
import type { Trace } from '../../src/simulator/trace.ts';

export const TRACE_PARTS = ['whole', 'first half', 'second half'] as const;
export type TracePart = (typeof TRACE_PARTS)[number];

export type TraceOrigin =
  | { readonly folder: string }
  | { readonly functions: number; readonly minutes: number; readonly seed: number };

export interface TraceSource {
  readonly origin: TraceOrigin;
  readonly part: TracePart;
}

/** What was tuned on one half was never seen in the other: the same halves whatever the seed of a run. */
const HALVES_SEED = 1;

export const loadTrace = async ({ origin, part }: TraceSource): Promise<Trace> => {
  const whole =
    'folder' in origin
      ? await readAzureTrace(origin.folder)
      : generateTrace({ ...origin, invocations: usualInvocations(origin.functions, origin.minutes) });
  if (part === 'whole') return whole;
  return halves(whole, HALVES_SEED)[part === 'first half' ? 0 : 1];
};

/** `the trace`, `generated 2, first half`. */
export const nameOf = ({ origin, part }: TraceSource): string => {
  const name = 'folder' in origin ? 'the trace' : `generated ${origin.seed}`;
  return part === 'whole' ? name : `${name}, ${part}`;
};
