/**
 * Keeps in the audit log what was changed by this API, or refused to be.
 */
import type { FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Identity } from '../../core/identity.ts';
import type { LambdaParts } from './call.ts';
import type { OperationRow } from './operations.ts';
import { sha256Of } from './sigv4.ts';

export const noteChange = (
  { parts, logger }: { readonly parts: LambdaParts; readonly logger: Logger },
  { method, path }: OperationRow,
  { raw }: FastifyRequest,
  { caller, body, status }: { readonly caller: Identity; readonly body: Uint8Array; readonly status: number },
): void => {
  const { principal, tenant } = caller;
  try {
    parts.executor.accounts.addAudit({
      ...{ principal, tenant, status, action: `${method} ${path}`, target: raw.url?.split('?', 1)[0] ?? '' },
      from: raw.socket.remoteAddress ?? '',
      outcome: status < 400 ? 'succeeded' : status < 500 ? 'refused' : 'failed',
      digest: body.length === 0 ? null : sha256Of(body),
    });
  } catch (error) {
    logger.error({ err: error, action: `${method} ${path}`, principal }, 'a control call could not be noted');
  }
};
