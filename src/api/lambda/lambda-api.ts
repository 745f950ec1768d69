/**
 * Opens this API: what it keeps, and the parts of the executor that it leans on.
 *
 * The only file of the folder that knows which parts an executor has; the others see the small interfaces of `call.ts`.
 */
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { StrataError } from '../../core/errors.ts';
import type { Executor } from '../../invocation/api.ts';
import { systemClock } from '../../ports/clock.ts';
import { systemRandom } from '../../ports/random.ts';
import type { LambdaParts } from './call.ts';
import { restoreProvisioned } from './provisioned.ts';
import { createProvisioning } from './provisioning.ts';
import { lambdaRoutes } from './routes.ts';
import { openSettings, type SettingOwner, type Settings } from './settings.ts';
import { createTurns } from './turns.ts';
import { versionsOf } from './version-parts.ts';

export interface LambdaApiOptions {
  readonly executor: Executor;
  readonly logger: Logger;
  readonly dataDir: string;
  readonly region: string;
  readonly eventMaxBytes: number;
  readonly codeMaxBytes: number;
}

/**
 * Adds the API's routes to a server; what it has opened is closed with the server.
 * @throws StrataError where its database cannot be opened.
 */
export const addLambdaApi = (app: FastifyInstance, options: LambdaApiOptions): void => {
  const { executor, logger, dataDir, region, eventMaxBytes, codeMaxBytes } = options;
  const settings = sweptAgain(openSettings(dataDir), (owner) => isThere(executor, owner));
  app.addHook('onClose', async () => settings.close());
  const parts: LambdaParts = {
    ...{ executor, settings, region, codeMaxBytes, clock: systemClock, random: systemRandom },
    versions: versionsOf(executor),
    provisioning: createProvisioning(executor),
    enqueue: (request) => executor.queue.accept(request),
    deploy: (spec, { ifMatch }) => executor.deploy(spec, ifMatch === undefined ? {} : { ifMatch: [ifMatch] }),
    inTurn: createTurns(),
  };
  app.addHook('onReady', () => restoreProvisioned(parts));
  void app.register(lambdaRoutes, { parts, logger, eventMaxBytes });
};

/** So many changes may leave something behind of functions that were deleted past this API. */
const SWEEP_AFTER = 100;

/** Forgets what belongs to functions that are no more, now and after each so many changes. */
const sweptAgain = (settings: Settings, exists: (owner: SettingOwner) => boolean): Settings => {
  let changes = 0;
  settings.sweep(exists);
  return {
    ...settings,
    put(...setting) {
      settings.put(...setting);
      changes += 1;
      if (changes % SWEEP_AFTER === 0) settings.sweep(exists);
    },
  };
};

const isThere = (
  executor: Executor,
  { id, tenant, name }: { readonly id: string; readonly tenant: string; readonly name: string },
): boolean => {
  try {
    return executor.get(name, { tenant }).id === id;
  } catch (thrown) {
    if (thrown instanceof StrataError && thrown.code === 'not_found') return false;
    throw thrown;
  }
};
