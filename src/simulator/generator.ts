/**
 * Makes traces of the shape that a production trace has, for those who have none: seeded, and the same on every machine.
 *
 * The shape is fitted roughly to what is published of the Azure Functions trace of 2019, and holds no data of it: half
 * of the functions are timers with round periods; the counts of others have heavy tails; a few hot functions have most
 * of all invocations; durations and memory are lognormal. Each function has a random process of its own.
 */
import { StrataError } from '../core/errors.ts';
import { type Chance, seededChance } from './chance.ts';
import { MIX, type Profile, TIMER_PERIODS_MIN } from './generator-mix.ts';
import { hashOf, seedFrom } from './seeds.ts';
import {
  COUNTS_MAX,
  countsOf,
  FUNCTIONS_MAX,
  MINUTE_INVOCATIONS_MAX,
  MINUTE_MS,
  MINUTES_MAX,
  type Trace,
  type TraceFunction,
  type Trigger,
  traceOf,
} from './trace.ts';

export interface GeneratorOptions {
  readonly functions: number;
  readonly minutes: number;
  /** Roughly so many in all; timers fire as often as their periods say. */
  readonly invocations: number;
  readonly seed: number;
}

/** Invocations a function and minute in the trace that the shape is fitted to. */
const USUAL_RATE = 12.66;

export const usualInvocations = (functions: number, minutes: number): number =>
  Math.round(functions * minutes * USUAL_RATE);

/** Eight in the morning: the day's shape rises first. */
const START_MINUTE = 480;
/** The medians of the mix are of so many minutes. */
const MIX_MINUTES = 480;

/** @throws StrataError `invalid_request` for what is out of bounds, or for fewer invocations than the timers have. */
export const generateTrace = (options: GeneratorOptions): Trace => {
  check(options);
  const { functions: count, minutes, invocations, seed } = options;
  const drafts = draftsOf(count, minutes, seed);
  share(drafts, invocations);
  const functions = drafts.map((draft) => functionOf(draft, minutes));
  return traceOf({ functions, startMinute: START_MINUTE, minutes, minuteMs: MINUTE_MS, notes: [] });
};

const check = ({ functions, minutes, invocations }: GeneratorOptions): void => {
  const bounds = [
    ['functions', functions, FUNCTIONS_MAX],
    ['minutes', minutes, MINUTES_MAX],
    ['invocations', invocations, (MINUTE_INVOCATIONS_MAX / 4) * minutes],
  ] as const;
  for (const [name, value, max] of bounds) {
    if (!Number.isInteger(value) || value < 1 || value > max)
      throw refused(`${value} ${name} were asked for; a generated trace has 1 to ${max}.`);
  }
  if (functions * minutes > COUNTS_MAX)
    throw refused(
      `${functions} functions in ${minutes} minutes are too many; their product may be ${COUNTS_MAX}.`,
    );
};

/** A function before its invocations are spread over the minutes. */
interface Draft {
  readonly id: string;
  readonly owner: string;
  readonly app: string;
  readonly trigger: Trigger;
  readonly profile: Profile;
  readonly memoryMb: number;
  readonly durationsMs: readonly number[];
  /** Of a timer; null for others. */
  readonly periodMin: number | null;
  /** Invocations in all, in expectation. */
  target: number;
  hot: boolean;
  readonly chance: Chance;
}

/** One function in seven shares its owner with another, and every third of those the application. */
const NEW_OWNER = 0.86;
const SAME_APP = 1 / 3;

const draftsOf = (count: number, minutes: number, seed: number): Draft[] => {
  const drafts: Draft[] = [];
  for (let index = 0; index < count; index += 1) {
    const chance = seededChance(seedFrom(hashOf('function'), seed, index));
    const trigger = chance.pick(MIX.map((profile) => [profile, profile.weight] as const));
    const neighbour = index > 0 && chance.share() > NEW_OWNER ? drafts[chance.below(index)] : undefined;
    const sameApp = neighbour !== undefined && chance.share() < SAME_APP;
    const owner = neighbour?.owner ?? `owner-${index}`;
    const app = sameApp ? neighbour.app : `app-${index}`;
    const memoryMb = memoryOf(chance);
    const periodMin = trigger.trigger === 'timer' ? chance.pick(TIMER_PERIODS_MIN) : null;
    const median = (trigger.medianCount * minutes) / MIX_MINUTES;
    drafts.push({
      ...{ id: `${owner}/${app}/function-${index}`, owner, app, trigger: trigger.trigger, profile: trigger },
      // The functions of an application run in its memory.
      memoryMb: sameApp ? neighbour.memoryMb : memoryMb,
      durationsMs: durationsOf(chance, trigger.medianMs),
      ...{ periodMin, hot: false, chance },
      target:
        periodMin === null
          ? chance.lognormal(median, trigger.countDeviation)
          : Math.max(1, minutes / periodMin),
    });
  }
  return drafts;
};

