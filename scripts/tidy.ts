/**
 * Style as a test: what formatter and linter do not see. Fails on the first kind of finding, remarks on the second.
 *
 * Owns the list of rules; each lies in `scripts/tidy/`. The length of functions is the linter's
 * (`noExcessiveLinesPerFunction` in biome.json).
 */
import { checkCalls, checkWords } from './tidy/bans.ts';
import { findCycles } from './tidy/cycles.ts';
import { checkDirections } from './tidy/directions.ts';
import { checkDocument } from './tidy/documents.ts';
import type { Finding } from './tidy/finding.ts';
import { readSource, readText, repositoryFiles, type SourceFile } from './tidy/source.ts';
import { checkTests } from './tidy/tests.ts';

const LINES_MAX = 500;
const TEST_LINES_MAX = 800;
const LINES_REMARK = 300;

/** Text that nobody here writes by hand. */
const GENERATED = /^package-lock\.json$|\.(?:png|svg|ico|woff2?|zip|gz)$/;
const IN_TESTS = /\.test\.ts$|\.suite\.ts$|^test\//;

const lengths = (files: readonly SourceFile[]): { errors: Finding[]; remarks: Finding[] } => {
  const errors: Finding[] = [];
  const remarks: Finding[] = [];
  for (const { path, text } of files) {
    const lines = text.split('\n').length - 1;
    const max = IN_TESTS.test(path) ? TEST_LINES_MAX : LINES_MAX;
    const message = `${lines} lines; ${max} are allowed. Split it by what its parts own`;
    if (lines > max) errors.push({ path, line: lines, message });
    else if (lines > LINES_REMARK && !IN_TESTS.test(path)) {
      remarks.push({ path, line: lines, message: `${lines} lines; think again at ${LINES_REMARK}` });
    }
  }
  return { errors, remarks };
};

const show = (kind: string, { path, line, message }: Finding): string =>
  `${kind} ${path}:${line}  ${message}`;

const paths = repositoryFiles();
const sources = paths.filter((path) => /\.(?:ts|js)$/.test(path)).map(readSource);
const server = sources.filter(({ path }) => path.startsWith('src/') && path.endsWith('.ts'));
const cycles = findCycles(sources);
const long = lengths(sources);
const tests = checkTests(sources);

const errors = [
  ...checkDirections(server),
  ...cycles.values,
  ...checkCalls(server),
  ...paths.filter((path) => !GENERATED.test(path)).flatMap((path) => checkWords(path, readText(path))),
  ...paths.filter((path) => path.endsWith('.md')).flatMap((path) => checkDocument(path, readText(path))),
  ...long.errors,
  ...tests.findings,
];
const remarks = [...cycles.types, ...long.remarks];

for (const finding of remarks) console.log(show('remark', finding));
for (const finding of errors) console.log(show('error ', finding));
console.log(
  `${paths.length} files: ${errors.length} errors, ${remarks.length} remarks, ${tests.skips} tests that may be skipped`,
);
if (errors.length > 0) process.exitCode = 1;
