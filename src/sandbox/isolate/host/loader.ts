/**
 * Compiles a function's files in an isolate: CommonJS bodies, JSON, and ES modules with their links.
 *
 * Owns which kind of module a file is and how the two kinds import each other. Never evaluates CommonJS itself:
 * that is the bootstrap's part. Invariant: specifiers resolve to the function's own files or not at all.
 */
import type ivm from 'isolated-vm';
import { OP } from '../../../guest/contract.ts';
import { resolveSpecifier } from '../../../guest/resolve.ts';
import type { LoadFiles } from '../../protocol/messages.ts';
import { describeThrown } from './failures.ts';

/** The bootstrap's one function; what it takes and returns is the guest contract's business. */
export type EntryReference = ivm.Reference;

/** Primitives, and at most one value of the isolate's own. */
export type EntryArguments = (string | number | ivm.Dereference<unknown>)[];

/** A file that did not compile, in the words of the engine. */
export class CodeError extends Error {
  override readonly name = 'CodeError';
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }
}

interface Compiled {
  readonly kind: 'commonjs' | 'module' | 'json' | 'broken';
  readonly module?: ivm.Module;
}

const WRAPPER = 'return function (exports, require, module, __filename, __dirname) {';
const MODULE_SYNTAX =
  /Cannot use import statement outside a module|Unexpected token 'export'|Cannot use 'import\.meta' outside a module|await is only valid in async functions and the top level bodies of modules/;

export class Loader {
  readonly #isolate: ivm.Isolate;
  readonly #context: ivm.Context;
  readonly #entry: EntryReference;
  readonly #sources = new Map<string, string>();
  readonly #compiled = new Map<string, Compiled>();
  readonly #modulePaths = new Map<ivm.Module, string>();
  readonly #bridges = new Map<string, Promise<ivm.Module>>();
  #modulePackage = false;

  constructor(isolate: ivm.Isolate, context: ivm.Context, entry: EntryReference) {
    this.#isolate = isolate;
    this.#context = context;
    this.#entry = entry;
  }

  /** Compiles every file; one that does not compile fails only when it is used. */
  async compileAll(files: LoadFiles): Promise<void> {
    for (const [path, text] of files) this.#sources.set(path, text);
    this.#modulePackage = isModulePackage(this.#sources.get('package.json'));
    await Promise.all(files.map(([path, text]) => this.#compile(path, text)));
  }

  /** The file of `file.export`, or null. */
  findEntry(handler: string): { path: string; exportName: string } | null {
    const dot = handler.lastIndexOf('.');
    const base = handler.slice(0, dot);
    const path = ['.js', '.cjs', '.mjs']
      .map((ending) => base + ending)
      .find((name) => this.#sources.has(name));
    return path === undefined ? null : { path, exportName: handler.slice(dot + 1) };
  }

  isModule(path: string): boolean {
    return this.#compiled.get(path)?.kind === 'module';
  }

  /**
   * Links and starts to evaluate an ES module. The reference answers `get('ready')` once it and all that it
   * imports, top-level awaits included, have been evaluated, and `get('namespace')`.
   */
  async evaluateModule(path: string): Promise<ivm.Reference> {
    const wrapper = await this.#isolate.compileModule(
      `import * as namespace from ${JSON.stringify(`/${path}`)}; export { namespace }; export const ready = true;`,
      { filename: 'strata:entry' },
    );
    this.#modulePaths.set(wrapper, '');
    await wrapper.instantiate(this.#context, (specifier, referrer) => this.#link(specifier, referrer));
    await wrapper.evaluate();
    return wrapper.namespace;
  }

  async #compile(path: string, text: string): Promise<void> {
    if (path.endsWith('.json')) {
      this.#compiled.set(path, { kind: 'json' });
      this.#tell([OP.DEFINE_JSON, path, text]);
      return;
    }
    if (!/\.[cm]?js$/.test(path)) return;
    const source = text.startsWith('#!') ? `//${text}` : text;
    try {
      if (path.endsWith('.mjs') || (this.#modulePackage && path.endsWith('.js'))) {
        await this.#compileModule(path, source);
      } else {
        await this.#compileScript(path, source);
      }
    } catch (thrown) {
      this.#broken(path, thrown);
    }
  }

  async #compileScript(path: string, source: string): Promise<void> {
    let body: ivm.Reference;
    try {
      body = await this.#context.evalClosure(`${WRAPPER}${source}\n}`, [], {
        filename: path,
        columnOffset: -WRAPPER.length,
        result: { reference: true },
      });
    } catch (thrown) {
      const message = thrown instanceof Error ? thrown.message : '';
      if (path.endsWith('.cjs') || !MODULE_SYNTAX.test(message)) throw thrown;
      await this.#compileModule(path, source);
      return;
    }
    this.#compiled.set(path, { kind: 'commonjs' });
    this.#tell([OP.DEFINE, path, body.derefInto({ release: true })]);
  }

