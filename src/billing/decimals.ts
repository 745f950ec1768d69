/**
 * Exact fractions as decimal text, and the one rule by which anything is rounded: half up.
 *
 * Owns the rule. Invariant: nothing is rounded before it is shown.
 */

/** Digits behind the point of everything that is shown in seconds or units. */
const SHOWN_DIGITS = 9;

/** The whole number nearest to `numerator ÷ denominator`, halves up; neither is negative. */
export const roundedHalfUp = (numerator: bigint, denominator: bigint): bigint =>
  (2n * numerator + denominator) / (2n * denominator);

/** `numerator ÷ denominator` with at most nine digits behind the point, without zeros at the end. */
export const decimalText = (numerator: bigint, denominator: bigint): string => {
  const digits = String(roundedHalfUp(numerator * 10n ** BigInt(SHOWN_DIGITS), denominator)).padStart(
    SHOWN_DIGITS + 1,
    '0',
  );
  const fraction = digits.slice(-SHOWN_DIGITS).replace(/0+$/, '');
  const integer = digits.slice(0, -SHOWN_DIGITS);
  return fraction === '' ? integer : `${integer}.${fraction}`;
};

/** The same as a number: the nearest that JavaScript has. */
export const decimalNumber = (numerator: bigint, denominator: bigint): number =>
  Number(decimalText(numerator, denominator));
