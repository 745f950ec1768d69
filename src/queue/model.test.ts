/** Crashes at any step, played at random: what was accepted ends once, is billed once for each attempt, and is forgotten by nobody. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StrataError } from '../core/errors.ts';
import { broken, POLICY, QueueWorld } from './testing.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

type Command =
  | { readonly kind: 'accept'; readonly name: 'least' | 'most'; readonly key: number | null }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'cancel'; readonly at: number }
  | { readonly kind: 'redrive' }
  | { readonly kind: 'crash'; readonly steps: number; readonly when: 'before' | 'after' };

const COMMAND: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('accept' as const),
      name: fc.constantFrom('least' as const, 'most' as const),
      key: fc.option(fc.integer({ min: 0, max: 3 })),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('advance' as const),
      ms: fc.constantFrom(1, 700, 5_000, 90_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), at: fc.nat({ max: 20 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'redrive' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      steps: fc.nat({ max: 6 }),
      when: fc.constantFrom('before' as const, 'after' as const),
    }),
  },
);

const ENDINGS = fc.array(fc.constantFrom('ok', 'fails', 'lost', 'refused', 'slow'), {
  minLength: 1,
  maxLength: 30,
});

/** What the function does, one ending after the other. */
const playing = (world: QueueWorld, endings: readonly string[]): void => {
  let turn = 0;
  world.script = () => {
    turn += 1;
    const ending = endings[turn % endings.length];
    if (ending === 'fails') return { tookMs: 50, fails: broken() };
    if (ending === 'lost')
      return { tookMs: 50, fails: { ...broken(), code: 'sandbox_lost', detail: 'The sandbox died.' } };
    if (ending === 'refused') return { tookMs: 5, refused: new StrataError('overloaded', 'Full.') };
    return { tookMs: ending === 'slow' ? 4_000 : 10, result: turn };
  };
};

interface Seen {
  readonly accepted: Set<string>;
  readonly byKey: Map<string, string>;
  /** Of one key and event. */
  readonly different: string[];
}

const play = async (world: QueueWorld, command: Command, seen: Seen): Promise<void> => {
  if (command.kind === 'accept') {
    const { key, name } = command;
    const keyed = key === null ? {} : { idempotencyKey: `k${key}` };
    const accepting = world.accept({ function: name, event: { key }, ...keyed }).then((id) => {
      if (!world.isAlive) return;
      seen.accepted.add(id);
      if (key === null) return;
      const known = seen.byKey.get(`${name}/${key}`);
      if (known !== undefined && known !== id) seen.different.push(id);
      seen.byKey.set(`${name}/${key}`, id);
    });
    accepting.catch(() => {});
  } else if (command.kind === 'advance') {
    await world.run(command.ms);
  } else if (command.kind === 'cancel') {
    const id = [...seen.accepted][command.at];
    if (id !== undefined) world.queue.cancel(id, 'acme').catch(() => {});
  } else if (command.kind === 'redrive') {
    world.queue.redrive('acme', 'least', null).catch(() => {});
  } else {
    let steps = command.steps;
    world.step = (when) => {
      if (when !== command.when) return;
      steps -= 1;
      if (steps < 0) world.crash();
    };
    await world.run(2_000);
    world.step = () => {};
    world.crash();
    await world.open();
  }
};

const rowsOf = (world: QueueWorld, name: string, status: 'succeeded' | null) =>
  world.database.list({
    tenant: 'acme',
    function: name,
    status,
    deadOnly: false,
    before: null,
    limit: 1_000,
  });

const FINAL = ['succeeded', 'failed', 'cancelled', 'expired'];

describe('a queue that crashes at any step', () => {
  it('brings each accepted event to one end, runs at-most-once ones once, and bills no attempt twice', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(COMMAND, { minLength: 3, maxLength: 25 }),
        ENDINGS,
        async (commands, endings) => {
          const world = await new QueueWorld({ maxInterruptions: 1_000 }).open();
          const least = { ...POLICY, maxEventAgeMs: HOUR_MS, onSuccess: { function: 'sink' } };
          world.policies.set('least', least);
          world.policies.set('sink', POLICY);
          world.policies.set('most', { ...POLICY, maxEventAgeMs: HOUR_MS, delivery: 'at-most-once' });
          playing(world, endings);
          const seen: Seen = { accepted: new Set(), byKey: new Map(), different: [] };
          for (const command of commands) await play(world, command, seen);
          await world.run(HOUR_MS + 10 * MINUTE_MS);
          expect(seen.different).toEqual([]);
          for (const id of seen.accepted) {
            const row = world.database.get(id);
            expect(row, id).not.toBeNull();
            expect(FINAL).toContain(row?.status);
            const billed = [...world.ledger.keys()].filter((key) => key.startsWith(`${id}/`));
            const noted = row?.attemptRows.map(({ attempt }) => `${id}/${attempt}`) ?? [];
            expect(billed).toEqual(expect.arrayContaining(noted.slice(-5)));
            expect(billed.length).toBeGreaterThanOrEqual(noted.length);
            if (row?.function === 'most')
              expect(
                world.began.filter(({ invocationId }) => invocationId === id).length,
              ).toBeLessThanOrEqual(1);
          }
          expect(rowsOf(world, 'sink', null)).toHaveLength(rowsOf(world, 'least', 'succeeded').length);
          expect(world.queue.stats()).toMatchObject({ queued: 0, running: 0, delivering: 0 });
        },
      ),
      { numRuns: 500, seed: 20_260_101 },
    );
  }, 120_000);
});
