/**
 * Every operation of this API: its name, where it is, and what serves it.
 *
 * Owns the table, of which the routes and the documentation are made. What is not offered is in it as well, so that
 * whoever asks is told so in the words of the API.
 */
import { getAccountSettings } from './account.ts';
import type { Operation } from './call.ts';
import { deleteConcurrency, getConcurrency, putConcurrency } from './concurrency.ts';
import { deleteFunction } from './deletion.ts';
import {
  deleteEventInvoke,
  getEventInvoke,
  listEventInvoke,
  putEventInvoke,
  updateEventInvoke,
} from './event-invoke.ts';
import {
  createFunction,
  getFunction,
  getFunctionConfiguration,
  listFunctions,
  updateFunctionCode,
  updateFunctionConfiguration,
} from './functions.ts';
import { invoke, invokeAsync, invokeWithResponseStream } from './invoke.ts';
import { deleteProvisioned, getProvisioned, putProvisioned } from './provisioned.ts';
import { listTags, tagResource, untagResource } from './tags.ts';
import { createUrl, deleteUrl, getUrl, listUrls, updateUrl } from './urls.ts';
import {
  createAlias,
  deleteAlias,
  getAlias,
  listAliases,
  listVersions,
  publishVersion,
  updateAlias,
} from './versions.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** How large a body may be: of JSON, of JSON with an archive in it, and an event as it is. */
export type Body = 'json' | 'archive' | 'event';

export interface OperationRow {
  /** Two where one place stands for both. */
  readonly names: readonly string[];
  readonly method: Method;
  readonly path: string;
  readonly body: Body;
  /** Null for what is not offered. */
  readonly serve: Operation | null;
  /** For the documentation: what is different here. */
  readonly note: string;
}

const row = (
  names: string,
  method: Method,
  path: string,
  serve: Operation,
  note = '',
  body: Body = 'json',
): OperationRow => ({ names: names.split(' '), method, path, body, serve, note });

const refused = (names: string, method: Method, path: string): OperationRow => ({
  ...{ names: names.split(' '), method, path, body: 'json', serve: null, note: '' },
});

const F = '/2015-03-31/functions';
const NAMED = `${F}/:FunctionName`;
const URLS = '/2021-10-31/functions/:FunctionName';
const EVENT = '/2019-09-25/functions/:FunctionName/event-invoke-config';
const PROVISIONED = '/2019-09-30/functions/:FunctionName/provisioned-concurrency';
const LAYERS = '/2018-10-31/layers';
const SIGNING = '/2020-04-22/code-signing-configs';
const DURABLE = '/2025-12-01/durable-executions';
const CAPACITY = '/2025-11-30/capacity-providers';
const POLICY = '/2026-07-09/resource-policy/:ResourceArn';

