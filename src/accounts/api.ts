/**
 * Accounts as the HTTP API, the CLI and embedding platforms see them: tenants, keys, the identity of a request, the
 * audit log.
 *
 * Owns the shapes only.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Identity, Scope } from '../core/identity.ts';

export interface Quotas {
  /** Requests that the tenant may send in a second; as many may come at once. */
  readonly requestsPerSecond: number;
  /** Invocations of it that may run or wait. */
  readonly maxInFlight: number;
  readonly maxFunctions: number;
  /** The code of all its functions and their versions together, unpacked. */
  readonly maxCodeBytes: number;
}

export type TenantState = 'active' | 'disabled';

export interface TenantView {
  readonly name: string;
  readonly description: string;
  readonly state: TenantState;
  /** What differs from the server's `quotas`. */
  readonly quotas: Partial<Quotas>;
  readonly usage: { readonly functions: number; readonly codeBytes: number; readonly keys: number };
  /** ISO 8601; null for the tenant `default`, which is always there. */
  readonly createdAt: string | null;
  readonly updatedAt: string | null;
}

export interface TenantInput {
  readonly description?: string;
  readonly state?: TenantState;
  /** Null takes the server's value again. */
  readonly quotas?: { readonly [Name in keyof Quotas]?: number | null };
}

export interface KeyInput {
  /** For people. */
  readonly name?: string;
  readonly scopes: readonly Scope[];
  /** ISO 8601; null for a key that does not expire. */
  readonly expiresAt?: string | null;
  /** Whether requests may be signed with a secret of the key's. */
  readonly signing?: boolean;
}

export interface KeyView {
  readonly id: string;
  /** How the key begins: enough to recognise it, nothing of its secret. */
  readonly prefix: string;
  readonly tenant: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly signing: boolean;
  readonly state: 'active' | 'expired' | 'revoked';
  readonly createdAt: string;
  readonly createdBy: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  /** Within a minute or so. */
  readonly lastUsedAt: string | null;
}

/** What is shown once: nothing of it can be read again. */
export interface NewKey {
  readonly key: KeyView;
  readonly secret: string;
  /** For signed requests; null for a key without. */
  readonly signingSecret: string | null;
}

export interface AuditEntry {
  readonly id: number;
  readonly at: string;
  /** Who: `key:…`, `jwt:…`, `operator`, `open`. */
  readonly principal: string;
  /** The tenant that the call acted for. */
  readonly tenant: string;
  /** What: the method and the path of the route, as `PUT /v1/functions/:name`. */
  readonly action: string;
  /** The path as it was called, without the query. */
  readonly target: string;
  /** The address of the other end of the connection. */
  readonly from: string;
  readonly outcome: 'succeeded' | 'refused' | 'failed';
  readonly status: number;
  /** SHA-256 of the request's body, lower-case hex; null without a body that was read. */
  readonly digest: string | null;
}

export type AuditInput = Omit<AuditEntry, 'id' | 'at'>;

export interface AuditQuery {
  readonly tenant?: string;
  /** 1 to 1,000; 100 unless told. */
  readonly limit?: number;
  /** Only entries with smaller ids: from `nextBefore`. */
  readonly before?: number;
}

export interface AuditPage {
  /** The newest first. */
  readonly entries: readonly AuditEntry[];
  /** Pass as `before` for the next page; null on the last. */
  readonly nextBefore: number | null;
}

export interface TenantPage {
  readonly tenants: readonly TenantView[];
  readonly nextCursor: string | null;
}

/** What is known of a request before its body: all that says who sent it. */
export interface RequestHead {
  readonly method: string;
  /** As it was sent: path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** A key with which requests are signed by other schemes than Strata's own, such as Signature Version 4. */
export interface SigningKey {
  readonly secret: string;
  /** Who has signed, once the signature has been found right. @throws StrataError as `identify`. */
  readonly identity: (head: RequestHead) => Identity;
}

export interface Accounts {
  /** True while nothing is asked for: no key was ever made, and no other way to know a caller is configured. */
  readonly isOpen: boolean;
  /**
   * Who sent a request; at once but for tokens that were not seen before. A stranger is somebody too: `anonymous`.
   * @throws StrataError `unauthorized` for bad credentials, `forbidden` for a tenant that is not the caller's,
   *   `not_found` for one that is not there, `invalid_request` for a bad name, `rate_limit` beyond the tenant's rate.
   */
  identify(head: RequestHead): Identity | Promise<Identity>;
  /** The secret of a key that may sign; null when there is none, or it does not hold any more. */
  signingKey(id: string): SigningKey | null;
  /** @throws StrataError `conflict` for a name that is, or was, a tenant's. */
  createTenant(name: string, input?: TenantInput): TenantView;
  updateTenant(name: string, input: TenantInput): TenantView;
  tenant(name: string): TenantView;
  listTenants(query?: { limit?: number; cursor?: string }): TenantPage;
  /** Removes a tenant and its keys; its name is never given again. @throws StrataError `conflict` while it has functions. */
  deleteTenant(name: string): void;
  createKey(tenant: string, input: KeyInput, by?: string): NewKey;
  listKeys(tenant: string): readonly KeyView[];
  /** Holds for the next request. */
  revokeKey(tenant: string, id: string): KeyView;
  /** Another key like it; the old one holds for `overlapMs` more, a day unless told. */
  rotateKey(tenant: string, id: string, options?: { overlapMs?: number }, by?: string): NewKey;
  addAudit(entry: AuditInput): void;
  audit(query?: AuditQuery): AuditPage;
  close(): void;
}
