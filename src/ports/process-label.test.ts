import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { hasEnded, isAlive, PROCESS_NAME, processLabel, processName } from './process-label.ts';

const ENDED_PID = 999_999_999;
const NAMESPACE = processName().split('-')[2];

/** What a process in another PID namespace thinks of this one, and what it is called itself; null where none can be had. */
const elsewhere = (mountProc: boolean): { ended: boolean; name: string } | null => {
  const script = `
import { hasEnded, processName } from ${JSON.stringify(new URL('./process-label.ts', import.meta.url).href)};
console.log(JSON.stringify({ ended: hasEnded(${JSON.stringify(processName())}), name: processName() }));`;
  const namespaces = ['--user', '--map-root-user', '--pid', '--fork', ...(mountProc ? ['--mount-proc'] : [])];
  const command = [...namespaces, process.execPath, '--input-type=module', '--eval', script];
  try {
    const output = execFileSync('unshare', command, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return JSON.parse(output) as { ended: boolean; name: string };
  } catch {
    return null;
  }
};

describe('the name of a process', () => {
  it('says that the process has not ended, and that others of its namespace have', () => {
    expect(processName()).toMatch(new RegExp(`^${PROCESS_NAME.source}$`));
    expect(hasEnded(processName())).toBe(false);
    expect(hasEnded(`${ENDED_PID}-1-${NAMESPACE}`)).toBe(true);
    expect(hasEnded(`${process.pid}-1-${NAMESPACE}`)).toBe(true);
  });

  it('says nothing of a process in another namespace', () => {
    expect(hasEnded(`${ENDED_PID}-1-1`)).toBe(false);
    expect(hasEnded(`${ENDED_PID}-1-0`)).toBe(false);
    expect(hasEnded('')).toBe(false);
  });

  // Not every machine lets a process have namespaces of its own.
  it.skipIf(elsewhere(true) === null).each([true, false])(
    'is not taken for that of one that has ended by who cannot see it, with a /proc of its own: %s',
    (mountProc) => {
      const other = elsewhere(mountProc);
      expect(other?.ended).toBe(false);
      expect(other?.name.split('-')[2]).not.toBe(NAMESPACE);
      expect(hasEnded(other?.name ?? '')).toBe(false);
    },
  );
});

describe('the label of a process', () => {
  it('says whether the process still runs', () => {
    expect(isAlive(processLabel())).toBe(true);
    expect(isAlive(`${process.pid}:1`)).toBe(false);
    expect(isAlive(undefined)).toBe(false);
  });
});
