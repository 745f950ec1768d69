/**
 * What the engine offers and a function must not have.
 *
 * Owns the removal of memory that `memoryLimit` does not see: WebAssembly, SharedArrayBuffer and resizable buffers,
 * and of the inert console. Runs once at boot. Invariant: no way from any object of the realm leads to the original
 * ArrayBuffer constructor, so none to `maxByteLength`.
 */
import { defineValue, ReflectConstruct, ReflectDeleteProperty } from './primordials.ts';

const REMOVED = ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'console'] as const;

export const lockDown = (scope: object): void => {
  for (const name of REMOVED) ReflectDeleteProperty(scope, name);
  const { prototype } = ArrayBuffer;
  // The handler has no prototype: a trap put on Object.prototype would be handed the original constructor.
  const handler = {
    __proto__: null,
    construct: (target: ArrayBufferConstructor, args: unknown[], newTarget: NewableFunction): object =>
      ReflectConstruct(target, [args[0]], newTarget) as object,
  } as ProxyHandler<ArrayBufferConstructor>;
  const fixedOnly = new Proxy(ArrayBuffer, handler);
  defineValue(prototype, 'constructor', fixedOnly);
  defineValue(scope, 'ArrayBuffer', fixedOnly);
  ReflectDeleteProperty(prototype, 'resize');
};
