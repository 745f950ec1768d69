/**
 * A real isolate with the real bootstrap in it, for tests: the host's part without its process.
 *
 * Owns the calls of the contract and the reading of records. Time is what the test says; every entry has a timeout.
 */
import ivm from 'isolated-vm';
import { loadGuestBundle } from './bundle.ts';
import type { BootOptions, GuestFailure, GuestLog, LoadOptions, RecordKind } from './contract.ts';
import { OP } from './contract.ts';

export interface TestRecord {
  readonly kind: RecordKind;
  readonly owner: number;
  readonly payload: string;
}

const ENTRY_TIMEOUT_MS = 5_000;
const MEMORY_MB = 64;
const SEED_HEX = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
const BOOT_OPTIONS: BootOptions = {
  logMaxChars: 65_536,
  resultMaxChars: 1_048_576,
  timersMax: 100,
  requestsMax: 20,
  redirectsMax: 3,
};
const LOAD_OPTIONS: LoadOptions = {
  functionName: 'test',
  functionVersion: '$LATEST',
  memoryMb: 128,
  entryPath: 'index.js',
  handlerExport: 'handler',
  initializerExport: null,
  initializerPath: null,
  env: {},
  logMaxChars: 65_536,
  resultMaxChars: 1_048_576,
};

type EntryReference = ivm.Reference<(...args: unknown[]) => unknown>;

let script: Promise<string> | null = null;

export class GuestIsolate {
  readonly isolate: ivm.Isolate;
  readonly context: ivm.Context;
  readonly #entry: EntryReference;
  /** The host's monotonic clock as the next entries will tell it. */
  nowMs = 1_000;
  /** What the entries rejected with, strings or errors. */
  readonly rejections: unknown[] = [];
  #nextOwner = 1;

  static async boot(options: Partial<BootOptions> = {}): Promise<GuestIsolate> {
    script ??= loadGuestBundle();
    const isolate = new ivm.Isolate({ memoryLimit: MEMORY_MB });
    const context = await isolate.createContext();
    const compiled = await isolate.compileScript(await script, { filename: 'strata:bootstrap' });
    const boot = (await compiled.run(context, { reference: true })) as EntryReference;
    const optionsJson = JSON.stringify({ ...BOOT_OPTIONS, ...options });
    const entry = (await boot.apply(undefined, [SEED_HEX, optionsJson], {
      result: { reference: true },
    })) as EntryReference;
    return new GuestIsolate(isolate, context, entry);
  }

  /** An isolate with files in it and its handler loaded. */
  static async load(
    files: Readonly<Record<string, string>> | string,
    options: Partial<LoadOptions> = {},
    boot: Partial<BootOptions> = {},
  ): Promise<GuestIsolate> {
    const guest = await GuestIsolate.boot(boot);
    await guest.define(typeof files === 'string' ? { 'index.js': files } : files);
    guest.loadRecords = await guest.enter([OP.LOAD, loadJson(options), guest.nowMs]);
    return guest;
  }

  /** What `load` brought. */
  loadRecords: TestRecord[] = [];

  private constructor(isolate: ivm.Isolate, context: ivm.Context, entry: EntryReference) {
    this.isolate = isolate;
    this.context = context;
    this.#entry = entry;
  }

