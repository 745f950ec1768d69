import { EventEmitter } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { Command, CommanderError } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SimulationOptions, SimulationResult } from '../../simulator/api.ts';
import { RunResults } from '../../simulator/results.ts';
import { summaryOf } from '../../simulator/trace.ts';
import { addSim } from './sim.ts';

let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strata-sim-'));
});

afterEach(() => rm(folder, { recursive: true }));

/** Runs `strata sim` with a simulation that only notes what it was asked, and says that nothing happened. */
const sim = async (...argv: readonly string[]) => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const asked: SimulationOptions[] = [];
  const program = new Command('strata').exitOverride().configureOutput({
    ...{ writeOut: (text) => void stdout.write(text), writeErr: (text) => void stderr.write(text) },
  });
  const context = {
    ...{
      env: {},
      stdin: Readable.from([]),
      stdout,
      stderr,
      fetch,
      signals: new EventEmitter(),
      exit: () => {},
      wait: async () => {},
    },
  };
  addSim(program, context, async (options): Promise<SimulationResult> => {
    asked.push(options);
    options.progress?.('playing\u001b');
    const { trace, seed, tiers, budgetsGb, policies } = options;
    const figures = new RunResults().figures();
    const runs = tiers.flatMap((tier) =>
      budgetsGb.flatMap((budgetGb) => policies.map((policy) => ({ tier, budgetGb, policy, figures }))),
    );
    return { version: '0.1.0', trace: summaryOf(trace), seed, costs: {}, settings: {}, bounds: {}, runs };
  });
  const error: unknown = await program.parseAsync(['sim', ...argv], { from: 'user' }).then(
    () => null,
    (thrown) => thrown,
  );
  stdout.end();
  stderr.end();
  const text = async (stream: PassThrough) => Buffer.concat(await stream.toArray()).toString();
  return { asked, error, stdout: await text(stdout), stderr: await text(stderr) };
};

const SMALL = ['--generate', '--functions', '20', '--minutes', '30'];

const writeTrace = async (): Promise<void> => {
  const hashes = 'HashOwner,HashApp,HashFunction';
  const percentiles = [0, 1, 25, 50, 75, 99, 100].map((each) => `percentile_Average_${each}`);
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const rows = (tail: string): string => names.map((name) => `${name},${name},${name},${tail}\n`).join('');
  await writeFile(join(folder, '1.csv'), `${hashes},Trigger,7,8,9\n${rows('http,1,2,3')}`);
  await writeFile(join(folder, '2.csv'), `${hashes},${percentiles}\n${rows('1,1,1,1,1,1,1')}`);
  await writeFile(join(folder, '3.csv'), `${hashes},AverageAllocatedMb\n${rows('9')}`);
};

