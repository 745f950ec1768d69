import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { Scope } from './children.ts';

it('closes all that it owns, the last first, also when closing one of them fails', async () => {
  const closed: string[] = [];
  const running = Scope.run(async (scope) => {
    scope.own({ close: () => void closed.push('first') });
    scope.own({
      close: () => {
        throw new Error('it will not close');
      },
    });
    scope.own({ close: () => void closed.push('last') });
  });
  await expect(running).rejects.toThrow('it will not close');
  expect(closed).toEqual(['last', 'first']);
});

it('closes what it owns when the body fails, and once only when everything is closed meanwhile', async () => {
  let closed = 0;
  const running = Scope.run(async (scope) => {
    scope.own({
      close: () => {
        closed += 1;
      },
    });
    await Scope.closeAll();
    throw new Error('the body failed');
  });
  await expect(running).rejects.toThrow('the body failed');
  expect(closed).toBe(1);
});

const CHILDREN = fileURLToPath(new URL('./children.ts', import.meta.url));
/** Starts a process that outlives its parent unless somebody ends it, and says its id. */
const BENCH = `
  import { endOnSignals, Scope, startChild } from ${JSON.stringify(CHILDREN)};
  endOnSignals();
  await Scope.run(async (scope) => {
    const child = startChild(scope, process.execPath, ['-e', 'setInterval(() => {}, 1_000)']);
    process.stdout.write(String(child.pid) + '\\n');
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  });
`;

it.each(['SIGINT', 'SIGTERM'] as const)(
  'ends what it started when it is told to end by %s',
  async (signal) => {
    const bench = spawn(process.execPath, ['--input-type=module', '-e', BENCH], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exited = new Promise<number | null>((resolve) => bench.once('exit', resolve));
    const pid = await new Promise<number>((resolve) =>
      bench.stdout.once('data', (text: Buffer) => resolve(Number(text))),
    );
    expect(isRunning(pid)).toBe(true);
    bench.kill(signal);
    expect(await exited).toBe(1);
    expect(isRunning(pid)).toBe(false);
  },
);

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
