/**
 * Images that are not what was built: a real one with its agent replaced, or with settings that nobody asked for.
 *
 * Owns them under names of this process, and removes them; the tags that servers look for are never touched.
 */
import Docker from 'dockerode';
import { pack } from 'tar-stream';
import type { ContainerRuntime } from '../../src/core/spec.ts';
import { dockerodeOptions } from '../../src/sandbox/container/docker-host.ts';

import { expectedImage } from '../../src/sandbox/container/images/state.ts';
import { ENGINE_HOST } from './availability.ts';

const REPOSITORY = `strata-test-tampered-${process.pid}`;

export interface Tampering {
  /** The program that lies where the agent should. */
  readonly agent?: Buffer;
  /** Settings of the image, as a Dockerfile has them. */
  readonly changes?: readonly string[];
}

export class TamperedImages {
  readonly #docker = new Docker(dockerodeOptions(ENGINE_HOST));
  readonly #names: string[] = [];

  /** @returns the image's id. */
  async make(runtime: ContainerRuntime, { agent, changes = [] }: Tampering): Promise<string> {
    const container = await this.#docker.createContainer({
      Image: await expectedImage(runtime),
      Labels: { 'strata.test': REPOSITORY },
    });
    try {
      if (agent !== undefined) await container.putArchive(await archiveOf(agent), { path: '/opt/strata' });
      const tag = `image-${this.#names.length}`;
      const settings = changes.length === 0 ? {} : { changes: changes.join('\n') };
      const made = (await container.commit({ repo: REPOSITORY, tag, ...settings })) as { Id: string };
      this.#names.push(`${REPOSITORY}:${tag}`);
      return made.Id;
    } finally {
      await container.remove({ force: true });
    }
  }

  async close(): Promise<void> {
    for (const name of this.#names.splice(0)) await this.#docker.getImage(name).remove({ force: true });
  }
}

const archiveOf = async (agent: Buffer): Promise<Buffer> => {
  const archive = pack();
  archive.entry({ name: 'agent', mode: 0o755 }, agent);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};
