/**
 * What each call asks of who sends it: the one table.
 *
 * A call that is not in it asks for `admin`, and a test fails until it is. `open` calls take anybody.
 */
import type { Scope } from '../../core/identity.ts';

export type Demand = Scope | 'open';

export const ROUTE_SCOPES: Readonly<Record<string, Demand>> = {
  'GET /healthz': 'open',
  'GET /readyz': 'open',
  'GET /openapi.json': 'open',
  'GET /docs': 'open',
  'GET /docs/static/*': 'open',
  'HEAD /docs/static/*': 'open',
  'GET /docs/static/index.html': 'open',
  'GET /docs/static/swagger-initializer.js': 'open',
  'GET /docs/json': 'open',
  'GET /docs/yaml': 'open',

  'PUT /v1/functions/:name': 'deploy',
  'DELETE /v1/functions/:name': 'deploy',
  'GET /v1/functions': 'read',
  'GET /v1/functions/:name': 'read',
  'GET /v1/functions/:name/logs': 'read',
  'GET /v1/functions/:name/stats': 'read',
  'POST /v1/functions/:name/versions': 'deploy',
  'GET /v1/functions/:name/versions': 'read',
  'DELETE /v1/functions/:name/versions/:version': 'deploy',
  'PUT /v1/functions/:name/aliases/:alias': 'deploy',
  'GET /v1/functions/:name/aliases/:alias': 'read',
  'DELETE /v1/functions/:name/aliases/:alias': 'deploy',
  'GET /v1/functions/:name/aliases': 'read',
  'POST /v1/functions/:name/invocations': 'invoke',
  'GET /v1/invocations/:id': 'read',
  'GET /v1/invocations/:id/logs': 'read',
  // Strangers may invoke what asks for no credentials: what they must not do asks for more than `invoke`.
  'DELETE /v1/invocations/:id': 'deploy',
  'GET /v1/functions/:name/invocations': 'read',
  'GET /v1/functions/:name/dead-letters': 'read',
  'DELETE /v1/functions/:name/dead-letters': 'deploy',
  'DELETE /v1/functions/:name/dead-letters/:id': 'deploy',
  'POST /v1/functions/:name/dead-letters/redrive': 'deploy',
  'POST /v1/functions/:name/dead-letters/:id/redrive': 'deploy',
  // Who has it can sign as the server does.
  'GET /v1/functions/:name/webhook-secret': 'deploy',

  'GET /v1/usage': 'read',
  'GET /v1/usage/receipts': 'read',

  'GET /metrics': 'admin',
  'GET /v1/pools': 'admin',
  'GET /v1/audit': 'admin',
  'GET /v1/tenants': 'admin',
  'POST /v1/tenants': 'admin',
  'GET /v1/tenants/:tenant': 'admin',
  'PATCH /v1/tenants/:tenant': 'admin',
  'DELETE /v1/tenants/:tenant': 'admin',
  'GET /v1/tenants/:tenant/keys': 'admin',
  'POST /v1/tenants/:tenant/keys': 'admin',
  'DELETE /v1/tenants/:tenant/keys/:id': 'admin',
  'POST /v1/tenants/:tenant/keys/:id/rotate': 'admin',
};

/** @param route the method and the path as it was registered, as `GET /v1/functions/:name`. */
export const demandOf = (route: string): Demand =>
  Object.hasOwn(ROUTE_SCOPES, route) ? (ROUTE_SCOPES[route] ?? 'admin') : 'admin';

/** Calls that change what others meet are noted in the audit log; invocations have receipts. */
export const isControl = (method: string, demand: Demand): boolean =>
  method !== 'GET' && method !== 'HEAD' && (demand === 'admin' || demand === 'deploy');
