/**
 * The files that documents name: each has to exist, so that a document cannot outlive what it describes.
 */
import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { Finding } from './finding.ts';
import { lineAt, ROOT } from './source.ts';

const LINK = /\]\((?!https?:|#)([^)#\s]+)/g;
const QUOTED = /`((?:src|test|bench|scripts|docs|examples|bin|\.ci)\/[\w./-]*)`/g;

export const checkDocument = (path: string, text: string): Finding[] => {
  const findings: Finding[] = [];
  const check = (target: string, named: string, offset: number): void => {
    if (existsSync(join(ROOT, target))) return;
    findings.push({ path, line: lineAt(text, offset), message: `${named} does not exist; name what does` });
  };
  for (const match of text.matchAll(LINK)) {
    const named = match[1] ?? '';
    check(posix.join(posix.dirname(path), named), named, match.index);
  }
  for (const match of text.matchAll(QUOTED)) check(match[1] ?? '', match[1] ?? '', match.index);
  return findings;
};
