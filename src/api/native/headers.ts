/**
 * The headers of an invocation's answer, the same for success and failure.
 *
 * On the path of every invocation: one flat array, written by one `writeHead`, no objects in between.
 */
import { PHASES } from '../../core/receipt.ts';
import type { InvokeJsonAnswer } from '../../invocation/api.ts';

const TIMING_PREFIXES = PHASES.map((phase, at) => `${at === 0 ? '' : ', '}${phase};dur=`);

/** Name, value, name, value: as `writeHead` takes them. */
export const answerHeaders = (answer: InvokeJsonAnswer): string[] => [
  'Strata-Invocation-Id',
  answer.invocationId,
  'Strata-Start',
  answer.start,
  'Strata-Version',
  answer.version,
  'Strata-Cu-Seconds',
  cuSecondsText(answer.cuSeconds),
  'Server-Timing',
  serverTiming(answer.phases),
];

/** `queue;dur=0.020, provision;dur=0.000, …`: milliseconds with three decimals, in the order of `PHASES`. */
const serverTiming = (phases: readonly number[]): string => {
  let text = '';
  for (let at = 0; at < TIMING_PREFIXES.length; at++) {
    const durationMs = phases[at] ?? 0;
    text += TIMING_PREFIXES[at] + (durationMs === 0 ? '0.000' : durationMs.toFixed(3));
  }
  return text;
};

/** Nine decimals are the ledger's unit, the nanosecond; never in exponent form, which many clients do not read. */
const cuSecondsText = (cuSeconds: number): string => cuSeconds.toFixed(9);
