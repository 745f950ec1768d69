/**
 * The runtimes of this API and what runs them here.
 *
 * Owns the list. Versions of a language that end sooner than the one that is served run on the one that is served.
 */
import type { Runtime } from '../../core/spec.ts';
import { shown } from '../native/names.ts';
import { invalidParameter } from './errors.ts';

const NODE = ['nodejs24.x', 'nodejs22.x', 'nodejs20.x'] as const;
const PYTHON = ['python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python3.9'] as const;
const PROVIDED = ['provided.al2023', 'provided.al2', 'provided'] as const;

/** Every runtime that is taken, by what runs it. */
export const RUNTIME_NAMES: Readonly<Record<Exclude<Runtime, 'isolate'>, readonly string[]>> = {
  nodejs24: NODE,
  python3: PYTHON,
  provided: PROVIDED,
};

/** The tag that chooses the tier of a Node function, and its values. */
const TIER_TAG = 'strata:tier';
/** The tag that lists the hosts that a function may reach, separated by spaces. */
const NETWORK_TAG = 'strata:network';

/**
 * What runs a function.
 * @throws LambdaError for an unknown runtime, and for a tier that it does not have.
 */
export const runtimeOf = (name: string, tags: Readonly<Record<string, string>>): Runtime => {
  const entry = Object.entries(RUNTIME_NAMES).find(([, names]) => names.includes(name));
  if (entry === undefined) {
    const all = Object.values(RUNTIME_NAMES).flat().join(', ');
    throw invalidParameter(
      `Value ${shown(name)} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [${all}]`,
    );
  }
  const runtime = entry[0] as Exclude<Runtime, 'isolate'>;
  const tier = Object.hasOwn(tags, TIER_TAG) ? tags[TIER_TAG] : 'container';
  if (tier === 'container') return runtime;
  if (tier === 'isolate' && runtime === 'nodejs24') return 'isolate';
  throw invalidParameter(
    `The tag ${TIER_TAG} is container, or isolate for the runtimes ${NODE.join(', ')}; this one is ${shown(tier ?? '')} ` +
      `with ${name}.`,
  );
};

/** How a function that came by another way is shown. */
export const nameOfRuntime = (runtime: Runtime): string =>
  runtime === 'isolate'
    ? NODE[0]
    : runtime === 'python3'
      ? 'python3.13'
      : (RUNTIME_NAMES[runtime][0] ?? runtime);

export const allowListOf = (tags: Readonly<Record<string, string>>): readonly string[] =>
  (Object.hasOwn(tags, NETWORK_TAG) ? (tags[NETWORK_TAG] ?? '') : '')
    .split(' ')
    .filter((host) => host !== '');
