/**
 * What must hold after every step of any schedule: counts, charges and taints agree, and everyone is settled once.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_PRESSURE } from '../pool/budget.ts';
import { type Bench, createBench, loadRequest, place } from '../pool/fixture.ts';
import type { Lease } from '../pool/lease.ts';
import { POLICY_NAMES } from '../pool/policy/api.ts';
import { createPolicy } from '../pool/policy/policies.ts';
import type { Placement } from '../pool/slot.ts';
import type { FakeBehaviour } from '../sandbox/fake/backend.ts';

const BEHAVIOURS: readonly FakeBehaviour[] = [
  ...(['echo', 'echo', 'sleep', 'throw', 'loop', 'stuck', 'crash', 'exhaust', 'broken'] as const),
  ...(['endless-load', 'leave'] as const),
];

interface FunctionSpec {
  readonly tenant: string;
  readonly behaviour: FakeBehaviour;
  readonly concurrency: number;
  readonly minInstances: number;
  readonly maxInstances: number;
  readonly memoryMb: number;
  readonly ephemeral: boolean;
  readonly idleTimeoutMs: number;
}

const functionSpec: fc.Arbitrary<FunctionSpec> = fc.record({
  tenant: fc.constantFrom('a', 'b', 'c'),
  behaviour: fc.constantFrom(...BEHAVIOURS),
  concurrency: fc.integer({ min: 1, max: 3 }),
  minInstances: fc.constantFrom(0, 0, 0, 1, 3),
  maxInstances: fc.integer({ min: 1, max: 4 }),
  memoryMb: fc.constantFrom(64, 128),
  ephemeral: fc.constantFrom(false, false, false, true),
  idleTimeoutMs: fc.constantFrom(5, 200, 600_000),
});

type Step =
  | {
      readonly kind: 'invoke';
      readonly at: number;
      readonly times: number;
      readonly maxWaitMs: number | null;
    }
  | {
      readonly kind: 'exactly';
      readonly at: number;
      readonly start: 'code' | 'runtime' | 'container' | 'none';
    }
  | { readonly kind: 'cancel'; readonly at: number }
  | { readonly kind: 'kill'; readonly at: number }
  | { readonly kind: 'deploy'; readonly at: number }
  | { readonly kind: 'delete'; readonly at: number }
  | { readonly kind: 'pressure'; readonly memoryHigh: boolean; readonly cpuHigh: boolean }
  | { readonly kind: 'pass'; readonly ms: number };

const index = fc.nat({ max: 99 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('invoke' as const),
      at: index,
      times: fc.constantFrom(1, 1, 2, 7),
      maxWaitMs: fc.constantFrom(null, null, 0, 3, 40),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('exactly' as const),
      at: index,
      start: fc.constantFrom('code' as const, 'runtime' as const, 'container' as const, 'none' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), at: index }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const), at: index }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deploy' as const), at: index }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), at: index }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('pressure' as const),
      memoryHigh: fc.boolean(),
      cpuHigh: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.constantFrom(0, 1, 1, 2, 3, 7, 21, 25, 120, 3_000, 61_000),
    }),
  },
);

const setting = fc.record({
  policy: fc.constantFrom('patient', ...POLICY_NAMES),
  capacity: fc.constantFrom(1, 3),
  resizable: fc.boolean(),
  maxSandboxes: fc.integer({ min: 1, max: 6 }),
  reservePercent: fc.constantFrom(0, 20, 50),
  memoryMb: fc.constantFrom(30, 60, 130, 300, 100_000),
  pristine: fc.integer({ min: 0, max: 2 }),
  startParallelism: fc.integer({ min: 1, max: 3 }),
  maxLengthPerFunction: fc.constantFrom(2, 50),
});
type Setting = typeof setting extends fc.Arbitrary<infer T> ? T : never;

/** Lets the schedule decide when a part of an invocation goes on. */
type Pause = () => Promise<unknown>;

class World {
  readonly bench: Bench;
  readonly #setting: Setting;
  readonly #pause: Pause;
  readonly #placements: Placement[];
  readonly #keys = new Map<string, Placement>();
  /** Invocations that came and have not left, by group. */
  readonly #open = new Map<string, number>();
  readonly #cancels: (() => void)[] = [];
  readonly #carrierTenants = new Map<string, string>();
  readonly settled: Promise<void>[] = [];
  asked = 0;
  answered = 0;
  #killed = 0;

