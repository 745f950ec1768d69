/**
 * Where a function with a network finds the proxy of its container: the variables that HTTP clients know.
 *
 * Owns the names. What the function sets itself wins: it reaches no more by it.
 */

/** `PROXY_PORT` of the agent. */
const PROXY = 'http://127.0.0.1:9002';
/** What listens in the container itself, the Runtime API among it. */
const NO_PROXY = 'localhost,127.0.0.1,::1';

const VARIABLES: Readonly<Record<string, string>> = {
  // Programs differ in which case they read; some read HTTP_PROXY only in lower case.
  ...{ HTTP_PROXY: PROXY, HTTPS_PROXY: PROXY, http_proxy: PROXY, https_proxy: PROXY },
  ...{ NO_PROXY, no_proxy: NO_PROXY },
  // Node reads the others when it is told to; also a Node that the function starts.
  NODE_USE_ENV_PROXY: '1',
};

export const withProxy = (env: Readonly<Record<string, string>>): Readonly<Record<string, string>> => ({
  ...VARIABLES,
  ...env,
});
