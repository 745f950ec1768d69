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
import { network } from '../network.ts';
import { defineValue, ReflectDefineProperty, TypeErrorOf } from '../primordials.ts';
import { liveOwner } from '../records.ts';
import { startTimer } from '../timers.ts';

type Load = () => unknown;

export const installGlobals = (scope: object, seedHex: string): void => {
  defineValue(scope, 'global', scope);
  defineValue(scope, 'self', scope);
  defineValue(scope, 'queueMicrotask', queueMicrotask);
  const define = (name: string, load: Load): void => defineLazy(scope, name, load);
  const { urls, texts, events, values, fetches } = groups;
  define('URL', () => urls().URL);
  define('URLSearchParams', () => urls().URLSearchParams);
  define('TextEncoder', () => texts().TextEncoder);
  define('TextDecoder', () => texts().TextDecoder);
  define('atob', () => texts().atob);
  define('btoa', () => texts().btoa);
  define('Event', () => events().Event);
  define('CustomEvent', () => events().CustomEvent);
  define('EventTarget', () => events().EventTarget);
  define('AbortController', () => events().AbortController);
  define('AbortSignal', () => events().AbortSignal);
  define('fetch', () => fetches().fetch);
  define('Headers', () => fetches().Headers);
  define('Request', () => fetches().Request);
  define('Response', () => fetches().Response);
  define('ReadableStream', () => fetches().ReadableStream);
  define('DOMException', () => values().DOMException);
  define('structuredClone', () => values().structuredClone);
  define('crypto', () => values().createCrypto(seedHex));
  define('console', createConsole);
  define('performance', createPerformance);
  define('navigator', () => ({ userAgent: 'Strata' }));
};

/** Each evaluates its modules at the first call. */
const groups = {
  urls: () => (require('./url-globals.ts') as typeof import('./url-globals.ts')).urlGlobals,
  texts: () => (require('./text-globals.ts') as typeof import('./text-globals.ts')).textGlobals,
  values: () => (require('./value-globals.ts') as typeof import('./value-globals.ts')).valueGlobals,
  events: () => {
    const { eventGlobals } = require('./event-globals.ts') as typeof import('./event-globals.ts');
    eventGlobals.provide({
      sinceOrigin,
      uncaught: (thrown, what) => uncaught(liveOwner(), thrown, what),
      startTimer: (callback, delayMs) => {
        startTimer(callback, delayMs, false, []);
      },
      network,
    });
    return eventGlobals;
  },
  fetches: () => {
    // What they are told about, such as signals, has to be provided for first.
    groups.events();
    return (require('./fetch-globals.ts') as typeof import('./fetch-globals.ts')).fetchGlobals;
  },
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

/** Coarse on purpose, as all that `sinceOrigin` tells. */
const createPerformance = (): object => {
  let last = 0;
  const now = (): number => {
    const value = sinceOrigin();
    if (value > last) last = value;
    return last;
  };
  return { now, timeOrigin: timeOrigin(), toJSON: () => ({ timeOrigin: timeOrigin() }) };
};
