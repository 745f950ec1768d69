/**
 * A container without an instance: what it gives back, and that it serves on.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../limits/bench.ts';
import { describeContainers } from './availability.ts';
import { openGroup } from './processes.ts';
import { openSandboxes, type Sandboxes } from './sandboxes.ts';

const LIMIT_MS = 10_000;
const ECHO = 'def handler(event, context): return event\n';

await describeContainers('an empty container', ['python3'], () => {
  let sandboxes: Sandboxes;
  beforeAll(async () => {
    sandboxes = await openSandboxes('python3');
  });
  afterAll(() => sandboxes.close());

  it('keeps nothing of its language, and boots it anew when it is needed', async () => {
    const served = await sandboxes.serve(ECHO);
    const group = await openGroup(served.carrier.id);
    expect(group.processes().length).toBe(3);
    await served.instance.dispose();
    expect(await eventually(LIMIT_MS, () => group.processes().length === 1)).toBe(true);
    expect(group.processes()).toEqual([group.agent]);
    const again = await served.again(ECHO);
    expect(await again.result({ a: 1 })).toEqual({ a: 1 });
    expect(group.processes().length).toBe(3);
    expect(sandboxes.faults).toEqual([]);
    again.carrier.kill('idle');
    await again.carrier.exited;
  });
});
