/**
 * Instances in containers: calls that overlap in one, and what none of them finds of the one before.
 */
import { expect, it } from 'vitest';
import { eventually } from '../limits/bench.ts';
import { describeContainers } from './availability.ts';
import { openContainers } from './executors.ts';
import { loadRequest, openSandboxes } from './sandboxes.ts';

/** Answers when four calls are in the handler at once, and never before. */
const TOGETHER = {
  nodejs24:
    'let waiting = []; exports.handler = () => new Promise((done) => { waiting.push(done); ' +
    'if (waiting.length === 4) for (const one of waiting.splice(0)) one(process.pid); });',
  python3:
    'import os, threading\nall = threading.Barrier(4)\n' +
    'def handler(event, context):\n  all.wait()\n  return os.getpid()\n',
};

/** Leaves what it can; answers with what it found of an invocation before. */
const LEAVES_TRACES = `
import builtins, os, signal
def handler(event, context):
  found = sorted(os.listdir("/tmp")) + sorted(os.listdir("/dev/mqueue"))
  found += [name for name in os.environ if name == "LEFT"]
  found += [name for name in ("left",) if hasattr(builtins, name)]
  found += ["process " + pid for pid in os.listdir("/proc")
            if pid.isdigit() and int(pid) != os.getpid() and os.stat("/proc/" + pid).st_uid == os.getuid()]
  builtins.left = True
  os.environ["LEFT"] = "1"
  open("/tmp/file", "w").write("left")
  os.makedirs("/tmp/closed/inner")
  open("/tmp/closed/inner/file", "w").write("left")
  os.chmod("/tmp/closed/inner", 0)
  os.chmod("/tmp/closed", 0)
  os.symlink("/etc/passwd", "/tmp/link")
  os.close(os.open("/dev/mqueue/queue", os.O_CREAT | os.O_WRONLY, 0))
  if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
      while True: signal.pause()
    os._exit(0)
  os.wait()
  return {"found": found, "where": os.uname().nodename}
`;

await describeContainers('instances in containers', ['nodejs24', 'python3', 'provided'], () => {
  it.each(['nodejs24', 'python3'] as const)(
    'of %s take as many calls as the function allows',
    async (runtime) => {
      const containers = await openContainers();
      await containers.deploy('together', runtime, TOGETHER[runtime], { concurrency: 4, maxInstances: 1 });
      for (let round = 0; round < 3; round += 1) {
        const pids = await Promise.all([1, 2, 3, 4].map(() => containers.result<number>('together')));
        expect(new Set(pids).size).toBe(1);
      }
      expect(containers.holding('together', runtime)).toHaveLength(1);
      await containers.close();
    },
  );

  it('that serve one invocation leave nothing for the next, in the same container', async () => {
    const containers = await openContainers({ maxContainers: 1 });
    await containers.deploy('traces', 'python3', LEAVES_TRACES, { processModel: 'ephemeral' });
    type Seen = { readonly found: readonly string[]; readonly where: string };
    const seen: Seen[] = [];
    for (let round = 0; round < 4; round += 1) seen.push(await containers.result<Seen>('traces'));
    expect(seen.map(({ found }) => found)).toEqual([[], [], [], []]);
    expect(new Set(seen.map(({ where }) => where)).size).toBe(1);
    await containers.close();
  });

  it('have all of their memory to themselves, whatever code lies in the container', async () => {
    const sandboxes = await openSandboxes('python3');
    const blob = { bytes: new Uint8Array(12 * 1024 * 1024), executable: false };
    const takes = 'def handler(event, context):\n  return len(bytearray(8 * 1024 * 1024))\n';
    const plain = loadRequest('python3', takes, 32);
    const large = {
      ...{ codeDigest: 'a'.repeat(64), memoryMb: 32 },
      files: new Map([...plain.files, ['blob', blob]]),
    };
    const first = await sandboxes.serve(takes, large);
    expect(await first.result()).toBe(8 * 1024 * 1024);
    const second = await first.again(takes, { memoryMb: 32 });
    const { failure, maxMemoryBytes } = await second.invoke();
    expect(failure).toBeNull();
    expect(maxMemoryBytes).toBeLessThan(32 * 1024 * 1024);
    await sandboxes.close();
  });

  it('whose process ends while idle make room for another, in the same container', async () => {
    const containers = await openContainers({ maxContainers: 1, freezeAfterMs: 0 });
    const leaves =
      'exports.handler = () => { setImmediate(() => setImmediate(() => process.exit(0))); ' +
      'return require("node:os").hostname(); };';
    await containers.deploy('leaves', 'nodejs24', leaves);
    const where = await containers.result<string>('leaves');
    const replaced = () => containers.holding('leaves', 'nodejs24').length === 0;
    expect(await eventually(10_000, replaced)).toBe(true);
    expect(await eventually(10_000, () => containers.pool('nodejs24').ready.runtime === 1)).toBe(true);
    const { result, receipt } = await containers.invoke('leaves');
    expect({ result, start: receipt.start }).toEqual({ result: where, start: 'runtime' });
    await containers.close();
  });
});
