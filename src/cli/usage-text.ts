/**
 * Usage and receipts as text for people.
 *
 * Owns the wording and the columns. Names come from a server and are made harmless like any other text.
 */
import type { OperatorRow, UsageReport, UsageRow } from '../billing/api.ts';
import { PHASES, type Receipt } from '../core/receipt.ts';
import { oneLine, table } from './text.ts';

export const usageText = (report: UsageReport): string => {
  const { from, to, groupBy, tariff, currency, rows, total, complete, operator } = report;
  const heading = [...groupBy, 'invocations', 'failed', 'cpu s', 'GB s', tariff.unit];
  const money = currency === null ? [] : [currency.code];
  const line = (row: UsageRow): string[] => [
    ...groupBy.map((key) => oneLine(row[key] ?? '')),
    ...[row.invocations, row.failed, row.cpuSeconds, row.gbSeconds, row.cuSeconds].map(String),
    ...(currency === null ? [] : [amountText(row.amount ?? 0, currency.decimals)]),
  ];
  const totals = groupBy.length === 0 ? [] : [line(total).map((cell, at) => (at === 0 ? 'total' : cell))];
  return [
    `${from} until before ${to}, UTC; tariff ${tariff.name}: ${tariff.formula}`,
    '',
    table([[...heading, ...money], ...rows.map(line), ...totals]),
    ...(complete ? [] : ['', 'Some receipts cannot be written now and are not in it yet.']),
    ...(operator === undefined || operator.length === 0 ? [] : ['', operatorText(operator)]),
  ].join('\n');
};

const operatorText = (rows: readonly OperatorRow[]): string => {
  const lines = rows.map(({ day, runtime, layer, use, gbSeconds, cpuSeconds }) => [
    ...(day === undefined ? [] : [day]),
    ...[oneLine(runtime), oneLine(layer), oneLine(use), String(gbSeconds), String(cpuSeconds)],
  ]);
  const days = rows[0]?.day === undefined ? [] : ['day'];
  return `Idle, on nobody's bill:\n${table([[...days, 'runtime', 'layer', 'use', 'GB s', 'cpu s'], ...lines])}`;
};

/** A whole number of the smallest unit, with the point where it belongs. */
const amountText = (amount: number, decimals: number): string => {
  const digits = String(amount).padStart(decimals + 1, '0');
  return decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
};

export const receiptText = (receipt: Receipt): string => {
  const { usage, cost, phasesMs, error, network } = receipt;
  const phases = PHASES.filter((phase) => phasesMs[phase] > 0).map((phase) => `${phase} ${phasesMs[phase]}`);
  const rows: [string, string][] = [
    ['invocation', receipt.invocationId],
    ['function', `${receipt.function}@${receipt.version} of ${receipt.tenant}`],
    ['started', receipt.startedAt],
    ['status', error === null ? receipt.status : `${receipt.status}: ${error.code}: ${error.detail}`],
    ['start', `${receipt.start}, ${receipt.tier}, ${receipt.processModel}`],
    ['phases, ms', phases.join(', ')],
    ['wall', `${usage.wallMs} ms`],
    ['cpu', `${usage.cpuMs} ms, of which ${usage.initCpuMs} ms for loading`],
    [
      'memory',
      `${usage.memoryMb} MB; ${usage.maxMemoryMb === null ? 'not measured' : `${usage.maxMemoryMb} MB used`}`,
    ],
    [
      'network',
      `${network.requests} requests, ${network.sentBytes} bytes sent, ${network.receivedBytes} received`,
    ],
    ['cost', `${cost.cuSeconds} (${cost.tariff}: ${cost.formula})`],
  ];
  return table(rows.map(([name, value]) => [name, oneLine(value)]));
};