  private constructor(bench: Bench, chosen: Setting, functions: readonly FunctionSpec[], pause: Pause) {
    this.bench = bench;
    this.#setting = chosen;
    this.#pause = pause;
    this.#placements = functions.map(({ tenant, behaviour, ...rest }, number) => {
      const name = `${tenant}/f${number}`;
      return place(name, { ...rest, tenant, label: behaviour, key: `${name}/1`, group: name });
    });
    for (const placement of this.#placements) this.#keys.set(placement.key, placement);
  }

  static async create(
    chosen: Setting,
    functions: readonly FunctionSpec[],
    failures: Iterator<boolean>,
    pause: Pause,
  ) {
    const bench = await createBench({
      ...(chosen.policy === 'patient' ? {} : { policy: createPolicy(chosen.policy) }),
      ...{ capacity: chosen.capacity, resizable: chosen.resizable, memoryMb: chosen.memoryMb },
      ...{ reservePercent: chosen.reservePercent, sweepIntervalMs: 60_000 },
      queue: { maxLengthPerFunction: chosen.maxLengthPerFunction, maxLength: 60 },
      settings: {
        ...{ maxSandboxes: chosen.maxSandboxes, reservePercent: chosen.reservePercent },
        ...{ pristine: chosen.pristine, startParallelism: chosen.startParallelism, maxPristine: 2 },
      },
      failStart: () => failures.next().value === true,
    });
    return new World(bench, chosen, functions, pause);
  }

  async take(next: Step): Promise<void> {
    const { bench } = this;
    switch (next.kind) {
      case 'invoke':
        for (let time = 0; time < next.times; time += 1)
          this.#invoke(this.#at(next.at), next.maxWaitMs ?? undefined);
        break;
      case 'exactly':
        this.#invoke(this.#at(next.at), undefined, next.start);
        break;
      case 'cancel':
        this.#cancels.at(next.at % Math.max(1, this.#cancels.length))?.();
        break;
      case 'kill': {
        // One of the latest, so that it is still up as a rule.
        const { kills } = bench;
        kills.at(-1 - (next.at % Math.max(1, Math.min(3, kills.length))))?.();
        this.#killed += 1;
        break;
      }
      case 'deploy':
        this.#deploy(next.at);
        break;
      case 'delete':
        bench.pool.supersede(this.#at(next.at).group, null);
        break;
      case 'pressure':
        bench.budget.pressure = { memoryHigh: next.memoryHigh, cpuHigh: next.cpuHigh };
        break;
      case 'pass':
        await bench.clock.advance(next.ms);
    }
    await bench.clock.advance(0);
    this.check();
  }

  check(): void {
    const { pool, budget, scheduler } = this.bench;
    const view = pool.view();
    const listed = { free: 0, busy: 0, starting: 0, draining: 0 };
    let live = 0;
    for (const { id, tenant, state, instances } of view.sandboxes) {
      if (state === 'starting' || state === 'ready') live += 1;
      const before = this.#carrierTenants.get(id);
      if (before !== undefined) agree('the tenant of a sandbox', tenant, before);
      if (tenant !== null) this.#carrierTenants.set(id, tenant);
      for (const one of instances) listed[one.state as keyof typeof listed] += 1;
    }
    for (const state of ['free', 'busy', 'starting', 'draining'] as const)
      agree(state, view.slots[state], listed[state]);
    agree('total', view.slots.total, listed.free + listed.busy + listed.starting + listed.draining);
    agree('audit', pool.audit(), null);
    agree('repairs', this.bench.repairs(), 0);
    const { maxSandboxes, memoryMb } = this.#setting;
    within('serving memory', budget.servingMb, -1e-6, budget.usedMb + 1e-6);
    within('used memory', budget.usedMb, -1e-6, memoryMb + 1e-6);
    within('sandboxes', live, 0, maxSandboxes);
    within('waiting', scheduler.waiting, 0, 60);
    for (const { key, maxInstances } of this.#keys.values())
      within(`instances of ${key}`, pool.instancesOf(key), 0, maxInstances);
    for (const placement of this.#placements)
      agree('in flight', pool.inFlightOf(placement), this.#open.get(placement.group) ?? 0);
  }

  /** Nobody asks for anything any more, and time passes. */
  async end(): Promise<void> {
    const { pool, clock, scheduler, budget, faults } = this.bench;
    budget.pressure = NO_PRESSURE;
    await clock.advance(20_000);
    await Promise.all(this.settled);
    this.check();
    expect(this.answered).toBe(this.asked);
    expect(scheduler.waiting).toBe(0);
    expect(scheduler.lines).toBe(0);
    for (const placement of this.#placements) {
      pool.supersede(placement.group, null);
      expect(pool.inFlightOf(placement)).toBe(0);
    }
    await clock.advance(1_400_000);
    this.check();
    expect(pool.counts()).toMatchObject({ busy: 0, starting: 0, draining: 0 });
    for (const placement of this.#keys.values()) {
      expect(pool.instancesOf(placement.key)).toBe(0);
      expect(pool.comingPlaces(placement)).toBe(0);
    }
    expect(faults.filter((fault) => !/a start failed/.test(fault))).toEqual([]);
    expect(budget.servingMb).toBeCloseTo(0, 6);
    if (this.#setting.policy !== 'patient' && this.#setting.policy !== 'greedy-dual') {
      expect(pool.view().sandboxes.filter(({ tenant }) => tenant !== null)).toEqual([]);
      expect(budget.holders).toBe(0);
    }
    await pool.close();
    await clock.advance(60_000);
    expect(clock.pendingTimers).toBe(0);
    expect(budget.usedMb).toBeCloseTo(0, 6);
    expect(pool.counts().total).toBe(0);
    expect(pool.listed).toBe(0);
    expect(pool.audit()).toBeNull();
  }

  #at(at: number): Placement {
    return this.#placements[at % this.#placements.length] as Placement;
  }

  #deploy(at: number): void {
    const { pool } = this.bench;
    const before = this.#at(at);
    const [name, revision] = [before.group, Number(before.key.split('/').at(-1)) + 1];
    const placement = { ...before, key: `${name}/${revision}` };
    this.#placements[at % this.#placements.length] = placement;
    this.#keys.set(placement.key, placement);
    pool.supersede(placement.group, placement.key);
    pool.deployed(placement);
  }

  #invoke(placement: Placement, maxWaitMs: number | undefined, requireStart?: Lease['start']): void {
    this.asked += 1;
    this.#count(placement, 1);
    this.settled.push(
      this.#run(placement, maxWaitMs, requireStart).then(() => {
        this.answered += 1;
      }),
    );
  }

  async #run(
    placement: Placement,
    maxWaitMs: number | undefined,
    requireStart?: Lease['start'],
  ): Promise<void> {
    let lease: Lease;
    try {
      lease = await this.bench.scheduler.acquire(placement, {
        ...{ maxWaitMs, requireStart },
        onWait: (cancel) => this.#cancels.push(cancel),
      });
    } catch {
      this.#count(placement, -1);
      return;
    }
    const tenant = this.#carrierTenants.get(lease.instance.carrier.id);
    this.#carrierTenants.set(lease.instance.carrier.id, placement.tenant);
    let clean = false;
    try {
      expect(tenant ?? placement.tenant).toBe(placement.tenant);
      clean = await this.#use(lease, placement);
    } finally {
      lease.release(clean && !placement.ephemeral && !lease.instance.ended);
      lease.release(true);
      this.#count(placement, -1);
    }
  }

  async #use(lease: Lease, { label }: Placement): Promise<boolean> {
    await this.#pause();
    if (lease.loads) {
      const { failure } = await lease.instance.load(loadRequest(label as FakeBehaviour));
      await this.#pause();
      if (failure !== null) return false;
      lease.loaded(1);
    }
    const eventJson = Buffer.from('{"ms":30}');
    await lease.instance.invoke({ invocationId: 'i', eventJson, timeoutMs: 300, cpuMs: 300 });
    await this.#pause();
    return true;
  }

  #count({ group }: Placement, by: number): void {
    this.#open.set(group, (this.#open.get(group) ?? 0) + by);
  }
}

