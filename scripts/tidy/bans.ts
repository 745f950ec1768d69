/**
 * What may not stand in the files: each ban names its replacement.
 *
 * Owns the lists and their exact exceptions. An exception that no longer matches is an error.
 */
import { isTest } from './directions.ts';
import type { Finding } from './finding.ts';
import { lineAt, type SourceFile } from './source.ts';

interface CallBan {
  readonly pattern: RegExp;
  readonly instead: string;
  /** Tests start programs of their own to look at them from outside. */
  readonly testsMay?: true;
}

const CALLS: readonly CallBan[] = [
  {
    pattern: /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bprocess\.hrtime\b/g,
    instead: 'take a Clock (src/ports/clock.ts)',
  },
  {
    pattern: /(?<![.\w])set(?:Timeout|Interval)\b|\bnode:timers/g,
    instead: 'take a Clock (src/ports/clock.ts) and its setTimer',
  },
  { pattern: /\bMath\.random\b/g, instead: 'take a Random (src/ports/random.ts)' },
  { pattern: /\bprocess\.env\b/g, instead: 'take a Config (src/config/config.ts)' },
  { pattern: /\bprocess\.argv\b/g, instead: 'take the arguments from src/main.ts' },
  {
    pattern: /\bfrom 'node:child_process'/g,
    instead: 'take Processes (src/ports/processes.ts)',
    testsMay: true,
  },
];

/** Where time, chance and the process's surroundings may be touched. */
const FREE = [/^src\/ports\//, /^src\/guest\//, /^src\/main\.ts$/];

interface Exception {
  readonly path: string;
  readonly text: string;
  readonly reason: string;
}

const EXCEPTIONS: readonly Exception[] = [
  {
    path: 'src/sandbox/isolate/host/main.ts',
    text: 'process.argv',
    reason: 'a host is a program of its own; its options are its one argument',
  },
  {
    path: 'src/egress/broker/main.ts',
    text: 'process.argv',
    reason: 'the broker is a program of its own; its options are its one argument',
  },
];

export const checkCalls = (files: readonly SourceFile[]): Finding[] => {
  const findings: Finding[] = [];
  const used = new Set<Exception>();
  for (const file of files) {
    if (FREE.some((pattern) => pattern.test(file.path))) continue;
    for (const { pattern, instead, testsMay } of CALLS) {
      if (testsMay && isTest(file.path)) continue;
      const text = pattern.source.includes('node:') ? file.code : file.bare;
      for (const match of text.matchAll(pattern)) {
        const exception = EXCEPTIONS.find(({ path, text: seen }) => path === file.path && seen === match[0]);
        if (exception !== undefined) used.add(exception);
        else {
          const line = lineAt(text, match.index);
          findings.push({ path: file.path, line, message: `${match[0]} is banned here; ${instead}` });
        }
      }
    }
  }
  for (const exception of EXCEPTIONS) {
    if (used.has(exception)) continue;
    const message = `the exception for ${exception.text} in ${exception.path} is not needed; drop it`;
    findings.push({ path: 'scripts/tidy/bans.ts', line: 1, message });
  }
  return findings;
};

interface WordBan {
  readonly pattern: RegExp;
  readonly instead: string;
}

/** Put together from parts, so that this file does not break its own rule. */
const marker = (...parts: string[]): string => parts.join('');
const WORDS: readonly WordBan[] = [
  {
    pattern: new RegExp(`\\b(?:${marker('TO', 'DO')}|${marker('FIX', 'ME')}|${marker('X', 'XX')})\\b`, 'g'),
    instead: 'do it, or describe it in an issue',
  },
  {
    pattern: new RegExp(`(?<![\\w.])/(?:${marker('wo', 'rk')}|${marker('ro', 'ot')}|home/\\w+)/`, 'g'),
    instead: 'a path of one machine; compute it from import.meta.dirname or os.tmpdir()',
  },
  {
    pattern: new RegExp(`https?://(?:[\\w-]+\\.)*${marker('reg', 'istry')}\\.(?!npmjs\\.org)[\\w.-]+`, 'g'),
    instead: 'a registry of one network; leave the choice to npm’s own configuration',
  },
];

/** Marks that no text file of the repository may carry. */
export const checkWords = (path: string, text: string): Finding[] =>
  WORDS.flatMap(({ pattern, instead }) =>
    [...text.matchAll(pattern)].map((match) => ({
      path,
      line: lineAt(text, match.index),
      message: `${match[0]} is banned: ${instead}`,
    })),
  );