/** Of all invocations, what the hot functions have, and how it falls to them. */
const HOT_SHARE = 0.78;
const HOT_WEIGHTS = [0.81, 0.12, 0.07];
const FUNCTIONS_PER_HOT = 170;
/** Beyond it a function would be a hot one itself: a share of all invocations. */
const BODY_MAX = 0.03;

/** Gives a few functions most of the invocations, and brings the sum of the others to the rest. */
const share = (drafts: readonly Draft[], invocations: number): void => {
  const timers = drafts.filter(({ periodMin }) => periodMin !== null);
  const others = drafts.filter(({ periodMin }) => periodMin === null);
  const fixed = timers.reduce((sum, { target }) => sum + target, 0);
  const least = Math.ceil(fixed + others.length);
  if (invocations < least) {
    throw refused(
      `${invocations} invocations were asked for; with these functions and minutes it takes ${least}, ` +
        'because timers fire and every function is invoked. Ask for more, or for fewer functions or minutes.',
    );
  }
  const ranked = others.toSorted((one, other) => other.target - one.target || (one.id < other.id ? -1 : 1));
  const hot = ranked.slice(0, Math.ceil(drafts.length / FUNCTIONS_PER_HOT));
  const body = ranked.slice(hot.length);
  const weights = hot.map(
    (_, rank) => (HOT_WEIGHTS[rank % HOT_WEIGHTS.length] ?? 1) / (1 + Math.floor(rank / HOT_WEIGHTS.length)),
  );
  const weight = weights.reduce((sum, each) => sum + each, 0);
  for (const [rank, draft] of hot.entries()) {
    draft.hot = true;
    draft.target =
      ((invocations - fixed) * (body.length === 0 ? 1 : HOT_SHARE) * (weights[rank] ?? 0)) / weight;
  }
  spread(body, (invocations - fixed) * (1 - HOT_SHARE), invocations * BODY_MAX);
};

/** Brings the targets to a sum, the large ones most, so that the median function stays what it is. */
const spread = (body: readonly Draft[], sum: number, max: number): void => {
  const drawn = body.map(({ target }) => Math.max(1, target));
  const sumAt = (power: number): number => drawn.reduce((total, target) => total + at(target, power), 0);
  const at = (target: number, power: number): number =>
    Math.min(max, target <= PIVOT ? target : PIVOT * (target / PIVOT) ** power);
  let low = 0;
  let high = 4;
  for (let step = 0; step < 40; step += 1) {
    const middle = (low + high) / 2;
    if (sumAt(middle) > sum) high = middle;
    else low = middle;
  }
  const bent = sumAt(low);
  // Too few invocations for the small counts as they are: all shrink.
  const factor = Math.min(1, sum / bent);
  for (const [index, draft] of body.entries())
    draft.target = Math.max(1, at(drawn[index] ?? 1, low) * factor);
};

/** Counts up to here stay. */
const PIVOT = 100;

const functionOf = (draft: Draft, minutes: number): TraceFunction => {
  const { id, owner, app, trigger, memoryMb, chance } = draft;
  const counts = new Uint32Array(minutes);
  const steady = draft.hot || draft.target / minutes > STEADY_FROM;
  const durationsMs = steady ? shortDurations(chance) : draft.durationsMs;
  if (draft.periodMin !== null) fireTimer(counts, draft.periodMin, chance);
  else if (steady) flow(counts, draft.target, chance);
  else burst(counts, draft.target, draft.profile, chance);
  if (counts.every((count) => count === 0)) counts[chance.below(minutes)] = 1;
  return { id, owner, app, trigger, memoryMb, durationsMs, ...countsOf(counts) };
};

const SLIP_SHARE = 0.3;

