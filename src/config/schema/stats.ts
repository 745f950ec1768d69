/** The keys of the statistics of functions. */
import { group, whole } from './nodes.ts';

export const STATS = group('Counts and percentiles of functions, in memory.', {
  windowMinutes: whole(60, [1, 1_440], 'How far back they reach; it slides in steps of a twelfth.'),
  maxFunctions: whole(
    1_000,
    [0, 20_000],
    'Functions, and each version for itself, that have some; beyond it the tenant with the most gives up what was used ' +
      'least recently. One that is called all the time takes 50 KB. 0 keeps none.',
  ),
});