  async #compileModule(path: string, source: string): Promise<void> {
    const module = await this.#isolate.compileModule(source, { filename: path });
    this.#compiled.set(path, { kind: 'module', module });
    this.#modulePaths.set(module, path);
    const message = `require() cannot load the ES module ${path}; import it from an ES module instead`;
    this.#tell([OP.DEFINE_BROKEN, path, brokenJson('Error', message)]);
  }

  #broken(path: string, thrown: unknown): void {
    const { type, message } = describeThrown(thrown);
    this.#compiled.set(path, { kind: 'broken' });
    this.#tell([OP.DEFINE_BROKEN, path, brokenJson(type, message)]);
  }

  /** Sends an operation without waiting: entries run in order, and the next one that is awaited tells of a fault. */
  #tell(args: EntryArguments): void {
    this.#entry.apply(undefined, args).catch(() => undefined);
  }

  async #link(specifier: string, referrer: ivm.Module): Promise<ivm.Module> {
    const from = this.#modulePaths.get(referrer) ?? '';
    const path = resolveSpecifier(specifier, from, (candidate) => this.#sources.has(candidate));
    const compiled = this.#compiled.get(path);
    if (compiled?.module !== undefined) return compiled.module;
    let bridge = this.#bridges.get(path);
    if (bridge === undefined) {
      bridge = this.#bridge(path);
      this.#bridges.set(path, bridge);
    }
    return bridge;
  }

  /** A module that re-exports a CommonJS or JSON file: `default` is `module.exports`, and each own key by name. */
  async #bridge(path: string): Promise<ivm.Module> {
    const listed = await this.#entry.apply(undefined, [OP.EXPORT_NAMES, path], { result: { copy: true } });
    const answer = JSON.parse(String(listed)) as
      | { names: string[] }
      | { error: { type: string; message: string } };
    if ('error' in answer) throw new CodeError(answer.error.type, answer.error.message);
    const names = answer.names.filter((name) => name !== 'default' && name !== 'strata:set');
    const variables = names.map((_, index) => `v${index}`);
    const list = ['value as default', ...names.map((name, index) => `v${index} as ${JSON.stringify(name)}`)];
    const source = [
      `let value${variables.map((variable) => `, ${variable}`).join('')};`,
      `export { ${list.join(', ')}, set as "strata:set" };`,
      'const set = (exports) => { value = exports;',
      ...names.map((name, index) => `v${index} = exports[${JSON.stringify(name)}];`),
      '};',
    ].join(' ');
    const module = await this.#isolate.compileModule(source, { filename: `strata:bridge/${path}` });
    await module.instantiate(this.#context, () => {
      throw new Error('a bridge imports nothing');
    });
    await module.evaluate();
    const set = await module.namespace.get('strata:set', { reference: true });
    await this.#entry.apply(undefined, [OP.EXPORT_TO, path, set.derefInto({ release: true })]);
    return module;
  }
}

const brokenJson = (type: string, message: string): string =>
  JSON.stringify({ type, message, stack: `${type}: ${message}` });

const isModulePackage = (text: string | undefined): boolean => {
  if (text === undefined) return false;
  try {
    const manifest: unknown = JSON.parse(text);
    return (
      typeof manifest === 'object' && manifest !== null && 'type' in manifest && manifest.type === 'module'
    );
  } catch {
    return false;
  }
};
