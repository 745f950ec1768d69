/**
 * The routes of usage: what was used and what it costs, and the receipts that this comes from.
 *
 * Maps queries to the ledger and its rows to JSON or CSV; never adds anything up. Invariant: receipts are sent as they are
 * read, a page at a time, and no faster than the client takes them.
 */
import { Readable } from 'node:stream';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { type StaticDecode, Type } from 'typebox';
import {
  type GroupKey,
  type ReceiptLine,
  TARIFF_NAMES,
  type UsageReport,
  type UsageRow,
} from '../../billing/api.ts';
import { type CsvCell, csvLine } from '../../billing/csv.ts';
import { parseInstant } from '../../billing/days.ts';
import { StrataError } from '../../core/errors.ts';
import type { Executor } from '../../invocation/api.ts';
import { identityOf } from './access.ts';
import { described, responses, TENANT_HEADERS } from './schemas.ts';
import { tenantOf } from './tenant.ts';

export interface UsageRoutesOptions {
  readonly executor: Executor;
}

const ALL = Type.Optional(
  Type.Boolean({
    default: false,
    description: 'Of all tenants, and what the operator pays itself: for operators.',
  }),
);
const FORMAT = ['json', 'csv'] as const;

const USAGE_QUERY = Type.Object(
  {
    from: Type.Optional(
      Type.String({
        description: 'The first day, UTC, as `2026-01-31`; the first of this month unless told.',
      }),
    ),
    to: Type.Optional(Type.String({ description: 'The day behind the last; tomorrow unless told.' })),
    groupBy: Type.Optional(
      Type.String({
        maxLength: 64,
        description:
          '`tenant`, `function`, `version`, `day`, or several with commas; one row for all without it.',
      }),
    ),
    tariff: Type.Optional(
      Type.String({
        maxLength: 64,
        description: `${TARIFF_NAMES.join(', ')}; \`ledger.tariff\` unless told.`,
      }),
    ),
    format: Type.Optional(Type.Enum([...FORMAT], { default: 'json' })),
    all: ALL,
  },
  { additionalProperties: false },
);

const RECEIPTS_QUERY = Type.Object(
  {
    from: Type.Optional(
      Type.String({ description: 'Started at or after: a time or a day, UTC; unless told any.' }),
    ),
    to: Type.Optional(Type.String({ description: 'Started before.' })),
    format: Type.Optional(
      Type.Enum([...FORMAT], { default: 'json', description: '`json` is one receipt a line, as JSON.' }),
    ),
    all: ALL,
  },
  { additionalProperties: false },
);

const CODES = ['invalid_request', 'forbidden', 'not_found', 'overloaded', 'internal_error'] as const;

export const usageRoutes: FastifyPluginAsync<UsageRoutesOptions> = async (app, { executor }) => {
  app.get<{ Querystring: StaticDecode<typeof USAGE_QUERY> }>(
    '/v1/usage',
    {
      schema: {
        summary: 'What was used, and what it costs',
        description:
          'Summed by whole days of the start, UTC. `amount` is money in the smallest unit of `currency`, by the tiers of ' +
          "each tenant's month; null where the server has no prices for the tariff.",
        tags: ['usage'],
        headers: TENANT_HEADERS,
        querystring: USAGE_QUERY,
        response: responses(
          { 200: described('The rows with their keys, in order, and the total; as CSV the rows alone.') },
          CODES,
        ),
      },
    },
    async (request, reply) => {
      const { groupBy, format, all, ...query } = request.query;
      const keys = groupBy === undefined || groupBy === '' ? [] : (groupBy.split(',') as GroupKey[]);
      const report = await executor.usage.report({
        ...(query as Parameters<Executor['usage']['report']>[0]),
        tenant: scopeOf(request, all),
        groupBy: keys,
      });
      return format === 'csv' ? sendCsv(reply, 'usage', usageCsv(report)) : report;
    },
  );

  app.get<{ Querystring: StaticDecode<typeof RECEIPTS_QUERY> }>(
    '/v1/usage/receipts',
    {
      schema: {
        summary: 'Receipts, one a line',
        description:
          'In the order in which they were written, as long as the ledger keeps them one by one. An answer that breaks off is not complete.',
        tags: ['usage'],
        headers: TENANT_HEADERS,
        querystring: RECEIPTS_QUERY,
        response: responses({ 200: described('JSON lines, or CSV with a header.') }, CODES),
      },
    },
    async (request, reply) => {
      const { from, to, format = 'json', all } = request.query;
      const pages = executor.usage.receipts({
        tenant: scopeOf(request, all),
        fromMs: from === undefined ? 0 : parseInstant('from', from),
        toMs: to === undefined ? Number.MAX_SAFE_INTEGER : parseInstant('to', to),
      });
      // What refuses it refuses before the first page, when there is no answer yet.
      const first = await pages.next();
      const lines = format === 'csv' ? csvOf(first, pages) : jsonOf(first, pages);
      const type = format === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/x-ndjson';
      return reply.header('Content-Type', type).send(Readable.from(lines, { objectMode: false }));
    },
  );
};

