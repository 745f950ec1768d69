import { expect, it } from 'vitest';
import { brokerProcess } from '../../src/egress/process.ts';
import { systemProcesses } from '../../src/ports/processes.ts';

it('a broker that cannot tell where the next frame begins ends, so that another is started', async () => {
  const broker = brokerProcess(systemProcesses, {
    ...{ privateRanges: [], dnsServers: [], maxHeaderBytes: 1_024 },
    ...{ connectTimeoutMs: 1_000, requestTimeoutMs: 1_000 },
  });
  const handle = await broker.spawn();
  handle.channel.resume();
  handle.channel.write(Buffer.alloc(1_000, 0xff));
  expect(await handle.exited).toMatchObject({ exitCode: 1 });
  await broker.release();
});
