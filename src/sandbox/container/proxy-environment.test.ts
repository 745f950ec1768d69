import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { TUNNEL_TARGET_MAX_BYTES, WINDOW_BYTES } from '../protocol/network-frames.ts';
import { withProxy } from './proxy-environment.ts';

const LIMITS = readFileSync(new URL('../../../sandbox-images/agent/limits.h', import.meta.url), 'utf8');

it('names the port that the agent listens on, and its limits are those of the frames', () => {
  const [, port] = /PROXY_PORT = (\d+)/.exec(LIMITS) ?? [];
  expect(withProxy({})).toMatchObject({
    http_proxy: `http://127.0.0.1:${port}`,
    NO_PROXY: 'localhost,127.0.0.1,::1',
  });
  expect(LIMITS).toContain(`PROXY_WINDOW_BYTES = ${WINDOW_BYTES / 1024} * 1024`);
  expect(LIMITS).toContain(`PROXY_TARGET_BYTES = ${TUNNEL_TARGET_MAX_BYTES}`);
});

it('leaves to the function what it sets itself', () => {
  expect(withProxy({ NO_PROXY: '*', OWN: '1' })).toMatchObject({
    NO_PROXY: '*',
    OWN: '1',
    NODE_USE_ENV_PROXY: '1',
  });
});