describe('strata sim', () => {
  it('plays a generated trace with every policy, the three budgets and both tiers unless told otherwise', async () => {
    const { asked, error, stdout, stderr } = await sim(...SMALL);
    expect(error).toBeNull();
    expect(asked[0]).toMatchObject({
      policies: ['fixed', 'histogram', 'greedy-dual', 'layered', 'strata'],
      ...{ budgetsGb: [4, 16, 64], tiers: ['isolate', 'container'], seed: 1 },
    });
    expect(asked[0]?.trace).toMatchObject({ minutes: 30 });
    expect(asked[0]?.trace.functions).toHaveLength(20);
    expect(stdout).toMatch(/^strata 0\.1\.0, seed 1\nFUNCTIONS/);
    expect(stdout).toMatch(/\n\ncontainer, 64 GB\nPOLICY /);
    expect(stderr).toMatch(
      /^generating the trace\n20 functions, \d+ invocations, 30 minutes\nplaying\\u001b\n$/,
    );
  });

  it('takes lists, a seed, and answers in JSON with what was asked', async () => {
    const { asked, stdout } = await sim(
      ...[
        ...SMALL,
        '--policies',
        'fixed, strata',
        '--budgets-gb',
        '0.5,8',
        '--tier',
        'isolate',
        '--seed',
        '9',
        '--json',
      ],
    );
    expect(asked[0]).toMatchObject({
      policies: ['fixed', 'strata'],
      budgetsGb: [0.5, 8],
      tiers: ['isolate'],
      seed: 9,
    });
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ input: { generate: true, functions: 20, seed: 9 }, seed: 9 });
    expect(report.runs).toHaveLength(4);
  });

  it('reads a trace, the first of its minutes if told so, and halves it', async () => {
    await writeTrace();
    const whole = (await sim('--trace', folder, '--minutes', '2')).asked[0]?.trace;
    expect(whole).toMatchObject({ startMinute: 7, minutes: 2, invocations: 24 });
    const parts = await Promise.all(
      ['1', '2'].map((half) => sim('--trace', folder, '--half', half, '--seed', half)),
    );
    const ids = parts.flatMap(({ asked }) => asked[0]?.trace.functions.map(({ id }) => id) ?? []);
    expect(ids.toSorted()).toEqual(
      ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => `${name}/${name}/${name}`),
    );
  });

  it('writes a plot, and says where', async () => {
    const file = join(folder, 'plot.svg');
    const { error, stderr } = await sim(...SMALL, '--svg', file);
    expect(error).toBeNull();
    expect(await readFile(file, 'utf8')).toMatch(/^<\?xml/);
    expect(stderr).toContain(`wrote ${file}`);
  });

  it.each<[string, readonly string[], RegExp]>([
    ['no source', [], /give either '--trace <dir>' or '--generate'/],
    ['both sources', ['--generate', '--trace', '.'], /cannot be used with option '--generate'/],
    ['functions of a trace', ['--trace', '.', '--functions', '5'], /'--functions' is of a generated trace/],
    ['invocations of a trace', ['--trace', '.', '--invocations', '5'], /'--invocations' is of a generated/],
    ['an unknown policy', [...SMALL, '--policies', 'fixed,magic'], /"magic" is none of fixed, histogram/],
    ['no policy', [...SMALL, '--policies', ''], /The list is empty/],
    ['an empty place in a list', [...SMALL, '--policies', 'fixed,'], /"" is none of/],
    ['a policy twice', [...SMALL, '--policies', 'fixed,fixed'], /in the list twice/],
    ['a budget of 0', [...SMALL, '--budgets-gb', '4,0'], /"0" is no number above 0/],
    ['a budget of NaN', [...SMALL, '--budgets-gb', 'NaN'], /"NaN" is no number/],
    ['a negative budget', [...SMALL, '--budgets-gb=-4'], /"-4" is no number/],
    ['a huge budget', [...SMALL, '--budgets-gb', '16385'], /up to 16384/],
    ['a budget with an exponent', [...SMALL, '--budgets-gb', '1e9'], /"1e9" is no number/],
    ['too many budgets', [...SMALL, '--budgets-gb', '1,2,3,4,5,6,7,8,9'], /No more than 8/],
    ['an unknown tier', [...SMALL, '--tier', 'vm'], /"vm" is none of isolate, container/],
    ['a seed that is no number', [...SMALL, '--seed', 'x'], /whole number/],
    ['a huge seed', [...SMALL, '--seed', '4294967296'], /0 to 4294967295/],
    ['no functions', ['--generate', '--functions', '0'], /1 to 1000000000/],
    ['a third half', [...SMALL, '--half', '3'], /Allowed choices are 1, 2/],
    ['a word too many', [...SMALL, 'more'], /too many arguments/],
  ])('refuses %s as wrong usage', async (_what, argv, expected) => {
    const { asked, error, stderr } = await sim(...argv);
    expect(error).toBeInstanceOf(CommanderError);
    expect(stderr).toMatch(expected);
    expect(asked).toEqual([]);
  });

  it.each<[string, (at: string) => readonly string[], RegExp]>([
    ['a folder that is not there', (at) => ['--trace', join(at, 'none')], /none cannot be read \(ENOENT\)/],
    ['a file instead of a folder', (at) => ['--trace', join(at, '1.csv')], /cannot be read \(ENOTDIR\)/],
    [
      'more minutes than the trace has',
      (at) => ['--trace', at, '--minutes', '4'],
      /has 3 minutes; --minutes is 4/,
    ],
    ['too few invocations', () => [...SMALL, '--invocations', '3'], /3 invocations were asked for/],
    ['too many functions', () => ['--generate', '--functions', '200000'], /1 to 100000/],
    ['a half without functions', () => ['--generate', '--functions', '1', '--half', '2'], /has no functions/],
    ['a plot in no folder', (at) => [...SMALL, '--svg', join(at, 'x', 'y.svg')], /there is no folder/],
    ['a plot over a folder', (at) => [...SMALL, '--svg', at], /is there and no file/],
  ])('refuses %s', async (_what, argv, expected) => {
    await writeTrace();
    const { asked, error } = await sim(...argv(folder));
    expect(error).toMatchObject({ code: 'invalid_request', message: expect.stringMatching(expected) });
    expect(asked).toEqual([]);
    expect(await readdir(folder)).toHaveLength(3);
  });
});
