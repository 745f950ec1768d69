/** Which policy a name of the configuration stands for. */
import type { Policy, PolicyName } from './api.ts';
import { type FixedSettings, fixedPolicy } from './fixed.ts';
import { greedyDualPolicy } from './greedy-dual.ts';
import { type HistogramSettings, histogramPolicy } from './histogram.ts';
import { type LayeredSettings, layeredPolicy } from './layered.ts';
import { type StrataSettings, strataPolicy } from './strata.ts';

/** What may be set of each policy; its file has the defaults and their reasons. */
export interface PolicySettings {
  readonly fixed?: Partial<FixedSettings>;
  readonly histogram?: Partial<HistogramSettings>;
  readonly layered?: Partial<LayeredSettings>;
  readonly strata?: Partial<StrataSettings>;
}

export const createPolicy = (name: PolicyName, settings: PolicySettings = {}): Policy => {
  switch (name) {
    case 'fixed':
      return fixedPolicy(settings.fixed);
    case 'histogram':
      return histogramPolicy(settings.histogram);
    case 'greedy-dual':
      return greedyDualPolicy();
    case 'layered':
      return layeredPolicy(settings.layered);
    case 'strata':
      return strataPolicy(settings.strata);
  }
};
