/**
 * The steps by which a function's files become a handler in an isolate.
 *
 * Owns the order: compile, then evaluate, then hand the exports to the bootstrap. An ES module with a top-level await
 * is ready only some entries later, so it is asked after each of them. Never answers anybody: the records do.
 */
import type ivm from 'isolated-vm';
import { type LoadOptions, OP } from '../../../guest/contract.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { LoadFiles, LoadMeta } from '../../protocol/messages.ts';
import type { Batches } from './batches.ts';
import { CodeError, type Loader } from './loader.ts';
import type { Owner } from './owner.ts';

export class CodeLoad {
  readonly #loader: Loader;
  readonly #batches: Batches;
  readonly #clock: Clock;
  #optionsJson = '';
  /** A module that is being evaluated. */
  #evaluating: ivm.Reference | null = null;
  #asking = false;
  /** How many entries there were: one that ended while the module was asked makes it worth asking again. */
  #entries = 0;

  constructor(loader: Loader, batches: Batches, clock: Clock) {
    this.#loader = loader;
    this.#batches = batches;
    this.#clock = clock;
  }

  /** Rejects with what the files have wrong; what their evaluation has wrong comes as a record. */
  async begin(owner: Owner, meta: LoadMeta, files: LoadFiles): Promise<void> {
    await this.#loader.compileAll(files);
    const options = this.#optionsOf(meta);
    this.#optionsJson = JSON.stringify(options);
    if (!this.#loader.isModule(options.entryPath)) {
      this.#batches.post(owner, [OP.LOAD, this.#optionsJson, this.#clock.nowMs()]);
      return;
    }
    // The options come first because the module's own top level may already read process.env.
    this.#batches.post(owner, [OP.PREPARE, this.#optionsJson, this.#clock.nowMs()]);
    this.#evaluating = await this.#loader.evaluateModule(options.entryPath);
    this.#batches.post(owner, []);
  }

  /** Called after each entry while the load is under way. */
  async proceed(owner: Owner): Promise<void> {
    this.#entries += 1;
    const module = this.#evaluating;
    if (module === null || this.#asking) return;
    this.#asking = true;
    // The last export of the wrapper cannot be read before everything above it has been evaluated.
    for (let asked = -1; asked !== this.#entries; ) {
      asked = this.#entries;
      const ready = await module.get('ready').catch(() => false);
      if (ready !== true) continue;
      this.#evaluating = null;
      const namespace = await module.get('namespace', { reference: true });
      const now = this.#clock.nowMs();
      this.#batches.post(owner, [OP.LOAD_MODULE, this.#optionsJson, now, namespace.derefInto()]);
      break;
    }
    this.#asking = false;
  }

  #optionsOf(meta: LoadMeta): LoadOptions {
    const entry = this.#loader.findEntry(meta.handler);
    const initializer = meta.initializer === null ? null : this.#loader.findEntry(meta.initializer);
    if (entry === null || (meta.initializer !== null && initializer === null)) {
      const missing = entry === null ? meta.handler : meta.initializer;
      throw new CodeError('Error', `there is no file for ${missing}`);
    }
    return {
      functionName: meta.functionName,
      functionVersion: meta.functionVersion,
      memoryMb: meta.memoryMb,
      entryPath: entry.path,
      handlerExport: entry.exportName,
      initializerExport: initializer?.exportName ?? null,
      initializerPath: initializer?.path ?? null,
      env: meta.env,
      logMaxChars: meta.logMaxBytes,
      resultMaxChars: meta.resultMaxBytes,
    };
  }
}
