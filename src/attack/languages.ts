/**
 * The same attack in each language that knows it.
 *
 * Owns no case: the words in which attacks on engines are written.
 */
import type { CodeUpload, Runtime } from '../core/spec.ts';
import { type Attack, file, once } from './case.ts';

/** One idea as programs; `js` stands for both runtimes that speak JavaScript. */
interface Programs {
  readonly js?: CodeUpload;
  readonly isolate?: CodeUpload;
  readonly node?: CodeUpload;
  readonly py?: CodeUpload;
  readonly sh?: CodeUpload;
}

/** An attack but for its program: the limits, and what is promised. */
export type Bounds = Omit<Attack, 'code'>;

/** These programs with the same limits and the same outcome. */
export const inEach = (programs: Programs, bounds: Bounds): Partial<Record<Runtime, Attack>> => {
  const { js, isolate = js, node = js, py, sh } = programs;
  const codes = { isolate, nodejs24: node, python3: py, provided: sh };
  const attacks: Partial<Record<Runtime, Attack>> = {};
  for (const runtime of Object.keys(codes) as Runtime[]) {
    const code = codes[runtime];
    if (code !== undefined) attacks[runtime] = { code, ...bounds };
  }
  return attacks;
};

/** An ordinary failure: what the function threw. */
export const throws = (type: string, message?: string | RegExp): Bounds => ({
  calls: once({ code: 'function_error', error: { type, ...(message === undefined ? {} : { message }) } }),
});

export const succeeds = (result: unknown): Bounds => ({ calls: once({ code: 'succeeded', result }) });

/** Stopped while it is loaded, by the time that loading may take. */
export const byInitTime = (initTimeoutMs: number): Bounds => ({
  spec: { initTimeoutMs },
  calls: once({ code: 'init_timeout', limit: 'initTimeoutMs' }),
});

/** Stopped by CPU time as `BY_CPU` has it, where a call promises more than that. */
export const CPU_LIMIT = { code: 'cpu_limit', limit: 'cpuMs', minCpuMs: 150 } as const;

/** A Python file whose handler is asynchronous. */
export const asyncPython = (body: string): CodeUpload =>
  file(`import asyncio\nasync def handler(event, context):\n${body.replaceAll(/^/gm, '  ')}\n`);