/** @throws StrataError `forbidden` for all tenants' when the caller is no operator. */
const scopeOf = (request: FastifyRequest, all = false): string | null => {
  if (!all) return tenantOf(request);
  if (identityOf(request).scopes.has('admin')) return null;
  throw new StrataError('forbidden', 'all=true is for operators; leave it out to see what is yours.');
};

const sendCsv = (reply: FastifyReply, name: string, text: string): FastifyReply =>
  reply
    .header('Content-Type', 'text/csv; charset=utf-8; header=present')
    .header('Content-Disposition', `attachment; filename="${name}.csv"`)
    .serializer((payload: string) => payload)
    .send(text);

const usageCsv = ({ rows, groupBy, tariff, currency }: UsageReport): string => {
  const header = [
    ...groupBy,
    ...['invocations', 'failed', 'cpuSeconds', 'gbSeconds', 'cuSeconds', 'amount', 'currency', 'tariff'],
  ];
  const cells = (row: UsageRow): CsvCell[] => [
    ...groupBy.map((key) => row[key] ?? null),
    ...[row.invocations, row.failed, row.cpuSeconds, row.gbSeconds, row.cuSeconds, row.amount],
    currency?.code ?? null,
    tariff.name,
  ];
  return csvLine(header) + rows.map((row) => csvLine(cells(row))).join('');
};

type Pages = AsyncIterableIterator<readonly ReceiptLine[]>;
type First = IteratorResult<readonly ReceiptLine[]>;

async function* jsonOf(first: First, pages: Pages): AsyncGenerator<string> {
  for await (const page of rejoined(first, pages))
    yield page.map((line) => `${JSON.stringify(line)}\n`).join('');
}

const RECEIPT_COLUMNS = [
  ...[
    'startedAt',
    'invocationId',
    'attempt',
    'tenant',
    'function',
    'version',
    'tier',
    'status',
    'error',
    'start',
  ],
  ...['wallMs', 'cpuMs', 'memoryMb', 'gbSeconds', 'cuSeconds', 'tariff', 'cpuNs', 'memoryMbUs'],
];

async function* csvOf(first: First, pages: Pages): AsyncGenerator<string> {
  yield csvLine(RECEIPT_COLUMNS);
  for await (const page of rejoined(first, pages)) yield page.map((line) => csvLine(cellsOf(line))).join('');
}

const cellsOf = (line: ReceiptLine): CsvCell[] => {
  const { usage, cost, exact } = line;
  return [
    ...[line.startedAt, line.invocationId, line.attempt, line.tenant, line.function, line.version],
    ...[line.tier, line.status, line.error?.code ?? null, line.start],
    ...[usage.wallMs, usage.cpuMs, usage.memoryMb, usage.gbSeconds, cost.cuSeconds, cost.tariff],
    ...[exact.cpuNs, exact.memoryMbUs],
  ];
};

/** The page that was read ahead, and the rest; whoever stops reading ends the export. */
async function* rejoined(first: First, pages: Pages): AsyncGenerator<readonly ReceiptLine[]> {
  try {
    if (first.done === true) return;
    yield first.value;
    yield* pages;
  } finally {
    await pages.return?.();
  }
}
