import { expect, it } from 'vitest';
import { welcomeLines } from './welcome.ts';

it('says how code is confined, what is served and why the rest is not, each once', () => {
  const docker = { kind: 'docker', summary: 'in containers', gaps: [] };
  const gaps = [{ missing: 'the network', remedy: 'sysctl -w x=1' }];
  const container = { tier: 'container', available: false } as const;
  const lines = welcomeLines({
    confinement: () => ({
      isolate: { kind: 'process', summary: 'a child process', gaps },
      ...{ nodejs24: docker, provided: docker },
    }),
    runtimes: () => [
      { runtime: 'isolate', tier: 'isolate', available: true, reason: null },
      { ...container, runtime: 'nodejs24', available: true, reason: null },
      { ...container, runtime: 'python3', reason: 'no image\u001b[2J' },
      { ...container, runtime: 'provided', reason: 'no image\u001b[2J' },
    ],
  });
  expect(lines).toEqual([
    'Confinement of isolate: a child process',
    '  not confined: the network',
    '    to mend: sysctl -w x=1',
    'Confinement of nodejs24, provided: in containers',
    'Runtimes: isolate, nodejs24',
    '  not served: python3, provided (no image\\u001b[2J)',
  ]);
});