  async define(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [path, text] of Object.entries(files)) {
      if (path.endsWith('.json')) {
        await this.apply([OP.DEFINE_JSON, path, text]);
        continue;
      }
      const body: ivm.Reference = await this.context.evalClosure(
        `return function (exports, require, module, __filename, __dirname) {${text}\n}`,
        [],
        { filename: path, result: { reference: true } },
      );
      await this.apply([OP.DEFINE, path, body.derefInto()]);
    }
  }

  /** Loads an ES module as the handler's file. */
  async loadModule(source: string, options: Partial<LoadOptions> = {}): Promise<TestRecord[]> {
    const module = await this.isolate.compileModule(source, { filename: 'index.mjs' });
    await this.apply([OP.PREPARE, loadJson(options), this.nowMs]);
    await module.instantiate(this.context, () => {
      throw new Error('this test links nothing');
    });
    await module.evaluate({ timeout: ENTRY_TIMEOUT_MS });
    this.loadRecords = await this.enter([
      OP.LOAD_MODULE,
      loadJson({ entryPath: 'index.mjs', ...options }),
      this.nowMs,
      module.namespace.derefInto(),
    ]);
    return this.loadRecords;
  }

  /** Calls the handler; the records of the entry. */
  invoke(event: unknown = null, timeoutMs = 3_000): Promise<TestRecord[]> {
    return this.invokeJson(JSON.stringify(event), timeoutMs);
  }

  invokeJson(eventJson: string, timeoutMs = 3_000): Promise<TestRecord[]> {
    const owner = this.#nextOwner;
    this.#nextOwner += 1;
    return this.enter([OP.INVOKE, owner, `id-${owner}`, eventJson, timeoutMs, this.nowMs]);
  }

  /** The handler's result, parsed; throws with the failure's JSON where there is none. */
  async result(event: unknown = null): Promise<unknown> {
    const records = await this.invoke(event);
    const final = records.find((record) => record.kind === 'R');
    if (final === undefined)
      throw new Error(`no result: ${JSON.stringify([...this.loadRecords, ...records])}`);
    return JSON.parse(final.payload);
  }

  tick(owner: number, afterMs: number): Promise<TestRecord[]> {
    this.nowMs += afterMs;
    return this.enter([OP.TICK, owner, this.nowMs]);
  }

  /** One entry and the COLLECT pipelined behind it, as the host sends them. */
  async enter(args: unknown[]): Promise<TestRecord[]> {
    const [, text] = await Promise.all([this.apply(args), this.apply([OP.COLLECT])]);
    return parseRecords(String(text));
  }

  async apply(args: unknown[]): Promise<unknown> {
    try {
      return await this.#entry.apply(undefined, args as never[], {
        result: { copy: true },
        timeout: ENTRY_TIMEOUT_MS,
      });
    } catch (thrown) {
      this.rejections.push(thrown);
      return '';
    }
  }

  dispose(): void {
    if (!this.isolate.isDisposed) this.isolate.dispose();
  }
}

export const loadJson = (options: Partial<LoadOptions>): string =>
  JSON.stringify({ ...LOAD_OPTIONS, ...options });

/** The result of a handler whose body is given; for tests of globals. */
export const evaluate = async (body: string, event: unknown = null): Promise<unknown> => {
  const guest = await GuestIsolate.load(`exports.handler = async (event, context) => {${body}\n};`);
  try {
    return await guest.result(event);
  } finally {
    guest.dispose();
  }
};

export const failureOf = (records: readonly TestRecord[]): GuestFailure => {
  const found = records.filter((record) => record.kind === 'X');
  if (found.length !== 1) throw new Error(`expected one failure: ${JSON.stringify(records)}`);
  return JSON.parse(found[0]?.payload ?? '') as GuestFailure;
};

export const logsOf = (records: readonly TestRecord[]): GuestLog => {
  const logs = records
    .filter((record) => record.kind === 'G')
    .map((record) => JSON.parse(record.payload) as GuestLog);
  return { lines: logs.flatMap((log) => [...log.lines]), truncated: logs.some((log) => log.truncated) };
};

export const messagesOf = (records: readonly TestRecord[]): string[] =>
  logsOf(records).lines.map((line) => line[2]);

const parseRecords = (text: string): TestRecord[] => {
  const records: TestRecord[] = [];
  let rest = text;
  while (rest !== '') {
    const header = /^([RXLIGTFBCQ])(\d+) (\d+)\n/.exec(rest);
    if (header === null) throw new Error(`not a record: ${rest.slice(0, 100)}`);
    const start = header[0].length;
    const end = start + Number(header[3]);
    if (end > rest.length) throw new Error('a record is cut short');
    records.push({
      kind: header[1] as RecordKind,
      owner: Number(header[2]),
      payload: rest.slice(start, end),
    });
    rest = rest.slice(end);
  }
  return records;
};
