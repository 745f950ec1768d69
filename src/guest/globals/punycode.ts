/**
 * Punycode (RFC 3492) for one label of a domain.
 */

const BASE = 36;
const T_MIN = 1;
const T_MAX = 26;
const SKEW = 38;
const DAMP = 700;

/** The label with `xn--` in front, or as it is where it is ASCII. */
export const toPunycode = (label: string): string => {
  const points = [...label].map((char) => char.codePointAt(0) as number);
  const basic = points.filter((point) => point < 0x80);
  if (basic.length === points.length) return label;
  let output = String.fromCharCode(...basic);
  if (basic.length > 0) output += '-';
  let current = 0x80;
  let delta = 0;
  let bias = 72;
  let handled = basic.length;
  while (handled < points.length) {
    const next = Math.min(...points.filter((point) => point >= current));
    delta += (next - current) * (handled + 1);
    current = next;
    for (const point of points) {
      if (point < current) delta += 1;
      if (point !== current) continue;
      output += encodeDelta(delta, bias);
      bias = adapt(delta, handled + 1, handled === basic.length);
      delta = 0;
      handled += 1;
    }
    delta += 1;
    current += 1;
  }
  return `xn--${output}`;
};

const encodeDelta = (delta: number, bias: number): string => {
  let rest = delta;
  let output = '';
  for (let k = BASE; ; k += BASE) {
    const threshold = Math.max(T_MIN, Math.min(T_MAX, k - bias));
    if (rest < threshold) return output + digit(rest);
    output += digit(threshold + ((rest - threshold) % (BASE - threshold)));
    rest = Math.floor((rest - threshold) / (BASE - threshold));
  }
};

const adapt = (delta: number, count: number, first: boolean): number => {
  let rest = first ? Math.floor(delta / DAMP) : Math.floor(delta / 2);
  rest += Math.floor(rest / count);
  let k = 0;
  while (rest > ((BASE - T_MIN) * T_MAX) / 2) {
    rest = Math.floor(rest / (BASE - T_MIN));
    k += BASE;
  }
  return k + Math.floor(((BASE - T_MIN + 1) * rest) / (rest + SKEW));
};

const digit = (value: number): string => String.fromCharCode(value < 26 ? value + 97 : value + 22);
