/**
 * What a walked invocation is to its caller: a value, or a failure as data; or the same as bytes.
 *
 * Owns the making of both answers. Never throws for what a sandbox sent.
 */
import { cuSecondsOf, toReceipt } from '../billing/receipts.ts';
import type { TariffName } from '../billing/tariffs.ts';
import { failure } from '../core/errors.ts';
import type { InvokeAnswer, InvokeJsonAnswer } from './api.ts';
import { parseResult } from './json.ts';
import type { Walked } from './walk.ts';

export const answerOf = ({ finished, resultJson }: Walked, tariff: TariffName): InvokeAnswer => {
  const receipt = toReceipt(finished, tariff);
  if (finished.failure !== null || resultJson === null) {
    const failed = finished.failure ?? failure('internal_error', 'The invocation ended without a result.');
    return { status: 'failed', result: undefined, failure: failed, receipt };
  }
  const parsed = parseResult(resultJson);
  if (parsed !== null) return { status: 'succeeded', result: parsed.result, receipt };
  const broken = failure(
    'protocol_error',
    `The sandbox answered with ${resultJson.length} bytes that are not JSON, which no function can make it do.`,
  );
  return {
    ...{ status: 'failed', result: undefined, failure: broken },
    receipt: toReceipt({ ...finished, failure: broken }, tariff),
  };
};

export const jsonAnswerOf = ({ finished, resultJson }: Walked, tariff: TariffName): InvokeJsonAnswer => ({
  invocationId: finished.invocationId,
  version: finished.function.version,
  start: finished.start,
  resultJson,
  failure: finished.failure,
  cuSeconds: cuSecondsOf(finished, tariff),
  phases: finished.phases,
});
