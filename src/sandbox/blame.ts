/**
 * Who is to blame when a carrier dies with calls in flight.
 *
 * Owns that decision, as a pure function. The rule: blame needs proof. One candidate alone is proof; several are
 * all suspects and none is blamed; whoever waited for a timer was not running and is no candidate; and a SIGKILL from
 * outside proves nothing, because nothing that runs in a sandbox can send one.
 */
import { type Failure, failure } from '../core/errors.ts';
import type { KillCause } from './api.ts';

export interface Candidate {
  readonly parked: boolean;
  /** The instance it runs in. */
  readonly instance: number;
  readonly memoryMb: number;
}

export interface Death {
  readonly cause: KillCause | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Nothing that runs in the sandbox can have caused it. */
  readonly external: boolean;
  readonly stderr: string;
  /** The instance in which the engine reported that memory ran out; null when it did not. */
  readonly catastrophe: number | null;
  /** The process's bound and what was seen, when the watchdog killed it. */
  readonly processMemory: { readonly limitMb: number; readonly observedMb: number } | null;
}

export interface Verdict<C extends Candidate> {
  readonly failures: ReadonlyMap<C, Failure>;
  /** Who may have done it. */
  readonly suspects: readonly C[];
  /** There is one suspect, and nothing but it can have been the cause. */
  readonly proven: boolean;
}

const OUT_OF_MEMORY = /out of memory|invalid (?:array|string|size)|allocation failed|heap limit/i;

export const assignBlame = <C extends Candidate>(calls: readonly C[], death: Death): Verdict<C> => {
  const failures = new Map<C, Failure>();
  const suspects = suspectsOf(calls, death);
  // A SIGKILL that the server did not send came from the machine: the kernel short of memory, or a person.
  const fromOutside = death.cause === null && (death.external || death.signal === 'SIGKILL');
  const sole = suspects.length === 1 && !fromOutside ? suspects[0] : undefined;
  for (const call of calls) {
    failures.set(call, call === sole ? proven(call, death) : lost(death));
  }
  return { failures, suspects, proven: sole !== undefined };
};

const suspectsOf = <C extends Candidate>(calls: readonly C[], death: Death): readonly C[] => {
  // The server's own reasons incriminate nobody; after `unresponsive` the offender has been answered already.
  if (death.cause !== null && death.cause !== 'memory' && death.cause !== 'protocol') return [];
  const running = calls.filter((call) => !call.parked);
  const inPlace = running.filter((call) => call.instance === death.catastrophe);
  return inPlace.length > 0 ? inPlace : running;
};

const proven = (call: Candidate, death: Death): Failure => {
  if (death.cause === 'protocol') {
    return failure('protocol_error', 'The sandbox broke the protocol while this invocation ran alone in it.');
  }
  if (death.processMemory !== null) {
    const { limitMb, observedMb } = death.processMemory;
    return failure(
      'memory_limit',
      `The process around the function reached ${observedMb} MB; ${limitMb} MB were allowed. Use less memory or raise memoryMb.`,
      { limit: { kind: 'processMemoryMb', configured: limitMb, observed: observedMb } },
    );
  }
  if (death.catastrophe !== null || OUT_OF_MEMORY.test(death.stderr)) {
    return failure(
      'memory_limit',
      `The function needed more than the ${call.memoryMb} MB that memoryMb allows, and the engine gave up. Use less memory or raise memoryMb.`,
      { limit: { kind: 'memoryMb', configured: call.memoryMb, observed: null } },
    );
  }
  const how = death.signal ?? `exit code ${death.exitCode}`;
  return failure(
    'sandbox_exited',
    `The sandbox ended (${how}) while it ran this invocation alone. The same input will probably do it again.`,
  );
};

const lost = (death: Death): Failure =>
  failure(
    'sandbox_lost',
    death.cause === 'shutdown'
      ? 'The server shut down before the invocation finished. Retry.'
      : 'The process around the invocation ended, and it is not proven that this invocation caused it. Retry.',
  );