export const OPERATIONS: readonly OperationRow[] = [
  row(
    'Invoke',
    'POST',
    `${NAMED}/invocations`,
    invoke,
    'DryRun looks the function up and runs nothing.',
    'event',
  ),
  row('InvokeAsync', 'POST', '/2014-11-13/functions/:FunctionName/invoke-async', invokeAsync, '', 'event'),
  row(
    'InvokeWithResponseStream',
    'POST',
    '/2021-11-15/functions/:FunctionName/response-streaming-invocations',
    invokeWithResponseStream,
    'The result is complete before the first chunk goes out.',
    'event',
  ),
  row(
    'CreateFunction',
    'POST',
    F,
    createFunction,
    'Zip archives in the request; no images, layers, VPC or file systems.',
    'archive',
  ),
  row('ListFunctions', 'GET', F, listFunctions),
  row(
    'GetFunction',
    'GET',
    NAMED,
    getFunction,
    'Without a Location: archives are not kept, only their files.',
  ),
  row('DeleteFunction', 'DELETE', NAMED, deleteFunction),
  row('UpdateFunctionCode', 'PUT', `${NAMED}/code`, updateFunctionCode, '', 'archive'),
  row('GetFunctionConfiguration', 'GET', `${NAMED}/configuration`, getFunctionConfiguration),
  row('UpdateFunctionConfiguration', 'PUT', `${NAMED}/configuration`, updateFunctionConfiguration),
  row('PublishVersion', 'POST', `${NAMED}/versions`, publishVersion),
  row('ListVersionsByFunction', 'GET', `${NAMED}/versions`, listVersions),
  row('CreateAlias', 'POST', `${NAMED}/aliases`, createAlias),
  row('ListAliases', 'GET', `${NAMED}/aliases`, listAliases),
  row('GetAlias', 'GET', `${NAMED}/aliases/:Name`, getAlias),
  row('UpdateAlias', 'PUT', `${NAMED}/aliases/:Name`, updateAlias),
  row('DeleteAlias', 'DELETE', `${NAMED}/aliases/:Name`, deleteAlias),
  row(
    'PutFunctionConcurrency',
    'PUT',
    '/2017-10-31/functions/:FunctionName/concurrency',
    putConcurrency,
    'Of $LATEST: published versions keep the bounds that they were published with.',
  ),
  row(
    'DeleteFunctionConcurrency',
    'DELETE',
    '/2017-10-31/functions/:FunctionName/concurrency',
    deleteConcurrency,
  ),
  row('GetFunctionConcurrency', 'GET', '/2019-09-30/functions/:FunctionName/concurrency', getConcurrency),
  row('PutProvisionedConcurrencyConfig', 'PUT', PROVISIONED, putProvisioned),
  row(
    'GetProvisionedConcurrencyConfig ListProvisionedConcurrencyConfigs',
    'GET',
    PROVISIONED,
    getProvisioned,
  ),
  row('DeleteProvisionedConcurrencyConfig', 'DELETE', PROVISIONED, deleteProvisioned),
  row('PutFunctionEventInvokeConfig', 'PUT', EVENT, putEventInvoke, 'Destinations are functions.'),
  row('UpdateFunctionEventInvokeConfig', 'POST', EVENT, updateEventInvoke),
  row('GetFunctionEventInvokeConfig', 'GET', EVENT, getEventInvoke),
  row('DeleteFunctionEventInvokeConfig', 'DELETE', EVENT, deleteEventInvoke),
  row('ListFunctionEventInvokeConfigs', 'GET', `${EVENT}/list`, listEventInvoke),
  row(
    'CreateFunctionUrlConfig',
    'POST',
    `${URLS}/url`,
    createUrl,
    'Served under /lambda-url/, buffered in both modes.',
  ),
  row('GetFunctionUrlConfig', 'GET', `${URLS}/url`, getUrl),
  row('UpdateFunctionUrlConfig', 'PUT', `${URLS}/url`, updateUrl),
  row('DeleteFunctionUrlConfig', 'DELETE', `${URLS}/url`, deleteUrl),
  row('ListFunctionUrlConfigs', 'GET', `${URLS}/urls`, listUrls),
  row('ListTags', 'GET', '/2017-03-31/tags/:Resource', listTags),
  row('TagResource', 'POST', '/2017-03-31/tags/:Resource', tagResource),
  row('UntagResource', 'DELETE', '/2017-03-31/tags/:Resource', untagResource),
  row('GetAccountSettings', 'GET', '/2016-08-19/account-settings', getAccountSettings),

  refused('AddPermission', 'POST', `${NAMED}/policy`),
  refused('GetPolicy', 'GET', `${NAMED}/policy`),
  refused('RemovePermission', 'DELETE', `${NAMED}/policy/:StatementId`),
  refused('PutResourcePolicy', 'PUT', POLICY),
  refused('GetResourcePolicy', 'GET', POLICY),
  refused('DeleteResourcePolicy', 'DELETE', POLICY),
  refused('CreateEventSourceMapping', 'POST', '/2015-03-31/event-source-mappings'),
  refused('ListEventSourceMappings', 'GET', '/2015-03-31/event-source-mappings'),
  refused('GetEventSourceMapping', 'GET', '/2015-03-31/event-source-mappings/:UUID'),
  refused('UpdateEventSourceMapping', 'PUT', '/2015-03-31/event-source-mappings/:UUID'),
  refused('DeleteEventSourceMapping', 'DELETE', '/2015-03-31/event-source-mappings/:UUID'),
  refused('ListLayers GetLayerVersionByArn', 'GET', LAYERS),
  refused('PublishLayerVersion', 'POST', `${LAYERS}/:LayerName/versions`),
  refused('ListLayerVersions', 'GET', `${LAYERS}/:LayerName/versions`),
  refused('GetLayerVersion', 'GET', `${LAYERS}/:LayerName/versions/:VersionNumber`),
  refused('DeleteLayerVersion', 'DELETE', `${LAYERS}/:LayerName/versions/:VersionNumber`),
  refused('AddLayerVersionPermission', 'POST', `${LAYERS}/:LayerName/versions/:VersionNumber/policy`),
  refused('GetLayerVersionPolicy', 'GET', `${LAYERS}/:LayerName/versions/:VersionNumber/policy`),
  refused(
    'RemoveLayerVersionPermission',
    'DELETE',
    `${LAYERS}/:LayerName/versions/:VersionNumber/policy/:StatementId`,
  ),
  refused('CreateCodeSigningConfig', 'POST', SIGNING),
  refused('ListCodeSigningConfigs', 'GET', SIGNING),
  refused('GetCodeSigningConfig', 'GET', `${SIGNING}/:CodeSigningConfigArn`),
  refused('UpdateCodeSigningConfig', 'PUT', `${SIGNING}/:CodeSigningConfigArn`),
  refused('DeleteCodeSigningConfig', 'DELETE', `${SIGNING}/:CodeSigningConfigArn`),
  refused('ListFunctionsByCodeSigningConfig', 'GET', `${SIGNING}/:CodeSigningConfigArn/functions`),
  refused('PutFunctionCodeSigningConfig', 'PUT', '/2020-06-30/functions/:FunctionName/code-signing-config'),
  refused('GetFunctionCodeSigningConfig', 'GET', '/2020-06-30/functions/:FunctionName/code-signing-config'),
  refused(
    'DeleteFunctionCodeSigningConfig',
    'DELETE',
    '/2020-06-30/functions/:FunctionName/code-signing-config',
  ),
  refused(
    'PutRuntimeManagementConfig',
    'PUT',
    '/2021-07-20/functions/:FunctionName/runtime-management-config',
  ),
  refused(
    'GetRuntimeManagementConfig',
    'GET',
    '/2021-07-20/functions/:FunctionName/runtime-management-config',
  ),
  refused('PutFunctionRecursionConfig', 'PUT', '/2024-08-31/functions/:FunctionName/recursion-config'),
  refused('GetFunctionRecursionConfig', 'GET', '/2024-08-31/functions/:FunctionName/recursion-config'),
  refused('PutFunctionScalingConfig', 'PUT', '/2025-11-30/functions/:FunctionName/function-scaling-config'),
  refused('GetFunctionScalingConfig', 'GET', '/2025-11-30/functions/:FunctionName/function-scaling-config'),
  refused('CreateCapacityProvider', 'POST', CAPACITY),
  refused('ListCapacityProviders', 'GET', CAPACITY),
  refused('GetCapacityProvider', 'GET', `${CAPACITY}/:CapacityProviderName`),
  refused('UpdateCapacityProvider', 'PUT', `${CAPACITY}/:CapacityProviderName`),
  refused('DeleteCapacityProvider', 'DELETE', `${CAPACITY}/:CapacityProviderName`),
  refused(
    'ListFunctionVersionsByCapacityProvider',
    'GET',
    `${CAPACITY}/:CapacityProviderName/function-versions`,
  ),
  refused('ListDurableExecutionsByFunction', 'GET', '/2025-12-01/functions/:FunctionName/durable-executions'),
  refused('GetDurableExecution', 'GET', `${DURABLE}/:DurableExecutionArn`),
  refused('GetDurableExecutionHistory', 'GET', `${DURABLE}/:DurableExecutionArn/history`),
  refused('GetDurableExecutionState', 'GET', `${DURABLE}/:DurableExecutionArn/state`),
  refused('StopDurableExecution', 'POST', `${DURABLE}/:DurableExecutionArn/stop`),
  refused('CheckpointDurableExecution', 'POST', `${DURABLE}/:DurableExecutionArn/checkpoint`),
  refused(
    'SendDurableExecutionCallbackSuccess',
    'POST',
    '/2025-12-01/durable-execution-callbacks/:CallbackId/succeed',
  ),
  refused(
    'SendDurableExecutionCallbackFailure',
    'POST',
    '/2025-12-01/durable-execution-callbacks/:CallbackId/fail',
  ),
  refused(
    'SendDurableExecutionCallbackHeartbeat',
    'POST',
    '/2025-12-01/durable-execution-callbacks/:CallbackId/heartbeat',
  ),
];
