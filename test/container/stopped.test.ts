/**
 * Calls that are stopped, or end their process: what is left of them to read and to pay.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeContainers } from './availability.ts';
import { type Containers, openContainers } from './executors.ts';

const NODE = `
const before = () => { console.warn('before'); };
exports.spin = () => { before(); for (;;); };
exports.wait = () => { before(); return new Promise(() => {}); };
exports.fill = () => { before(); const kept = []; for (;;) kept.push(Buffer.alloc(2 ** 20, 1)); };
exports.exit = () => { before(); process.exit(3); };
exports.flood = () => { for (let at = 0; at < 100_000; at += 1) console.log('x'.repeat(100)); for (;;); };
`;
const PYTHON = `
import logging, os, time
def before(): logging.warning('before')
def spin(e, c):
  before()
  while True: pass
def wait(e, c):
  before()
  time.sleep(3600)
def fill(e, c):
  before()
  kept = []
  while True: kept.append(bytearray(b'x' * 1000000))
def exit(e, c):
  before()
  os._exit(3)
def flood(e, c):
  for at in range(100000): print('x' * 100)
  while True: pass
`;
/** Says that no time passed at all. */
const LIAR = `
import time, sys
real = time.sleep
def handler(e, c):
  for module in list(sys.modules.values()):
    if hasattr(module, '_monotonic'): module._monotonic = lambda: 0.0
  import gc
  for found in gc.get_objects():
    if isinstance(found, dict) and '_monotonic' in found: found['_monotonic'] = lambda: 0.0
  real(0.3)
  return 'done'
`;
const LIMITS = { timeoutMs: 400, cpuMs: 200, memoryMb: 128 };

await describeContainers('a call in a container that is stopped', ['nodejs24', 'python3'], () => {
  let containers: Containers;
  beforeAll(async () => {
    containers = await openContainers({ pristine: 1 });
  });
  afterAll(() => containers.close());

  for (const [runtime, source] of [
    ['nodejs24', NODE],
    ['python3', PYTHON],
  ] as const) {
    it.each([
      ['spin', 'cpu_limit', { timeoutMs: 20_000 }],
      ['wait', 'function_timeout', {}],
      ['fill', 'memory_limit', { timeoutMs: 20_000, cpuMs: 20_000 }],
      ['exit', 'sandbox_exited', {}],
    ] as const)(`in ${runtime} has its log and its time: %s`, async (handler, code, limits) => {
      const name = `${runtime}-${handler}`;
      await containers.deploy(name, runtime, source, { handler: `index.${handler}`, ...LIMITS, ...limits });
      const { receipt } = await containers.invoke(name);
      expect(receipt.error?.code).toBe(code);
      const { logs } = containers.executor.invocation(receipt.invocationId);
      const own = logs.filter(({ message }) => message.includes('before'));
      expect(own).toMatchObject([{ level: 'warn' }]);
      expect(receipt.phasesMs.handler).toBeGreaterThan(0);
      if (code === 'function_timeout') expect(receipt.usage.wallMs).toBeGreaterThanOrEqual(400);
      if (code === 'cpu_limit') expect(receipt.usage.wallMs).toBeGreaterThanOrEqual(190);
    });

    it(`in ${runtime} keeps of a flood what the limit allows, and says that there was more`, async () => {
      const name = `${runtime}-flood`;
      await containers.deploy(name, runtime, source, {
        handler: 'index.flood',
        ...LIMITS,
        cpuMs: 1_000,
        timeoutMs: 20_000,
      });
      const { receipt } = await containers.invoke(name);
      expect(receipt.error?.code).toBe('cpu_limit');
      const { logs } = containers.executor.invocation(receipt.invocationId);
      expect(logs.length).toBe(Math.floor((64 * 1024) / 101));
    });
  }

  it('or not, pays for the time that passed, whatever its process says', async () => {
    await containers.deploy('liar', 'python3', LIAR, { timeoutMs: 20_000, cpuMs: 20_000 });
    const { receipt } = await containers.invoke('liar');
    expect(receipt.error).toBeNull();
    expect(receipt.phasesMs.handler).toBeGreaterThanOrEqual(300);
  });
});
