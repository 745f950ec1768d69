/**
 * Attacks that walk: over everything that can be reached from inside, and over what the surroundings tell.
 */
import { type AttackCase, type Expectation, file, js, onBothNodes, once, plainJs, python } from '../case.ts';

const ok = (result: unknown): Expectation => ({ code: 'succeeded', result });

/** Walks everything that can be reached; names what does not belong to this realm, and texts that name the host. */
const WALK = `
exports.handler = (event, context, callback) => {
  const seen = new Set();
  const foreign = [];
  const told = [];
  const roots = { globalThis, event, context, callback, exports, require, module, args: arguments };
  const attempts = {
    engine: () => null.x, require: () => require('fs'), timer: () => setTimeout(1), clone: () => structuredClone(() => 1), url: () => new URL('::'),
    atob: () => atob('*'), quota: () => crypto.getRandomValues(new Uint8Array(1e6)), headers: () => new Headers({ 'a b': 'c' }), request: () => new Request('::'),
  };
  for (const [name, attempt] of Object.entries(attempts)) { try { attempt(); } catch (error) { roots['error of ' + name] = error; } }
  roots.timer = setTimeout(() => {}, 1000);
  clearTimeout(roots.timer);
  roots.made = [new URL('http://a/b'), new Headers(), new Request('http://a/'), new Response('x').body, AbortSignal.abort(), new Event('a'), new EventTarget(), new TextDecoder(), performance, navigator, crypto];
  const queue = Object.entries(roots);
  const visit = (path, value) => {
    if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return;
    if (seen.has(value)) return;
    seen.add(value);
    queue.push([path, value]);
  };
  while (queue.length > 0) {
    const [path, value] = queue.pop();
    if ((typeof value !== 'object' || value === null) && typeof value !== 'function') continue;
    let top = value;
    for (let proto = Object.getPrototypeOf(top); proto !== null; proto = Object.getPrototypeOf(top)) top = proto;
    const bare = top === value && Object.getPrototypeOf(value) === null;
    if (top !== Object.prototype && !bare) foreign.push(path + ' ends elsewhere');
    if (typeof value === 'function') {
      if (value.constructor?.constructor !== undefined && value.constructor.constructor !== Function) foreign.push(path + ' has another Function');
      if (value !== exports.handler && value !== arguments.callee && /(?:^|['"\`( ])\\/(?:home|root|tmp|usr|var|opt|proc)\\/|node_modules/.test(Function.prototype.toString.call(value))) told.push(path);
    }
    visit(path + '.__proto__', Object.getPrototypeOf(value));
    for (const key of Reflect.ownKeys(value)) {
      const descriptor = Object.getOwnPropertyDescriptor(value, key);
      const at = path + '.' + String(key);
      for (const part of ['value', 'get', 'set']) if (descriptor && part in descriptor) visit(at, descriptor[part]);
      if (descriptor?.get) { try { visit(at + '()', descriptor.get.call(value)); } catch (error) { visit(at + '!', error); } }
    }
  }
  callback(null, { foreign, told, reached: seen.size > 900 });
};`;

const CONTAINER_NAMES = ['HOME', 'LAMBDA_TASK_ROOT', 'LANG', 'PATH', 'TMPDIR', 'TZ'];
/** Names by which a program's start is steered, of the function's own choosing. */
const STEERING = {
  NODE_OPTIONS: '--require=/tmp/nothing.js',
  LD_PRELOAD: '/tmp/nothing.so',
  PYTHONPATH: '/nowhere',
  PYTHONSTARTUP: '/nowhere.py',
};

export const REACH_CASES: readonly AttackCase[] = [
  {
    id: 298,
    group: 'escape',
    name: 'a walk over everything reachable',
    harmless: true,
    attacks: {
      isolate: { code: file(WALK), calls: once(ok({ foreign: [], told: [], reached: true })) },
    },
  },
  {
    id: 299,
    group: 'escape',
    name: 'the environment of the server',
    harmless: true,
    attacks: {
      isolate: {
        code: plainJs(
          'return [process.env, Reflect.ownKeys(process), Object.getPrototypeOf(process) === Object.prototype];',
        ),
        spec: { env: { OWN: 'own' } },
        calls: once(ok([{ OWN: 'own' }, ['env'], true])),
      },
      nodejs24: {
        code: plainJs('return [Object.keys(process.env).sort(), process.argv.length, process.execArgv];'),
        spec: { env: { OWN: 'own' } },
        calls: once(ok([[...CONTAINER_NAMES, 'OWN'].sort(), 2, []])),
      },
      python3: {
        code: python('return [sorted(os.environ), len(sys.argv)]'),
        spec: { env: { OWN: 'own' } },
        calls: once(ok([[...CONTAINER_NAMES, 'OWN'].sort(), 1])),
      },
    },
  },
  {
    id: 300,
    group: 'escape',
    name: 'an environment that steers what starts the function',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: plainJs('return process.env.LD_PRELOAD;'),
        spec: { env: STEERING },
        calls: once(ok(STEERING.LD_PRELOAD)),
      }),
      python3: {
        code: python('return os.environ["LD_PRELOAD"]'),
        spec: { env: STEERING },
        calls: once(ok(STEERING.LD_PRELOAD)),
      },
    },
  },
  {
    id: 301,
    group: 'escape',
    name: 'a then on Object.prototype, which every object inherits',
    harmless: true,
    attacks: onBothNodes({
      code: file(`let asked = 0;
exports.handler = async () => {
  Object.prototype.then = function (resolve) { asked += 1; resolve(Object.keys(this).join() + asked); };
  return { own: 1 };
};`),
      // Nothing but the function's own result was asked for its then.
      calls: once(ok('own1')),
    }),
  },
  {
    id: 302,
    group: 'escape',
    name: 'memory that an isolate’s limit does not see',
    harmless: true,
    attacks: {
      isolate: {
        code: js(
          `const seen = []; const Buffers = [ArrayBuffer, new ArrayBuffer(1).constructor, Object.getPrototypeOf(new ArrayBuffer(1)).constructor, new Uint8Array(1).buffer.constructor, new TextEncoder().encode('a').buffer.constructor, structuredClone(new ArrayBuffer(1)).constructor, (await new Response('x').arrayBuffer()).constructor];
           for (const Made of Buffers) { const made = new Made(8, { maxByteLength: 2 ** 30 }); seen.push(made.resizable === true || made.maxByteLength > 8 || typeof made.resize === 'function'); }
           class Mine extends ArrayBuffer { constructor() { super(8, { maxByteLength: 2 ** 30 }); } } const mine = new Mine(); seen.push(mine.resizable === true || mine.maxByteLength > 8, mine instanceof Mine);
           return seen;`,
        ),
        calls: once(ok([false, false, false, false, false, false, false, false, true])),
      },
    },
  },
];