/** At its period; the clocks of some slip to the next minute now and then. */
const fireTimer = (counts: Uint32Array, periodMin: number, chance: Chance): void => {
  const slips = chance.share() < SLIP_SHARE ? 0.1 : 0;
  // The first may lie behind the end: of a rare timer only those are in a trace that fire.
  const first = chance.share() * Math.min(periodMin, counts.length);
  for (let due = first; due < counts.length; due += periodMin) {
    const minute = Math.min(counts.length - 1, Math.floor(due + (chance.share() < slips ? 1 : 0)));
    counts[minute] = (counts[minute] ?? 0) + 1;
  }
};

/** Invocations a minute from which a function is hardly ever idle. */
const STEADY_FROM = 20;

/** A steady flow with the shape of a day and some noise. */
const flow = (counts: Uint32Array, target: number, chance: Chance): void => {
  const swing = 0.3 * chance.share();
  let shape = 0;
  for (let minute = 0; minute < counts.length; minute += 1) shape += dayShape(minute, swing);
  const mean = target / shape;
  for (let minute = 0; minute < counts.length; minute += 1)
    counts[minute] = chance.poisson(
      mean * dayShape(minute, swing) * Math.max(0.2, 1 + 0.08 * chance.normal()),
    );
};

/** Bursts at random times, each over some minutes; where a burst is one invocation it is a Poisson process. */
const burst = (counts: Uint32Array, target: number, profile: Profile, chance: Chance): void => {
  const swing = profile.daySwing * chance.share();
  const size = Math.max(1, profile.burst * target ** profile.burstGrowth * chance.lognormal(1, 0.5));
  for (let left = chance.poisson(Math.max(0.5, target / size)); left > 0; left -= 1) {
    let minute = momentOf(counts.length, swing, chance);
    let events = 1 + (size > 1 ? chance.poisson(size - 1) : 0);
    while (events > 0) {
      const now = 1 + chance.below(events);
      counts[minute] = (counts[minute] ?? 0) + now;
      events -= now;
      minute = Math.min(counts.length - 1, minute + 1 + (chance.share() < profile.pause ? 1 : 0));
    }
  }
};

const DAY_MIN = 1_440;
const NOON_MIN = 840;

const dayShape = (minute: number, swing: number): number =>
  1 + swing * Math.cos((2 * Math.PI * (START_MINUTE + minute - NOON_MIN)) / DAY_MIN);

const momentOf = (minutes: number, swing: number, chance: Chance): number => {
  for (;;) {
    const minute = chance.below(minutes);
    if (chance.share() * (1 + swing) <= dayShape(minute, swing)) return minute;
  }
};

const DURATION_DEVIATION = 2.3;
const DURATION_MAX_MS = 300_000;
/** Of the normal distribution at each of the trace's percentiles; the ends stand for what is seen of many. */
const NORMAL_AT = [-3, -2.326, -0.674, 0, 0.674, 2.326, 3.1];

const durationsOf = (chance: Chance, medianMs: number): number[] =>
  around(chance.lognormal(medianMs, DURATION_DEVIATION), Math.min(2, chance.lognormal(0.55, 0.9)));

/** What is invoked all the time is short, else it would have filled a data centre. */
const shortDurations = (chance: Chance): number[] =>
  around(Math.min(1_000, chance.lognormal(80, 1.2)), Math.min(1.2, chance.lognormal(0.55, 0.5)));

const around = (median: number, deviation: number): number[] =>
  NORMAL_AT.map((normal) => Math.min(DURATION_MAX_MS, Math.round(median * Math.exp(normal * deviation))));

const MEMORY_MEDIAN_MB = 57;
const MEMORY_DEVIATION = 1.15;
/** Above it memory grows little: platforms bound it. */
const MEMORY_KNEE_MB = 150;

const memoryOf = (chance: Chance): number => {
  const drawn = chance.lognormal(MEMORY_MEDIAN_MB, MEMORY_DEVIATION);
  const bent =
    drawn <= MEMORY_KNEE_MB ? drawn : Math.min(512, MEMORY_KNEE_MB + (drawn - MEMORY_KNEE_MB) * 0.25);
  return Math.max(1, Math.round(bent * 10) / 10);
};

const refused = (detail: string): StrataError => new StrataError('invalid_request', detail);
