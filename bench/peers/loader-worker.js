// Runs the code of static-worker.js through workerd's Worker Loader: the path says how.
import source from 'dynamic-source';

let loaded = 0;

// No network for the loaded code: the same that a Strata function has.
const codeWith = (comment) => ({
  compatibilityDate: '2026-01-01',
  mainModule: 'main.js',
  modules: { 'main.js': `/* ${comment} */ ${source}` },
  globalOutbound: null,
});

const workers = {
  // One isolate, kept.
  '/warm': (loader) => loader.get('warm', () => codeWith('warm')),
  // An id and a text that were never seen: a new isolate that the loader then keeps in its cache.
  '/get-new': (loader) => {
    loaded += 1;
    const id = `fresh-${loaded}`;
    return loader.get(id, () => codeWith(id));
  },
  // A new isolate that is not cached.
  '/load': (loader) => {
    loaded += 1;
    return loader.load(codeWith(loaded));
  },
};

export default {
  fetch(request, env) {
    const open = workers[new URL(request.url).pathname];
    if (open === undefined) return new Response('no such path', { status: 404 });
    return open(env.LOADER).getEntrypoint().fetch(request);
  },
};
