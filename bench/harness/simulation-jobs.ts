/**
 * Runs simulations in processes of their own, several at once, and watches their memory.
 *
 * Owns the processes: each has one job, given as its argument, and prints its answer as one line of JSON. A run of its
 * own process is as long and as large as it would be alone.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Tier } from '../../src/core/spec.ts';
import type { PolicyName } from '../../src/pool/policy/api.ts';
import { createPolicy } from '../../src/pool/policy/policies.ts';
import { systemClock } from '../../src/ports/clock.ts';
import type { Bounds } from '../../src/simulator/api.ts';
import type { RunFigures } from '../../src/simulator/results.ts';
import { boundOf, play } from '../../src/simulator/simulation.ts';
import { summaryOf, type TraceSummary } from '../../src/simulator/trace.ts';
import { divide, median } from './stats.ts';
import { loadTrace, type TraceSource } from './trace-source.ts';

export interface RunJob {
  readonly kind: 'run';
  readonly source: TraceSource;
  readonly tier: Tier;
  readonly budgetGb: number;
  readonly policy: PolicyName;
  readonly seed: number;
}

/** What no policy can pass, and what the trace is. */
export interface BoundJob {
  readonly kind: 'bound';
  readonly source: TraceSource;
  readonly tiers: readonly Tier[];
  readonly seed: number;
}

export interface RunAnswer {
  readonly figures: RunFigures;
  /** Of the simulation alone, without reading the trace. */
  readonly seconds: number;
  readonly invocationsPerSecond: number;
  readonly peakRssMb: number;
  /** The median of the last quarter of the run over that of the second: 1 when memory is flat. */
  readonly rssGrowth: number | null;
}

export interface BoundAnswer {
  readonly trace: TraceSummary;
  readonly bounds: Readonly<Partial<Record<Tier, Bounds>>>;
}

export type AnswerOf<Job> = Job extends RunJob ? RunAnswer : BoundAnswer;

const TIMEOUT_MS = 600_000;
const RSS_INTERVAL_MS = 100;
const MB = 1e6;

/** The answers in the order of the jobs. @throws when a job fails. */
export const runJobs = async <Job extends RunJob | BoundJob>(
  jobs: readonly Job[],
  parallel: number,
  done: (job: Job, answer: AnswerOf<Job>) => void,
): Promise<readonly AnswerOf<Job>[]> => {
  const answers: AnswerOf<Job>[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < jobs.length) {
      const at = next;
      next += 1;
      const job = jobs[at];
      if (job === undefined) return;
      const answer = (await inProcess(job)) as AnswerOf<Job>;
      answers[at] = answer;
      done(job, answer);
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return answers;
};

const inProcess = (job: RunJob | BoundJob): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), JSON.stringify(job)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
      else reject(new Error(`a simulation ended with ${code ?? signal}`));
    });
  });

/** Here and now. */
const runHere = async (job: RunJob): Promise<RunAnswer> => {
  const trace = await loadTrace(job.source);
  const policy = createPolicy(job.policy);
  const samples: number[] = [];
  const sample = (): void => void samples.push(process.memoryUsage.rss() / MB);
  sample();
  const timer = setInterval(sample, RSS_INTERVAL_MS);
  const startedMs = systemClock.nowMs();
  const figures = await play(trace, { ...job, policy });
  const seconds = (systemClock.nowMs() - startedMs) / 1_000;
  clearInterval(timer);
  sample();
  return {
    ...{ figures, seconds, invocationsPerSecond: trace.invocations / seconds },
    ...{ peakRssMb: Math.max(...samples), rssGrowth: growthOf(samples) },
  };
};

export const growthOf = (samples: readonly number[]): number | null => {
  const quarter = Math.floor(samples.length / 4);
  return divide(median(samples.slice(-quarter)), median(samples.slice(quarter, 2 * quarter)));
};

const boundHere = async ({ source, tiers, seed }: BoundJob): Promise<BoundAnswer> => {
  const trace = await loadTrace(source);
  return {
    trace: summaryOf(trace),
    bounds: Object.fromEntries(tiers.map((tier) => [tier, boundOf(trace, tier, seed)])),
  };
};

if (import.meta.main) {
  const job = JSON.parse(process.argv[2] ?? '') as RunJob | BoundJob;
  const answer = job.kind === 'run' ? await runHere(job) : await boundHere(job);
  process.stdout.write(JSON.stringify(answer));
}
