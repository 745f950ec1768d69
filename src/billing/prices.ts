/**
 * What units cost in money: a table with a free part and tiers, as the operator's file has it.
 *
 * Owns the table's form and the arithmetic. Money is a whole number of the currency's smallest unit, which the table
 * chooses by `decimals`. Tiers count the units of one tenant in one calendar month, UTC, from its first; the free ones
 * come before the first tier. Invariant: the cost of a month is rounded once, half up, for each count of units; what a
 * part of the month costs is the difference of two such counts, so that the parts of a month add up to the month.
 */
import { readFileSync } from 'node:fs';
import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { StrataError } from '../core/errors.ts';
import { roundedHalfUp } from './decimals.ts';
import { type TariffName, UNIT_SCALE } from './tariffs.ts';

export interface Tier {
  /** Units at which it ends, in parts of `UNIT_SCALE`; null for the last. */
  readonly upTo: bigint | null;
  /** Of one unit, in `PRICE_SCALE` parts of the currency. */
  readonly price: bigint;
}

export interface TariffPrices {
  readonly free: bigint;
  readonly tiers: readonly Tier[];
}

export interface PriceTable {
  readonly currency: string;
  /** Digits of the smallest unit behind the point of the currency: 2 for cents. */
  readonly decimals: number;
  readonly tariffs: Readonly<Partial<Record<TariffName, TariffPrices>>>;
}

const TIERS_MAX = 20;
const PRICE_DIGITS = 12;
const PRICE_SCALE = 10n ** BigInt(PRICE_DIGITS);

const WHOLE = Type.String({ pattern: '^[0-9]{1,18}$' });
const TARIFF = Type.Object(
  {
    freeUnits: Type.Optional(WHOLE),
    tiers: Type.Array(
      Type.Object(
        {
          upTo: Type.Optional(WHOLE),
          price: Type.String({ pattern: `^[0-9]{1,9}(?:\\.[0-9]{1,${PRICE_DIGITS}})?$` }),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: TIERS_MAX },
    ),
  },
  { additionalProperties: false },
);
const TABLE = Type.Object(
  {
    currency: Type.String({ pattern: '^[A-Z]{3}$' }),
    decimals: Type.Integer({ minimum: 0, maximum: 9 }),
    tariffs: Type.Object(
      {
        cpu: Type.Optional(TARIFF),
        'fc-2024': Type.Optional(TARIFF),
        lambda: Type.Optional(TARIFF),
        workers: Type.Optional(TARIFF),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);

const VALIDATOR = Compile(TABLE);

/** @throws StrataError `invalid_request` for a file that cannot be read, or is no price table. */
export const readPrices = (path: string): PriceTable => {
  try {
    return parsePrices(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StrataError('invalid_request', `The price table ${path} cannot be used: ${reason}`, { cause });
  }
};

/** @throws Error that says what is wrong. */
export const parsePrices = (table: unknown): PriceTable => {
  if (!VALIDATOR.Check(table)) {
    const [first] = VALIDATOR.Errors(table);
    throw new Error(`${first?.instancePath || 'the file'} ${first?.message ?? 'is wrong'}.`);
  }
  const { currency, decimals, tariffs } = table;
  const parsed: Partial<Record<TariffName, TariffPrices>> = {};
  for (const [name, prices] of Object.entries(tariffs))
    parsed[name as TariffName] = parseTariff(name, prices);
  return { currency, decimals, tariffs: parsed };
};

const parseTariff = (name: string, { freeUnits = '0', tiers }: Static<typeof TARIFF>): TariffPrices => {
  let from = -1n;
  const parsed = tiers.map(({ upTo, price }, at): Tier => {
    const isLast = at === tiers.length - 1;
    if (isLast !== (upTo === undefined))
      throw new Error(`of the tiers of ${name} the last alone has no "upTo"; tier ${at + 1} breaks that.`);
    const end = upTo === undefined ? null : BigInt(upTo) * UNIT_SCALE;
    if (end !== null && end <= from)
      throw new Error(`the tiers of ${name} must end one after the other; tier ${at + 1} ends at ${upTo}.`);
    from = end ?? from;
    return { upTo: end, price: parsePrice(price) };
  });
  return { free: BigInt(freeUnits) * UNIT_SCALE, tiers: parsed };
};

const parsePrice = (text: string): bigint => {
  const [integer = '0', fraction = ''] = text.split('.');
  return BigInt(integer + fraction.padEnd(PRICE_DIGITS, '0'));
};

/** What so many units of one tenant's month cost, in the smallest unit of the currency. */
export const costOf = (units: bigint, { free, tiers }: TariffPrices, decimals: number): bigint => {
  let rest = units - free;
  let from = 0n;
  let cost = 0n;
  for (const { upTo, price } of tiers) {
    if (rest <= 0n) break;
    const taken = upTo === null || rest < upTo - from ? rest : upTo - from;
    cost += taken * price;
    rest -= taken;
    from = upTo ?? from;
  }
  return roundedHalfUp(cost * 10n ** BigInt(decimals), UNIT_SCALE * PRICE_SCALE);
};

/**
 * An amount divided by weights, in whole numbers that add up to it: each gets its part rounded down, and what is left goes
 * to those that lost most by that, the first of equals first.
 */
export const apportion = (amount: bigint, weights: readonly bigint[]): bigint[] => {
  const total = weights.reduce((sum, weight) => sum + weight, 0n);
  if (total === 0n) return weights.map((_, at) => (at === 0 ? amount : 0n));
  const parts = weights.map((weight) => (amount * weight) / total);
  const lost = weights.map((weight, at) => ({ at, rest: (amount * weight) % total }));
  lost.sort((one, other) => (one.rest === other.rest ? one.at - other.at : one.rest > other.rest ? -1 : 1));
  let left = amount - parts.reduce((sum, part) => sum + part, 0n);
  for (const { at } of lost) {
    if (left === 0n) break;
    parts[at] = (parts[at] ?? 0n) + 1n;
    left -= 1n;
  }
  return parts;
};
