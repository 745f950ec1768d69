/**
 * Tests that do not run: `.only` is an error, a skip needs its reason in a comment and is counted.
 */
import type { Finding } from './finding.ts';
import { lineAt, type SourceFile } from './source.ts';

const ONLY = /\b(?:it|test|describe|suite)(?:\.\w+)*\.only\b/g;
const SKIP = /\b(?:it|test|describe|suite|context)(?:\.\w+)*\.(?:skip|skipIf|runIf|todo)\b/g;

export const checkTests = (files: readonly SourceFile[]): { findings: Finding[]; skips: number } => {
  const findings: Finding[] = [];
  let skips = 0;
  for (const { path, bare, text } of files) {
    for (const match of bare.matchAll(ONLY)) {
      const message = `${match[0]} keeps the other tests from running; name the file on the command line instead`;
      findings.push({ path, line: lineAt(bare, match.index), message });
    }
    const lines = text.split('\n');
    for (const match of bare.matchAll(SKIP)) {
      skips += 1;
      const line = lineAt(bare, match.index);
      const near = [lines[line - 2], lines[line - 1]].join('\n');
      if (/\/\/|\*\//.test(near)) continue;
      findings.push({ path, line, message: `${match[0]} without a comment that says why it may be skipped` });
    }
  }
  return { findings, skips };
};
