/**
 * The figures that the project's README shows, in its words: each is a row's or a comparison's of a committed result.
 *
 * Owns the choice and the wording. No figure is written by hand: what a result does not hold is shown as not measured.
 */
import type { BenchResult, Target } from './harness/result.ts';
import { numberText, targetText } from './harness/result.ts';

interface Headline {
  readonly says: string;
  readonly question: string;
  /** The name of a comparison; or a row's subject and which of its figures. */
  readonly comparison?: string;
  readonly row?: RowFigure;
}

type RowFigure = readonly [subject: string, figure: string];

const TRACE_16 = (tier: string, what: string): string =>
  `the trace, ${tier}, 16 GB: strata, % less ${what} than fixed`;
const startOf = (subject: string): RowFigure => [subject, 'p50Ms'];

const HEADLINES: readonly Headline[] = [
  {
    says: 'isolate: a new function from a booted runtime, ms (median over HTTP)',
    question: 'cold-start',
    comparison: 'start from runtime, p50 ms',
  },
  {
    says: 'isolate: workerd’s Worker Loader (`load`) takes times as long',
    question: 'cold-start',
    comparison: 'Worker Loader load p50 ÷ start from runtime p50',
  },
  { says: 'isolate: loaded code, ms', question: 'cold-start', row: startOf('Strata, start code') },
  {
    says: 'isolate: from a process that is up, ms',
    question: 'cold-start',
    row: startOf('Strata, start container'),
  },
  { says: 'isolate: from nothing, ms', question: 'cold-start', row: startOf('Strata, start none') },
  {
    says: 'a spawned Node process, ms',
    question: 'cold-start',
    row: startOf('spawned Node process'),
  },
  {
    says: 'container: a new Node function from a booted runtime, ms',
    question: 'container-start',
    comparison: 'Node, start runtime, p50 ms',
  },
  {
    says: 'container: `docker run` of the same takes times as long',
    question: 'container-start',
    comparison: 'Node, docker run p50 ÷ start runtime p50',
  },
  {
    says: 'container: a new Python function from a booted runtime, ms',
    question: 'container-start',
    comparison: 'Python, start runtime, p50 ms',
  },
  {
    says: 'warm throughput, share of bare Fastify’s',
    question: 'throughput',
    comparison: 'Strata ÷ bare Fastify, 32 connections',
  },
  {
    says: 'a further warm function of one tenant, MB',
    question: 'density',
    comparison: 'a further warm function of one tenant, MB',
  },
  {
    says: 'trace, isolate, 16 GB: % less start latency than ten minutes of keep-alive',
    question: 'policies',
    comparison: TRACE_16('isolate', 'start latency'),
  },
  {
    says: 'trace, isolate, 16 GB: % less wasted memory',
    question: 'policies',
    comparison: TRACE_16('isolate', 'wasted memory'),
  },
  {
    says: 'trace, container, 16 GB: % less start latency',
    question: 'policies',
    comparison: TRACE_16('container', 'start latency'),
  },
  {
    says: 'trace, container, 16 GB: % less wasted memory',
    question: 'policies',
    comparison: TRACE_16('container', 'wasted memory'),
  },
  {
    says: 'placing a warm call among 10,000 functions, p99 µs',
    question: 'placement',
    comparison: 'warm, p99 µs at 10000 functions',
  },
  {
    says: 'goodput at five times the capacity, of the best (8 instances)',
    question: 'overload',
    comparison: '8 instances, goodput at 5 × ÷ the best',
  },
  {
    says: 'start beside another tenant’s flood, p99, times that alone',
    question: 'fairness',
    comparison: 'isolate, start p99, beside the flood ÷ alone',
  },
];

/** The table, in Markdown; targets that were missed are said so. */
export const headlineTable = (resultOf: (question: string) => BenchResult | null): string =>
  [
    '| what | measured | target | met | on |',
    '| --- | ---: | --- | --- | --- |',
    ...HEADLINES.map((headline) => lineOf(headline, resultOf(headline.question))),
  ].join('\n');

const lineOf = (headline: Headline, result: BenchResult | null): string => {
  const { value, target, met } = result === null ? UNKNOWN : figureOf(headline, result);
  const cells = [
    headline.says,
    value === null ? 'not measured' : numberText(value),
    targetText(target),
    met === null ? '' : met ? 'yes' : '**no**',
    value === null || result === null ? '' : result.startedAt.slice(0, 10),
  ];
  return `| ${cells.join(' | ')} |`;
};

interface Figure {
  readonly value: number | null;
  readonly target: Target | null;
  readonly met: boolean | null;
}

const UNKNOWN: Figure = { value: null, target: null, met: null };

const figureOf = ({ comparison, row }: Headline, { comparisons, rows }: BenchResult): Figure => {
  if (comparison !== undefined) return comparisons.find(({ name }) => name === comparison) ?? UNKNOWN;
  const found = rows.find(({ subject }) => subject === row?.[0]);
  return { ...UNKNOWN, value: found?.figures[row?.[1] ?? ''] ?? null };
};
