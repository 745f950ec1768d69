import { createHash } from 'node:crypto';
import { afterAll } from 'vitest';
import type { ContainerRuntime } from '../../src/core/spec.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { systemRandom } from '../../src/ports/random.ts';
import { createContainerTiers } from '../../src/sandbox/container/tiers.ts';
import { describeContainers } from '../container/availability.ts';
import { signalAgent } from '../container/processes.ts';
import { TEST_SETTINGS } from '../container/settings.ts';
import { type Dialect, ISOLATE_DIALECT, sandboxContract } from './sandbox.suite.ts';

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

const NODE: Dialect = {
  ...ISOLATE_DIALECT,
  runtime: 'nodejs24',
  memoryMb: 128,
  carrierSurvives: true,
  digestOf: (behaviour) => digest(NODE.sources[behaviour]),
  sources: {
    ...ISOLATE_DIALECT.sources,
    stuck: 'exports.handler = () => new Promise(() => {});',
    crash: 'exports.handler = () => { process.kill(process.pid, "SIGSEGV"); return new Promise(() => {}); };',
    exhaust: 'exports.handler = () => { const all = []; for (;;) all.push(Buffer.alloc(1e6, 1)); };',
  },
};

const PYTHON: Dialect = {
  runtime: 'python3',
  path: 'index.py',
  memoryMb: 64,
  carrierSurvives: true,
  digestOf: (behaviour) => digest(PYTHON.sources[behaviour]),
  sources: {
    echo: 'def handler(event, context):\n  return event\n',
    sleep: 'import time\ndef handler(event, context):\n  time.sleep(event["ms"] / 1000)\n  return event\n',
    throw: 'class Error(Exception): pass\ndef handler(event, context):\n  raise Error("boom")\n',
    loop: 'def handler(event, context):\n  while True: pass\n',
    stuck: 'import time\ndef handler(event, context):\n  time.sleep(3600)\n',
    crash: 'import os, signal\ndef handler(event, context):\n  os.kill(os.getpid(), signal.SIGSEGV)\n',
    exhaust:
      'def handler(event, context):\n  kept = []\n  while True: kept.append(bytearray(b"x" * 1000000))\n',
    broken: 'raise Exception("boom")\n',
    'endless-load': 'while True: pass\n',
  },
};

for (const dialect of [NODE, PYTHON]) {
  const runtime = dialect.runtime as ContainerRuntime;
  await describeContainers(runtime, [runtime], () => {
    const closers: (() => Promise<void>)[] = [];
    afterAll(async () => {
      for (const close of closers) await close();
    });
    sandboxContract(runtime, async () => {
      const { tiers, close } = await createContainerTiers({
        cpuShares: null,
        ...{ clock: systemClock, random: systemRandom, dataDir: null },
        // It gives up on who is deaf before it finds that it was stopped.
        settings: { ...TEST_SETTINGS, mode: 'auto', killGraceMs: 50 },
        limits: { eventMaxBytes: 1e6, resultMaxBytes: 1e6, containerCodeMaxBytes: 1e7, logMaxBytes: 10_000 },
        onFault: () => undefined,
      });
      closers.push(close);
      const tier = tiers.get(runtime);
      if (tier === undefined) throw new Error(`there is no tier for ${runtime}`);
      return {
        tier,
        dialect,
        settle: (promise) => promise,
        deafen: (carrier) => signalAgent(carrier.id, 'SIGSTOP'),
      };
    });
  });
}
