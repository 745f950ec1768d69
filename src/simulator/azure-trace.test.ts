import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAzureTrace } from './azure-trace.ts';
import { DEFAULT_DURATIONS_MS, DEFAULT_MEMORY_MB } from './trace.ts';

let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strata-trace-'));
});

afterEach(() => rm(folder, { recursive: true }));

const HASHES = 'HashOwner,HashApp,HashFunction';
const PERCENTILES = [0, 1, 25, 50, 75, 99, 100].map((each) => `percentile_Average_${each}`).join(',');
const INVOCATIONS = `${HASHES},Trigger,480,481,482\no1,a1,f1,http,0,70000,2\no2,a2,f2,timer,1,0,1\n`;
const DURATIONS = `${HASHES},Average,Count,${PERCENTILES}\no1,a1,f1,3,9,0,1,2,3,4,5,6.5\no2,a2,f2,3,9,1,1,1,1,1,1,1e1\n`;
const MEMORY = 'HashOwner,HashApp,SampleCount,AverageAllocatedMb\no1,a1,9,57.5\no2,a2,9,120\n';

type Files = Partial<Record<'invocations.csv' | 'durations.csv' | 'memory.csv' | string, string | null>>;

/** Reads a folder with a sound trace, in which these files are others. */
const read = async (files: Files = {}) => {
  const all = { 'invocations.csv': INVOCATIONS, 'durations.csv': DURATIONS, 'memory.csv': MEMORY, ...files };
  for (const [name, text] of Object.entries(all)) {
    if (text !== null && text !== undefined) await writeFile(join(folder, name), text);
  }
  return readAzureTrace(folder);
};

const refusal = async (files: Files): Promise<string> => {
  const error = await read(files).then(
    () => null,
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ name: 'StrataError', code: 'invalid_request' });
  return (error as Error).message.replaceAll(`${folder}/`, '').replaceAll(folder, 'FOLDER');
};

