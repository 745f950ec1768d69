/**
 * Whose request it is: the tenant of who sends it, which the accounts have found.
 */
import type { FastifyRequest } from 'fastify';
import { identityOf } from './access.ts';

export const tenantOf = (request: FastifyRequest): string => identityOf(request).tenant;
