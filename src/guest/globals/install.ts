/**
 * Installs the web globals.
 *
 * Owns which there are and when their code runs: all but the cheapest are made at first use, because every fresh
 * isolate pays for what boot does. esbuild turns each `require` below into a call that evaluates that module then.
 * The lazy modules act only for the guest that uses them and hold nothing it may not have, so a guest that patched
 * built-ins can break them only for itself.
 */
import { sinceOrigin, timeOrigin } from '../clock.ts';
import { createConsole } from '../console.ts';
import { uncaught } from '../errors.ts';
import { brief } from '../inspect.ts';
import { defineValue, MathFloor, ReflectDefineProperty, TypeErrorOf } from '../primordials.ts';
import { liveOwner } from '../records.ts';
import { startTimer } from '../timers.ts';

type Load = () => unknown;

export const installGlobals = (scope: object, seedHex: string): void => {
  defineValue(scope, 'global', scope);
  defineValue(scope, 'self', scope);
  defineValue(scope, 'queueMicrotask', queueMicrotask);
  const define = (name: string, load: Load): void => defineLazy(scope, name, load);
  const url = () => require('./url.ts') as typeof import('./url.ts');
  const query = () => require('./url-search-params.ts') as typeof import('./url-search-params.ts');
  const encoding = () => require('./encoding.ts') as typeof import('./encoding.ts');
  const base64 = () => require('./base64.ts') as typeof import('./base64.ts');
  const events = () => {
    provideServices();
    return require('./events.ts') as typeof import('./events.ts');
  };
  const abort = () => {
    provideServices();
    return require('./abort.ts') as typeof import('./abort.ts');
  };
  define('URL', () => url().URL);
  define('URLSearchParams', () => query().URLSearchParams);
  define('TextEncoder', () => encoding().TextEncoder);
  define('TextDecoder', () => encoding().TextDecoder);
  define('atob', () => base64().atob);
  define('btoa', () => base64().btoa);
  define('Event', () => events().Event);
  define('CustomEvent', () => events().CustomEvent);
  define('EventTarget', () => events().EventTarget);
  define('AbortController', () => abort().AbortController);
  define('AbortSignal', () => abort().AbortSignal);
  define(
    'DOMException',
    () => (require('./dom-exception.ts') as typeof import('./dom-exception.ts')).DOMException,
  );
  define(
    'structuredClone',
    () => (require('./structured-clone.ts') as typeof import('./structured-clone.ts')).structuredClone,
  );
  define('crypto', () => (require('./crypto.ts') as typeof import('./crypto.ts')).createCrypto(seedHex));
  define('console', createConsole);
  define('performance', createPerformance);
  define('navigator', () => ({ userAgent: 'Strata' }));
};

const provideServices = (): void => {
  const { provide } = require('./services.ts') as typeof import('./services.ts');
  provide({
    sinceOrigin,
    uncaught: (thrown, what) => uncaught(liveOwner(), thrown, what),
    startTimer: (callback, delayMs) => {
      startTimer(callback, delayMs, false, []);
    },
  });
};

/** An accessor that becomes an ordinary property at first use or assignment. */
const defineLazy = (scope: object, name: string, load: Load): void => {
  ReflectDefineProperty(scope, name, {
    __proto__: null,
    get: () => {
      const value = load();
      defineValue(scope, name, value);
      return value;
    },
    set: (value: unknown) => {
      defineValue(scope, name, value);
    },
    configurable: true,
    enumerable: false,
  } as PropertyDescriptor);
};

const queueMicrotask = (callback: unknown): void => {
  if (typeof callback !== 'function') {
    throw new TypeErrorOf(`queueMicrotask needs a function, not ${brief(callback)}`);
  }
  void runLater(callback as () => void);
};

/** `await` makes the microtask, because a guest can patch `Promise.prototype.then` but not that. */
const runLater = async (callback: () => void): Promise<void> => {
  const owner = liveOwner();
  await undefined;
  try {
    callback();
  } catch (thrown) {
    uncaught(owner, thrown, 'A microtask failed with');
  }
};

/** Coarse on purpose: whole milliseconds. */
const createPerformance = (): object => {
  let last = 0;
  const now = (): number => {
    const value = MathFloor(sinceOrigin());
    if (value > last) last = value;
    return last;
  };
  return { now, timeOrigin: timeOrigin(), toJSON: () => ({ timeOrigin: timeOrigin() }) };
};
