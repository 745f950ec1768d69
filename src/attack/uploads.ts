/**
 * How attacks by upload are made: each archive is sent for an isolate and for every runtime of containers that the server
 * has, over a working function, which has to work unchanged afterwards. Nothing of a refused upload is kept.
 */
import type { Runtime } from '../core/spec.ts';
import { type ArchiveEntry, archive } from './archive.ts';
import { holds } from './case.ts';
import type { Target } from './target.ts';
import { isRefusal, type Refusal, withOwn } from './wire.ts';

/** The function that uploads are made over. */
export const NAME = 'uploaded';
/** What makes code complete, whatever the runtime. */
export const HANDLERS: readonly ArchiveEntry[] = [
  { name: 'index.js', data: 'exports.handler = () => "other";' },
  { name: 'index.py', data: 'def handler(event, context): return "other"\n' },
  { name: 'bootstrap', data: '#!/bin/sh\n', mode: 0o100755 },
];
export const INVALID: Refusal = { code: 'code_invalid', status: 400 };

export type Archives = Readonly<Record<string, Buffer>>;

/** The runtimes that this server has. */
export const runtimesOf = async (target: Target): Promise<readonly Runtime[]> => {
  const { json } = await target.request('GET', '/v1/pools');
  return Object.keys((json as { tiers: Record<string, unknown> }).tiers) as Runtime[];
};

/** @throws Breach unless every archive is refused with each runtime, and what was deployed before is there unchanged. */
export const refusesArchives = async (
  target: Target,
  archives: Archives,
  refusal: Refusal,
  runtimes?: readonly Runtime[],
): Promise<void> => {
  for (const runtime of runtimes ?? (await runtimesOf(target)))
    await withOwn(target, NAME, async () => {
      const before = await target.request('GET', `/v1/functions/${NAME}`);
      for (const [what, bytes] of Object.entries(archives)) {
        const reply = await target.deploy(NAME, { runtime, code: { zip: bytes.toString('base64') } });
        isRefusal(`${what} for ${runtime}`, reply, refusal);
      }
      const after = await target.request('GET', `/v1/functions/${NAME}`);
      holds(after.text === before.text, `a refused upload changed the function: ${after.text.slice(0, 200)}`);
      const called = await target.invoke(NAME, [1]);
      holds(called.text === '[1]', `a refused upload changed the answer: ${called.text.slice(0, 200)}`);
    });
};

/** Beside files that are good. */
export const withFile = (entry: ArchiveEntry): Buffer => archive([...HANDLERS, entry]);
