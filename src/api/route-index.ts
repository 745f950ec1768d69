/**
 * Which methods a path takes, so that a wrong method is told from a wrong path.
 */
import type { FastifyInstance } from 'fastify';

export interface RouteIndex {
  /** The methods that routes matching this URL take; empty for an unknown path. */
  methodsAt(url: string): readonly string[];
}

/** Must be created before the routes are registered: it listens to their registration. */
export const createRouteIndex = (app: FastifyInstance): RouteIndex => {
  const patterns = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();
  app.addHook('onRoute', (route) => {
    if (route.url.includes('*')) return;
    const entry = patterns.get(route.url) ?? { pattern: patternOf(route.url), methods: new Set() };
    for (const method of [route.method].flat()) entry.methods.add(method);
    patterns.set(route.url, entry);
  });
  return {
    methodsAt(url) {
      const path = url.split('?', 1)[0] ?? '';
      const matching = [...patterns.values()].filter(({ pattern }) => pattern.test(path));
      return [...new Set(matching.flatMap(({ methods }) => [...methods]))];
    },
  };
};

/** Route paths hold letters, digits, `/`, `.`, `_` and `:name` only. */
const patternOf = (routePath: string): RegExp =>
  new RegExp(`^${routePath.replaceAll('.', '\\.').replace(/:[A-Za-z]+/g, '[^/]+')}$`);
