/**
 * Whose request it is. Without keys the header `Strata-Tenant` says so; that is why such a server stays on loopback.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { StrataError } from '../../core/errors.ts';
import { TENANT_NAME_PATTERN } from '../../core/limits.ts';
import { shown } from './names.ts';

/** Whether somebody may see all tenants. Without keys whoever reaches the server on loopback is its operator. */
export const isOperator = (_headers: IncomingHttpHeaders): boolean => true;

const DEFAULT_TENANT = 'default';

const TENANT_NAME = new RegExp(TENANT_NAME_PATTERN);

/** @throws StrataError `invalid_request` for a name that breaks the rule. */
export const tenantOf = (headers: IncomingHttpHeaders): string => {
  const tenant = headers['strata-tenant'];
  if (tenant === undefined) return DEFAULT_TENANT;
  // Node joins a repeated header with ", ", which the rule refuses: nobody is two tenants.
  if (typeof tenant === 'string' && TENANT_NAME.test(tenant)) return tenant;
  throw new StrataError(
    'invalid_request',
    'The header Strata-Tenant starts with a letter or digit and has at most 64 letters, digits, "-" and "_"; ' +
      `this one is ${shown(String(tenant))}.`,
  );
};
