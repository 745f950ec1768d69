import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../../ports/manual-clock.ts';
import { connectEngineImages, type EngineImages } from './engine-images.ts';

let folder = '';
let server: Server | null = null;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strata-engine-'));
});
afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  await rm(folder, { recursive: true, force: true });
});

/** An engine that answers as the test says. */
const engineThat = async (answers: RequestListener, clock = new ManualClock()): Promise<EngineImages> => {
  const path = join(folder, 'engine.sock');
  const started = createServer(answers);
  server = started;
  await new Promise<void>((resolve) => void started.listen(path, resolve));
  return connectEngineImages(`unix://${path}`, clock);
};

const request = () => ({ archive: Readable.from(['x']), repository: 'r', tag: 't', changes: [] });

describe('connectEngineImages', () => {
  it.each([
    [200, true],
    [404, true],
    [409, false],
  ])('takes %i for an image that is gone: %s', async (status, gone) => {
    const asked: string[] = [];
    const engine = await engineThat((request, answer) => {
      asked.push(`${request.method} ${request.url}`);
      answer.writeHead(status, { 'Content-Type': 'application/json' }).end('[]');
    });
    expect(await engine.remove('strata-python3:old')).toBe(gone);
    expect(asked).toEqual([expect.stringMatching(/^DELETE .*\/images\/strata-python3:old\?force=false$/)]);
  });

  it('gives up on a registry that says nothing', async () => {
    const clock = new ManualClock();
    const asked = Promise.withResolvers<void>();
    const engine = await engineThat(() => asked.resolve(), clock);
    const pulled = engine.pull('node:24');
    const refused = expect(pulled).rejects.toThrow(/pulling node:24: no registry answered within 20000 ms/);
    await asked.promise;
    await clock.advance(20_000);
    await refused;
  });

  it('gives up on an engine that says nothing', async () => {
    const clock = new ManualClock();
    const asked = Promise.withResolvers<void>();
    const engine = await engineThat(() => asked.resolve(), clock);
    const refused = expect(engine.list('strata-')).rejects.toMatchObject({
      code: 'runtime_unavailable',
      message: expect.stringContaining('it took longer than 15000 ms'),
    });
    await asked.promise;
    await clock.advance(15_000);
    await refused;
  });

  it('takes an error in the middle of the progress for a failure, although the answer began well', async () => {
    const engine = await engineThat((asked, answer) => {
      asked.resume().on('end', () => answer.end('{"status":"begun"}\r\n{"error":"no space left"}\r\n'));
    });
    await expect(engine.importArchive(request())).rejects.toThrow(/importing r:t: no space left/);
  });

  it('takes a progress that is cut off for a failure', async () => {
    const engine = await engineThat((asked, answer) => {
      asked.resume().on('end', () => {
        answer.write('{"status":"begun"}\r\n');
        answer.destroy();
      });
    });
    await expect(engine.importArchive(request())).rejects.toMatchObject({ code: 'runtime_unavailable' });
  });

  it('lists only images under the prefix, and bears what engines leave out', async () => {
    const images = [
      { Id: 'a', RepoTags: null, Size: 1, Created: 1, Labels: null },
      { Id: 'b', RepoTags: ['strata-python3:1'], Size: 2, Created: 3, Labels: null },
      { Id: 'c', RepoTags: ['other:1'], Size: 1, Created: 1, Labels: {} },
    ];
    const engine = await engineThat((_asked, answer) => void answer.end(JSON.stringify(images)));
    expect(await engine.list('strata-')).toEqual([
      { id: 'b', names: ['strata-python3:1'], sizeBytes: 2, createdMs: 3_000, labels: {} },
    ]);
  });

  it('has no image where the engine knows none, and fails where it cannot say', async () => {
    const engine = await engineThat(({ url }, answer) => {
      answer.statusCode = url?.includes('lost') === true ? 404 : 500;
      answer.end('{"message":"so it is"}');
    });
    expect(await engine.inspect('lost')).toBeNull();
    await expect(engine.inspect('other')).rejects.toThrow(/failed at inspecting other: .*so it is/);
  });
});
