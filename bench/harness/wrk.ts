/**
 * Load from wrk: one thread, a fixed number of kept-alive connections, POST requests with one body.
 *
 * Owns the generated script and the reading of its answer. Never judges: an error count other than zero is for the
 * caller to refuse.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from './children.ts';
import { median } from './stats.ts';

export interface Load {
  readonly url: string;
  readonly path: string;
  readonly body: string;
  /** The body that every answer must have; looking at each costs wrk time, so only slow subjects have it. */
  readonly expectedBody?: string;
}

export interface WrkReport {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly latencyP50Ms: number;
  readonly latencyP99Ms: number;
  /** Answers above status 399 or with another body than expected, and requests without an answer in time. */
  readonly errors: number;
}

export const runWrk = async (
  scope: Scope,
  load: Load,
  connections: number,
  seconds: number,
): Promise<WrkReport> => {
  const script = join(scope.temporaryFolder(), 'load.lua');
  writeFileSync(script, luaScript(load));
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', script, load.url];
  const output = await runToEnd('wrk', args);
  const json = /^REPORT (.*)$/m.exec(output)?.[1];
  if (json === undefined) throw new Error(`wrk gave no report:\n${output}`);
  return JSON.parse(json) as WrkReport;
};

/** Several reports of the same load as figures: the median with its range, and the medians of the latencies. */
export const wrkFigures = (reports: readonly WrkReport[]): Record<string, number | null> => {
  const rates = reports.map((report) => report.requestsPerSecond);
  return {
    requestsPerSecondMedian: median(rates),
    requestsPerSecondMin: rates.length === 0 ? null : Math.min(...rates),
    requestsPerSecondMax: rates.length === 0 ? null : Math.max(...rates),
    latencyP50Ms: median(reports.map((report) => report.latencyP50Ms)),
    latencyP99Ms: median(reports.map((report) => report.latencyP99Ms)),
    // Zero errors are a condition of having figures at all.
    errors: reports.length === 0 ? null : reports.reduce((sum, report) => sum + report.errors, 0),
  };
};

/** Texts are ASCII without escapes that Lua reads differently from JSON. */
const luaScript = ({ path, body, expectedBody }: Load): string =>
  [
    'wrk.method = "POST"',
    `wrk.path = ${JSON.stringify(path)}`,
    `wrk.body = ${JSON.stringify(body)}`,
    'wrk.headers["content-type"] = "application/json"',
    // The one thread has its own Lua state; `done` runs in another and fetches the count from it.
    'wrong = 0',
    'local loader',
    'setup = function(thread) loader = thread end',
    ...(expectedBody === undefined
      ? []
      : [
          'response = function(status, headers, body)',
          // Answers above status 399 are counted by wrk itself.
          `  if status < 400 and body ~= ${JSON.stringify(expectedBody)} then wrong = wrong + 1 end`,
          'end',
        ]),
    'done = function(summary, latency, requests)',
    '  local e = summary.errors',
    '  io.write(string.format(',
    '    \'\\nREPORT {"requests":%d,"requestsPerSecond":%.3f,"latencyP50Ms":%.4f,"latencyP99Ms":%.4f,"errors":%d}\\n\',',
    '    summary.requests, summary.requests / (summary.duration / 1e6),',
    '    latency:percentile(50) / 1000, latency:percentile(99) / 1000,',
    '    e.connect + e.read + e.write + e.status + e.timeout + loader:get("wrong")))',
    'end',
    '',
  ].join('\n');

const runToEnd = (command: string, args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      const output = Buffer.concat(chunks).toString('utf8');
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ended with ${code}:\n${output}`));
    });
  });
