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
  readonly headers?: Readonly<Record<string, string>>;
}

export interface WrkReport {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly latencyP50Ms: number;
  readonly latencyP99Ms: number;
  /** Answers that are not 2xx, and requests that failed or had no answer in time. */
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
const luaScript = ({ path, body, headers }: Load): string =>
  [
    'wrk.method = "POST"',
    `wrk.path = ${JSON.stringify(path)}`,
    `wrk.body = ${JSON.stringify(body)}`,
    ...Object.entries({ 'content-type': 'application/json', ...headers }).map(
      ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
    ),
    // wrk counts microseconds, and as `status` the answers above 399. A redirect is an error here too, but no
    // subject gives one: the callers check an answer before they load.
    'done = function(summary, latency, requests)',
    '  local e = summary.errors',
    '  io.write(string.format(',
    '    \'\\nREPORT {"requests":%d,"requestsPerSecond":%.3f,"latencyP50Ms":%.4f,"latencyP99Ms":%.4f,"errors":%d}\\n\',',
    '    summary.requests, summary.requests / (summary.duration / 1e6),',
    '    latency:percentile(50) / 1000, latency:percentile(99) / 1000,',
    '    e.connect + e.read + e.write + e.status + e.timeout))',
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
