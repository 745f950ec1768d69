/**
 * Writes the committed results into bench/README.md, between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`, and those that
 * the project is known by into README.md, between `<!-- headlines -->` and `<!-- /headlines -->`.
 *
 * `node bench/tables.ts` rewrites the tables; `--check` only says whether they are current, and fails when not.
 * The tables come from `bench/results/*.json` and from nowhere else.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { REPOSITORY_ROOT } from './harness/machine.ts';
import { type BenchResult, toMarkdown } from './harness/result.ts';
import { headlineTable } from './headlines.ts';

export const RESULTS_FOLDER = `${REPOSITORY_ROOT}bench/results`;
const TABLES_PATH = `${REPOSITORY_ROOT}bench/README.md`;
const HEADLINES_PATH = `${REPOSITORY_ROOT}README.md`;

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

/** The text with the table of headlines replaced. @throws when it is not there. */
export const withHeadlines = (text: string, resultOf: (question: string) => BenchResult | null): string => {
  const place = /<!-- headlines -->[\s\S]*?<!-- \/headlines -->/;
  if (!place.test(text))
    throw new Error('there is no place for the headlines between <!-- headlines --> markers');
  const table = headlineTable(resultOf);
  return text.replace(place, () => `<!-- headlines -->\n\n${table}\n\n<!-- /headlines -->`);
};

/** Whether both files are as the results say; rewrites them unless `check`. */
export const updateTables = ({ check }: { check: boolean }): boolean => {
  const tables = update(TABLES_PATH, withTables, check);
  const headlines = update(HEADLINES_PATH, withHeadlines, check);
  return tables && headlines;
};

const update = (path: string, replaced: typeof withTables, check: boolean): boolean => {
  if (!existsSync(path)) throw new Error(`there is no ${path} to hold the bench tables`);
  const text = readFileSync(path, 'utf8');
  const next = replaced(text, readResult);
  if (!check && next !== text) writeFileSync(path, next);
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
    process.stderr.write(
      'bench/README.md or README.md differs from bench/results; run: node bench/tables.ts\n',
    );
    process.exitCode = 1;
  }
}