describe('readAzureTrace', () => {
  it('reads counts, durations and memory of each function', async () => {
    const trace = await read();
    expect(trace).toMatchObject({
      startMinute: 480,
      minutes: 3,
      minuteMs: 60_000,
      invocations: 70_004,
      notes: [],
    });
    expect(trace.functions).toEqual([
      {
        ...{ id: 'o1/a1/f1', owner: 'o1', app: 'a1', trigger: 'http', memoryMb: 57.5, invocations: 70_002 },
        ...{ counts: Uint32Array.of(0, 70_000, 2), durationsMs: [0, 1, 2, 3, 4, 5, 6.5] },
      },
      {
        ...{ id: 'o2/a2/f2', owner: 'o2', app: 'a2', trigger: 'timer', memoryMb: 120, invocations: 2 },
        ...{ counts: Uint16Array.of(1, 0, 1), durationsMs: [1, 1, 1, 1, 1, 1, 10] },
      },
    ]);
  });

  it('knows files by their headers, whatever their names, and passes over others', async () => {
    await mkdir(join(folder, 'folder.csv'));
    const trace = await read({
      ...{ 'invocations.csv': null, 'durations.csv': null, 'memory.csv': null },
      ...{ 'invocations_per_function_md.anon.d01.csv': INVOCATIONS, 'a.CSV': DURATIONS, 'b.csv': MEMORY },
      ...{ 'other.csv': 'a,b\n1,2\n', 'empty.csv': '', 'README.md': '"' },
    });
    expect(trace.invocations).toBe(70_004);
  });

  it('takes a byte order mark, carriage returns, quotes, empty lines and a missing last newline', async () => {
    const text = `\ufeff${INVOCATIONS.replace('http', '"http"').replaceAll('\n', '\r\n\r\n').trimEnd()}`;
    expect((await read({ 'invocations.csv': text })).functions.map(({ trigger }) => trigger)).toEqual([
      'http',
      'timer',
    ]);
  });

  it('takes memory by function where the file has it so', async () => {
    const memory = `HashFunction,HashOwner,HashApp,AverageAllocatedMb\nf2,o2,a2,7\nf1,o1,a1,8\n`;
    expect((await read({ 'memory.csv': memory })).functions.map(({ memoryMb }) => memoryMb)).toEqual([8, 7]);
  });

  it('uses defaults for what is not said of a function, and notes what it put right', async () => {
    const { functions, notes } = await read({
      'invocations.csv': `${INVOCATIONS}o3,a3,f3,blob\u001b,1,1,1\n`,
      'durations.csv': `${HASHES},${PERCENTILES}\no1,a1,f1,6,5,4,3,2,1,0\nx,y,z,1,1,1,1,1,1,1\n`,
      'memory.csv': 'HashOwner,HashApp,AverageAllocatedMb\no2,a2,9\n',
    });
    expect(functions.map(({ memoryMb }) => memoryMb)).toEqual([DEFAULT_MEMORY_MB, 9, DEFAULT_MEMORY_MB]);
    expect(functions.map(({ trigger }) => trigger)).toEqual(['http', 'timer', 'others']);
    expect(functions[0]?.durationsMs).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(functions[1]?.durationsMs).toEqual(DEFAULT_DURATIONS_MS);
    expect(notes).toEqual([
      'triggers taken as "others": "blob\\u001b"',
      '1 functions have percentiles out of order; they were sorted',
      '2 functions have no durations; defaults are used for them',
      `2 functions have no memory; ${DEFAULT_MEMORY_MB} MB are used for them`,
    ]);
  });

  it.each<[string, Files, RegExp]>([
    [
      'a missing file',
      { 'memory.csv': null },
      /^FOLDER has no \.csv file of memory, with the columns HashOwner/,
    ],
    ['an empty file', { 'invocations.csv': '' }, /^FOLDER has no \.csv file of invocations/],
    [
      'two days',
      { 'more.csv': INVOCATIONS },
      /^FOLDER has two files of invocations, invocations\.csv and more\.csv/,
    ],
    [
      'a missing column',
      { 'invocations.csv': INVOCATIONS.replace('Trigger,', '') },
      /^invocations\.csv, line 1, column "Trigger": the column is missing/,
    ],
    [
      'a missing percentile',
      { 'durations.csv': DURATIONS.replace('Average_99', 'Average_98') },
      /^durations\.csv, line 1, column "percentile_Average_99": the column is missing/,
    ],
    [
      'a missing hash',
      { 'memory.csv': MEMORY.replace('HashApp', 'App') },
      /^memory\.csv, line 1, column "HashApp": the column is missing/,
    ],
    [
      'a column twice',
      { 'invocations.csv': INVOCATIONS.replace('482', '481') },
      /^invocations\.csv, line 1, column "481": the column is there twice/,
    ],
    [
      'a gap in the minutes',
      { 'invocations.csv': INVOCATIONS.replace('482', '483') },
      /^invocations\.csv, line 1, column "483": minute 482 was expected/,
    ],
    [
      'a column that is no minute',
      { 'invocations.csv': INVOCATIONS.replace('481', 'x') },
      /^invocations\.csv, line 1, column "x": it is not the number of a minute/,
    ],
    [
      'a header alone',
      { 'invocations.csv': `${INVOCATIONS.split('\n')[0]}\n` },
      /line 2: there are no functions/,
    ],
    ['no invocations', { 'invocations.csv': `${HASHES},Trigger,1\no,a,f,http,0\n` }, /has no invocations/],
    [
      'a count that is no number',
      { 'invocations.csv': INVOCATIONS.replace('70000', 'many') },
      /^invocations\.csv, line 2, column "481": "many" is not a whole number from 0/,
    ],
    [
      'an empty count',
      { 'invocations.csv': INVOCATIONS.replace('70000', '') },
      /line 2, column "481": "" is not a whole number/,
    ],
    [
      'a negative count',
      { 'invocations.csv': INVOCATIONS.replace('timer,1', 'timer,-1') },
      /line 3, column "480": "-1" is not a whole number/,
    ],
    [
      'a huge count',
      { 'invocations.csv': INVOCATIONS.replace('70000', '5000001') },
      /line 2, column "481": 5000001 invocations; 5000000 are allowed/,
    ],
    [
      'a minute with too many invocations in all',
      { 'invocations.csv': INVOCATIONS.replace('70000', '5000000').replace('1,0,1', '1,1,1') },
      /^Minute 481 has 5000001 invocations; 5000000 are allowed/,
    ],
    [
      'a negative duration',
      { 'durations.csv': DURATIONS.replace('6.5', '-6.5') },
      /^durations\.csv, line 2, column "percentile_Average_100": "-6\.5" is not a number from 0/,
    ],
    [
      'an endless duration',
      { 'durations.csv': DURATIONS.replace('1e1', '1e999') },
      /line 3, .*"1e999" is not/,
    ],
    [
      'NaN memory',
      { 'memory.csv': MEMORY.replace('57.5', 'NaN') },
      /^memory\.csv, line 2, .*"NaN" is not a number/,
    ],
    [
      'a short row',
      { 'invocations.csv': INVOCATIONS.replace('70000,2', '70000') },
      /^invocations\.csv, line 2, column "482": the row has 6 cells and the header 7/,
    ],
    [
      'a long row',
      { 'invocations.csv': INVOCATIONS.replace('70000,2', '70000,2,3') },
      /^invocations\.csv, line 2, column "number 8": the row has 8 cells and the header 7/,
    ],
    [
      'a function twice',
      { 'invocations.csv': INVOCATIONS.replace('o2,a2,f2', 'o1,a1,f1') },
      /^invocations\.csv, line 3, column "HashFunction": "f1" is there twice/,
    ],
    [
      'durations twice',
      { 'durations.csv': DURATIONS.replace('o2,a2,f2', 'o1,a1,f1') },
      /^durations\.csv, line 3, column "HashFunction": "f1" is there twice/,
    ],
    [
      'memory twice',
      { 'memory.csv': MEMORY.replace('o2,a2', 'o1,a1') },
      /line 3, column "HashApp": "a1" is there twice/,
    ],
    [
      'a hash that is none',
      { 'invocations.csv': INVOCATIONS.replace('o1,', '../o1,') },
      /line 2, column "HashOwner": "\.\.\/o1" is not a hash or a plain name/,
    ],
    [
      'an open quote',
      { 'memory.csv': MEMORY.replace('a1', '"a1') },
      /^memory\.csv, line \d+: .*CSV_QUOTE_NOT_CLOSED/,
    ],
    [
      'a row without end',
      { 'durations.csv': `${DURATIONS}${'x'.repeat(2 * 1024 * 1024)}` },
      /^durations\.csv, line \d+: .*CSV_MAX_RECORD_SIZE/,
    ],
    [
      'a header without end',
      { 'z.csv': Array.from({ length: 300_000 }, (_, at) => at).join(',') },
      /^z\.csv, line \d+: .*CSV_MAX_RECORD_SIZE/,
    ],
    [
      'too many minutes',
      { 'invocations.csv': `${HASHES},Trigger,${Array.from({ length: 20_161 }, (_, at) => at).join(',')}\n` },
      /line 1: 20161 minutes; 20160 are allowed/,
    ],
    [
      'minutes without functions’ counts',
      { 'invocations.csv': `${HASHES},Trigger\no,a,f,http\n` },
      /no .csv file of inv/,
    ],
    ['bytes that are no text', { 'z.csv': `\0\xff"${'\0"'.repeat(10)}` }, /^z\.csv.*cannot be read as CSV/],
  ])('refuses %s, and says where', async (_what, files, expected) => {
    expect(await refusal(files)).toMatch(expected);
  });

  it('shows no name or value that would steer a terminal', async () => {
    const [name, cell] = ['z\u001b[2J\u202e.csv', 'x\u009b\u2028'];
    const header = INVOCATIONS.replace('Trigger', cell);
    const message = await refusal({ 'invocations.csv': null, [name]: header.replace('480,', '') });
    expect(message).toMatch(/^z\\u001b\[2J\\u202e\.csv, line 1, column "Trigger"/);
    expect(await refusal({ [name]: null, 'invocations.csv': INVOCATIONS.replace('70000', cell) })).toMatch(
      /two files/,
    );
    await rm(join(folder, name));
    const shown = await refusal({ 'invocations.csv': INVOCATIONS.replace('70000', cell) });
    expect(shown).toContain('"x\\u009b\\u2028"');
  });

  it('refuses a folder that is not there, or is a file', async () => {
    await writeFile(join(folder, 'file'), '');
    for (const [path, reason] of [
      [join(folder, 'none'), /none cannot be read \(ENOENT\); give a folder/],
      [join(folder, 'file'), /file cannot be read \(ENOTDIR\)/],
    ] as const)
      await expect(readAzureTrace(path)).rejects.toMatchObject({
        ...{ code: 'invalid_request', message: expect.stringMatching(reason) },
      });
  });
});
