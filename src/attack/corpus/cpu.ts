/**
 * Attacks on the processor: what never returns, and what takes long where nobody looks.
 */
import { type AttackCase, BY_CPU, BY_WALL, js, onBothNodes, plainJs } from '../case.ts';

export const CPU_CASES: readonly AttackCase[] = [
  {
    id: 1,
    group: 'cpu',
    name: 'an endless loop',
    attacks: onBothNodes({ code: plainJs('for (;;);'), ...BY_CPU }),
  },
  {
    id: 200,
    group: 'cpu',
    name: 'an endless loop with processor time to spare',
    attacks: onBothNodes({ code: js('for (;;);'), ...BY_WALL }),
  },
];
