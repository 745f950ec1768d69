/**
 * Writes the committed results into bench/README.md, between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`.
 *
 * `node bench/tables.ts` rewrites the tables; `--check` only says whether they are current, and fails when not.
 * The tables come from `bench/results/*.json` and from nowhere else.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { REPOSITORY_ROOT } from './harness/machine.ts';
import { type BenchResult, toMarkdown } from './harness/result.ts';

export const RESULTS_FOLDER = `${REPOSITORY_ROOT}bench/results`;
const TABLES_PATH = `${REPOSITORY_ROOT}bench/README.md`;

/** The text with every table replaced; one without a result says so. @throws when a marker is not closed. */
export const withTables = (text: string, resultOf: (question: string) => BenchResult | null): string => {
  const opened = [...text.matchAll(/<!-- bench:([a-z-]+) -->/g)].length;
  let replaced = 0;
  const next = text.replace(
    /<!-- bench:([a-z-]+) -->[\s\S]*?<!-- \/bench:\1 -->/g,
    (_whole, question: string) => {
      replaced += 1;
      const result = resultOf(question);
      const table =
        result === null
          ? `Not measured yet: \`npx node bench/run.ts --only ${question}\`.`
          : toMarkdown(result);
      return `<!-- bench:${question} -->\n${table}\n<!-- /bench:${question} -->`;
    },
  );
  if (replaced !== opened) {
    throw new Error(
      `${opened} bench tables are opened and ${replaced} closed; add the missing <!-- /bench:… -->`,
    );
  }
  return next;
};

/** Whether bench/README.md is as its results say; rewrites it unless `check`. */
export const updateTables = ({ check }: { check: boolean }): boolean => {
  if (!existsSync(TABLES_PATH)) throw new Error('there is no bench/README.md to hold the bench tables');
  const text = readFileSync(TABLES_PATH, 'utf8');
  const next = withTables(text, readResult);
  if (!check && next !== text) writeFileSync(TABLES_PATH, next);
  return next === text;
};

const readResult = (question: string): BenchResult | null => {
  const path = `${RESULTS_FOLDER}/${question}.json`;
  if (!existsSync(path)) return null;
  return JSON.parse(readFileSync(path, 'utf8')) as BenchResult;
};

if (import.meta.main) {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  const current = updateTables({ check: values.check });
  if (values.check && !current) {
    process.stderr.write('bench/README.md differs from bench/results; run: node bench/tables.ts\n');
    process.exitCode = 1;
  }
}
