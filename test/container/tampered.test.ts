/**
 * An image that was tampered with gives no sandbox: its start fails with a typed error, in time, and leaves nothing.
 */
import { readdirSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/core/errors.ts';
import { dockerEngine } from '../../src/sandbox/container/engine.ts';

import { expectedImage } from '../../src/sandbox/container/images/state.ts';
import { describeContainers, ENGINE_HOST } from './availability.ts';
import { compiled } from './bootstraps.ts';
import { openSandboxes, type Sandboxes, type SandboxesOptions } from './sandboxes.ts';
import { TamperedImages, type Tampering } from './tampered-images.ts';

/** Says over the socket what ACT tells; frames are made by hand, as one who knows the protocol would. */
const AGENT = `
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
static int s;
static void say(uint8_t version, uint8_t type, const char *meta) {
    unsigned char frame[4096] = {0};
    uint32_t size = (uint32_t)strlen(meta), total = 42 + size;
    memcpy(frame, &total, 4);
    frame[4] = version;
    frame[5] = type;
    memcpy(frame + 42, &size, 4);
    memcpy(frame + 46, meta, size);
    (void)!write(s, frame, 4 + total);
}
int main(void) {
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "/run/strata/agent.sock"};
    s = socket(AF_UNIX, SOCK_STREAM, 0);
#ifndef SILENT
    if (connect(s, (struct sockaddr *)&to, sizeof to)) return 9;
#endif
    ACT
    pause();
}
`;
const READY = 'say(1, 1, "{\\"agent\\":1,\\"runtime\\":\\"provided\\"}");';

const act = (statements: string, ...defines: string[]): Tampering => ({
  agent: compiled(AGENT.replace('ACT', statements), defines),
});

type Case = [what: string, tampering: () => Tampering, detail: RegExp, startTimeoutMs?: number];

const REFUSED: Case[] = [
  ['ends at once, as /bin/false does', () => act('return 1;'), /hung up|ended/],
  ['ends before it connects', () => act('return 1;', 'SILENT'), /ended/],
  ['is no program', () => ({ agent: Buffer.from('#!/no/such\n') }), /could not start a container|ended/],
  ['never connects', () => act('', 'SILENT'), /./, 1_000],
  ['connects and says nothing', () => act(''), /./, 1_000],
  ['connects and hangs up', () => act('close(s);'), /hung up/],
  ['speaks another protocol', () => act('(void)!write(s, "GET / HTTP/1.1\\r\\n\\r\\n", 18);'), /protocol/],
  [
    'announces more than a frame may have',
    () => act('(void)!write(s, "\\xff\\xff\\xff\\x7f", 4);'),
    /protocol/,
  ],
  ['speaks another version of the frames', () => act('say(2, 1, "{}");'), /protocol/],
  ['does not introduce itself', () => act('say(1, 1, "hello");'), /did not introduce itself/],
  ['speaks another version of the agent', () => act('say(1, 1, "{\\"agent\\":2}");'), /version 2/],
  [
    'is that of another runtime',
    () => act(READY.replace('provided', 'nodejs24')),
    /for the runtime nodejs24/,
  ],
  ['answers before it is ready', () => act('say(1, 8, "{}");'), /before it was asked/],
];

await describeContainers('an image that was tampered with', ['provided'], () => {
  const images = new TamperedImages();
  const open: Sandboxes[] = [];
  const sandboxesOf = async (tampering: Tampering, startTimeoutMs = 30_000): Promise<Sandboxes> => {
    const imageId = await images.make('provided', tampering);
    const engine = dockerEngine(ENGINE_HOST);
    const expected = await expectedImage('provided');
    const tampered: SandboxesOptions = {
      startTimeoutMs,
      engine: { ...engine, image: (name) => engine.image(name === expected ? imageId : name) },
    };
    const sandboxes = await openSandboxes('provided', tampered);
    open.push(sandboxes);
    return sandboxes;
  };
  const expectNothingLeft = async (sandboxes: Sandboxes): Promise<void> => {
    await sandboxes.close();
    expect(await sandboxes.containers()).toEqual([]);
  };
  afterAll(async () => {
    for (const sandboxes of open) await sandboxes.close();
    await images.close();
  });

  it.each(REFUSED)('whose agent %s gives no sandbox', async (_what, tampering, detail, startTimeoutMs) => {
    const sandboxes = await sandboxesOf(tampering(), startTimeoutMs);
    const code: ErrorCode = 'start_failed';
    await expect(sandboxes.tier.provision()).rejects.toMatchObject({
      ...{ code, message: expect.stringMatching(detail) },
    });
    await sandboxes.tier.close();
    expect(readdirSync(sandboxes.runFolder)).toEqual([]);
    await expectNothingLeft(sandboxes);
  });

  it('that brings a volume gives no sandbox', async () => {
    const sandboxes = await sandboxesOf({ changes: ['VOLUME /data'] });
    await expect(sandboxes.tier.provision()).rejects.toMatchObject({
      ...{ code: 'start_failed', message: expect.stringMatching(/Mounts/) },
    });
    await expectNothingLeft(sandboxes);
  });

  it.each<[string, string, number?]>([
    ['says twice that it is ready', `${READY} ${READY}`],
    ['answers what nobody asked', `${READY} say(1, 8, "{}");`],
    ['says what only the server says', `${READY} say(1, 2, "{}");`],
    ['hangs up once it is ready', `${READY} close(s);`],
    ['ends once it is ready', `${READY} return 0;`],
    ['never answers', READY, 1_000],
  ])(
    'whose agent %s serves nobody',
    async (_what, statements, startTimeoutMs) => {
      const sandboxes = await sandboxesOf(act(statements), startTimeoutMs);
      // It may come up before it shows what it is; nothing can be loaded into it, and nobody waits for its deadline.
      await expect(sandboxes.serve('#!/bin/sh\n')).rejects.toMatchObject({ code: 'start_failed' });
      await expectNothingLeft(sandboxes);
    },
    20_000,
  );
});