/** Cheaper than `expect`, which is asked for after every step. */
const agree = (what: string, actual: unknown, expected: unknown): void => {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)} instead of ${String(expected)}`);
};

const within = (what: string, actual: number, least: number, most: number): void => {
  if (!(actual >= least && actual <= most)) throw new Error(`${what}: ${actual} is not in ${least}..${most}`);
};

const functions = fc.array(functionSpec, { minLength: 1, maxLength: 5 });
const steps = fc.array(step, { minLength: 3, maxLength: 25 });
const failures = fc.infiniteStream(fc.nat({ max: 9 }).map((value) => value === 0));

describe('whatever happens in whatever order', () => {
  it('counts, charges and taints agree after every step, and everyone is settled once', async () => {
    await fc.assert(
      fc.asyncProperty(setting, functions, steps, failures, async (chosen, specs, schedule, failing) => {
        const world = await World.create(chosen, specs, failing, async () => undefined);
        for (const next of schedule) await world.take(next);
        await world.end();
      }),
      { numRuns: 1_000, seed: 20_261_121 },
    );
  });

  it('holds in whatever order those go on who load, run and release', async () => {
    await fc.assert(
      fc.asyncProperty(
        ...[fc.scheduler(), setting, functions, steps, failures],
        async (order, chosen, specs, schedule, failing) => {
          const world = await World.create(chosen, specs, failing, () => order.schedule(Promise.resolve()));
          for (const next of schedule) {
            await world.take(next);
            // One in three goes on only later, beside others.
            for (let turn = 0; turn < 2 && order.count() > 0; turn += 1) await order.waitOne();
            await world.bench.clock.advance(0);
            world.check();
          }
          const letGo = async (): Promise<void> => {
            while (world.answered < world.asked) {
              while (order.count() > 0) await order.waitOne();
              await world.bench.clock.advance(100);
            }
          };
          await letGo();
          await world.end();
        },
      ),
      { numRuns: 500, seed: 20_261_121 },
    );
  });
});
