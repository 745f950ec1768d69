/**
 * What a simulation found as a picture: for each tier, start latency against wasted memory, and what starts began from.
 *
 * A colour is a policy and a shape a budget; bounds are lines: dashed what keeping can
 * reach, dotted what nothing can pass. Both
 * axes are logarithmic, and a zero lies on the edge. Owns the drawing; every text in it is escaped.
 */
import type { Start } from '../core/receipt.ts';
import { STARTS } from '../core/receipt.ts';
import type { PolicyName } from '../pool/policy/api.ts';
import type { Bounds, SimulationResult, SimulationRun } from './api.ts';
import { axisOf, type LogAxis } from './plot-axis.ts';
import { gbHours } from './results.ts';

/** A whole document of SVG 1.1. */
export const plotOf = (result: SimulationResult): string => {
  const tiers = [...new Set(result.runs.map(({ tier }) => tier))];
  const budgets = [...new Set(result.runs.map(({ budgetGb }) => budgetGb))].toSorted(
    (one, other) => one - other,
  );
  const policies = [...new Set(result.runs.map(({ policy }) => policy))];
  const height = HEAD + tiers.length * ROW + 20;
  const rows = tiers.map((tier, at) => {
    const runs = result.runs.filter((run) => run.tier === tier);
    return element('g', { transform: `translate(0 ${HEAD + at * ROW})` }, [
      scatter(
        `Tier ${tier}: start latency and wasted memory`,
        runs,
        budgets,
        result.bounds[tier] ?? NO_BOUNDS,
      ),
      bars(`Tier ${tier}: starts not from ready code`, runs, budgets),
    ]);
  });
  const { trace } = result;
  const subtitle = `${trace.functions} functions, ${trace.invocations} invocations in ${trace.minutes} minutes; seed ${result.seed}`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    element(
      'svg',
      {
        ...{ xmlns: 'http://www.w3.org/2000/svg', version: '1.1', width: WIDTH, height },
        ...{ viewBox: `0 0 ${WIDTH} ${height}`, 'font-family': 'sans-serif', 'font-size': 12, fill: INK },
      },
      [
        element('rect', { width: WIDTH, height, fill: '#ffffff' }),
        label(LEFT, 28, 'Keep-warm policies', { 'font-size': 18, 'font-weight': 'bold' }),
        label(LEFT, 48, subtitle),
        legend(policies, budgets, Object.keys(result.bounds).length > 0),
        ...rows,
      ],
    ),
    '',
  ].join('\n');
};

const WIDTH = 1_160;
const HEAD = 96;
const ROW = 420;
const LEFT = 70;
const TOP = 30;
const PANEL_HEIGHT = 310;
const SCATTER_WIDTH = 460;
const BARS_LEFT = 620;
const BARS_WIDTH = 510;
const BOTTOM = TOP + PANEL_HEIGHT;

const INK = '#222222';
const GRID = '#dddddd';

/** Colours that people tell apart who see few of them (Okabe and Ito). */
const COLOURS: Readonly<Record<PolicyName, string>> = {
  fixed: '#777777',
  histogram: '#0072b2',
  'greedy-dual': '#009e73',
  layered: '#cc79a7',
  strata: '#d55e00',
};
const BOUND_COLOUR = '#000000';
const NO_BOUNDS: Bounds = { keeping: [], knowing: [] };
const BOUNDS = [
  { name: 'keeping', title: 'Belady', dashes: '6 3' },
  { name: 'knowing', title: 'bound', dashes: '1.5 3' },
] as const;

const LAYER_COLOURS: Readonly<Record<Start, string>> = {
  none: '#8c2d04',
  container: '#ec7014',
  runtime: '#fec44f',
  code: '#ffffff',
};

/** By place in the list of budgets; drawn around a centre. */
const SHAPES: readonly string[] = [
  'M-5.5,0a5.5,5.5 0 1,0 11,0a5.5,5.5 0 1,0 -11,0z',
  'M-5,-5h10v10h-10z',
  'M0,-6.5L6.5,5.5H-6.5z',
  'M0,-7L7,0L0,7L-7,0z',
  'M0,6.5L6.5,-5.5H-6.5z',
  'M-2,-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z',
];

const shapeOf = (budgets: readonly number[], budgetGb: number): string =>
  SHAPES[budgets.indexOf(budgetGb) % SHAPES.length] ?? '';

const legend = (policies: readonly PolicyName[], budgets: readonly number[], bounded: boolean): string => {
  const parts: string[] = [];
  let x = LEFT;
  for (const policy of policies) {
    parts.push(element('rect', { x: x - 5, y: 66, width: 12, height: 12, fill: COLOURS[policy] }));
    parts.push(label(x + 14, 76, policy));
    x += 36 + policy.length * 7;
  }
  for (const { title, dashes } of bounded ? BOUNDS : []) {
    parts.push(element('path', { d: `M${x - 6},72h18`, stroke: BOUND_COLOUR, 'stroke-dasharray': dashes }));
    parts.push(label(x + 18, 76, title));
    x += 42 + title.length * 7;
  }
  x += 20;
  for (const budget of budgets) {
    const text = `${budget} GB`;
    parts.push(marker(x, 72, shapeOf(budgets, budget), INK), label(x + 14, 76, text));
    x += 40 + text.length * 7;
  }
  x = BARS_LEFT;
  for (const from of COLD) {
    parts.push(element('rect', { x, y: 34, width: 12, height: 12, fill: LAYER_COLOURS[from] }));
    parts.push(label(x + 18, 44, `from ${from}`));
    x += 124;
  }
  return element('g', {}, parts);
};

const wasted = ({ figures }: SimulationRun): number => gbHours(figures.idleMbSeconds);
const latencySeconds = ({ figures }: SimulationRun): number => figures.startLatencyMs.totalMs / 1_000;

const scatter = (
  title: string,
  runs: readonly SimulationRun[],
  budgets: readonly number[],
  bounds: Bounds,
): string => {
  const x = axisOf(runs.map(wasted), LEFT, LEFT + SCATTER_WIDTH);
  const y = axisOf([...runs.map(latencySeconds), ...boundWithin(runs, bounds)], BOTTOM, TOP);
  const lines = BOUNDS.filter(({ name }) => bounds[name].length > 0).map(({ name, dashes }) =>
    element('polyline', {
      points: bounds[name]
        .map(
          ({ startLatencyMs, idleMbSeconds }) =>
            `${round(x.at(gbHours(idleMbSeconds)))},${round(y.at(startLatencyMs / 1_000))}`,
        )
        .join(' '),
      ...{ fill: 'none', stroke: BOUND_COLOUR, 'stroke-width': 1.5, 'stroke-dasharray': dashes },
    }),
  );
  return element('g', {}, [
    label(LEFT, TOP - 10, title, { 'font-weight': 'bold' }),
    xGrid(x),
    yGrid(y),
    frame(LEFT, SCATTER_WIDTH),
    label(LEFT + SCATTER_WIDTH / 2, BOTTOM + 36, 'wasted memory, GB·h (log)', { 'text-anchor': 'middle' }),
    upright(LEFT - 50, 'start latency in total, s (log)'),
    ...lines,
    ...runs.map((run) => {
      const said = `${run.policy}, ${run.budgetGb} GB: ${latencySeconds(run).toFixed(1)} s, ${wasted(run).toFixed(2)} GB·h`;
      return marker(
        x.at(wasted(run)),
        y.at(latencySeconds(run)),
        shapeOf(budgets, run.budgetGb),
        COLOURS[run.policy],
        said,
      );
    }),
  ]);
};

/** Of the bounds' latencies those at what runs waste: the axis need not hold the rest of the lines. */
const boundWithin = (runs: readonly SimulationRun[], { keeping, knowing }: Bounds): number[] => {
  const idle = runs.map(({ figures }) => figures.idleMbSeconds);
  const [least, most] = [Math.min(...idle), Math.max(...idle)];
  return [...keeping, ...knowing]
    .filter(({ idleMbSeconds }) => idleMbSeconds >= least && idleMbSeconds <= most)
    .map(({ startLatencyMs }) => startLatencyMs / 1_000);
};

const COLD: readonly Start[] = STARTS.filter((from) => from !== 'code');

const bars = (title: string, runs: readonly SimulationRun[], budgets: readonly number[]): string => {
  const shareOf = ({ figures }: SimulationRun, from: Start): number =>
    figures.served === 0 ? 0 : figures.starts[from] / figures.served;
  const coldOf = (run: SimulationRun): number => COLD.reduce((sum, from) => sum + shareOf(run, from), 0);
  const most = niceAbove(Math.max(0, ...runs.map(coldOf)));
  const yAt = (share: number): number => BOTTOM - (share / most) * PANEL_HEIGHT;
  const groupWidth = BARS_WIDTH / Math.max(1, budgets.length);
  const parts: string[] = [];
  for (const [at, budget] of budgets.entries()) {
    const alike = runs.filter(({ budgetGb }) => budgetGb === budget);
    const left = BARS_LEFT + at * groupWidth;
    const step = (groupWidth - 16) / Math.max(1, alike.length);
    for (const [index, run] of alike.entries()) {
      const x = left + 8 + index * step;
      let below = 0;
      for (const from of COLD) {
        const share = shareOf(run, from);
        const said = `${run.policy}, ${budget} GB: ${(share * 100).toFixed(3)} % from ${from}`;
        const [top, height] = [yAt(below + share), (share / most) * PANEL_HEIGHT];
        const box = { x: round(x), y: round(top), width: round(step * 0.8), height: round(height) };
        parts.push(
          element('rect', { ...box, fill: LAYER_COLOURS[from] }, [element('title', {}, [escaped(said)])]),
        );
        below += share;
      }
      const name = { x: round(x + step * 0.4), y: BOTTOM + 6, width: 0 };
      const turned = {
        transform: `rotate(-35 ${name.x} ${BOTTOM + 12})`,
        'text-anchor': 'end',
        'font-size': 10,
      };
      parts.push(label(name.x, BOTTOM + 14, run.policy, { ...turned, fill: COLOURS[run.policy] }));
    }
    parts.push(label(left + groupWidth / 2, BOTTOM + 68, `${budget} GB`, { 'text-anchor': 'middle' }));
  }
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const y = round(yAt(part * most));
    return [
      element('path', { d: `M${BARS_LEFT},${y}h${BARS_WIDTH}`, stroke: GRID }),
      label(BARS_LEFT - 8, y + 4, tidy(part * most * 100), { 'text-anchor': 'end' }),
    ].join('\n');
  });
  return element('g', {}, [
    label(BARS_LEFT, TOP - 10, title, { 'font-weight': 'bold' }),
    ...ticks,
    frame(BARS_LEFT, BARS_WIDTH),
    upright(BARS_LEFT - 46, 'share of starts, %'),
    ...parts,
  ]);
};

/** A round figure that is not below. */
const niceAbove = (value: number): number => {
  if (!(value > 0)) return 0.01;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((each) => each * power >= value * (1 - 1e-9)) ?? 10;
  return Math.min(1, factor * power);
};

const xGrid = (axis: LogAxis): string =>
  element(
    'g',
    {},
    axis.ticks.flatMap((tick) => {
      const x = round(axis.at(tick));
      return [
        element('path', { d: `M${x},${TOP}V${BOTTOM}`, stroke: GRID }),
        label(x, BOTTOM + 16, tidy(tick), { 'text-anchor': 'middle' }),
      ];
    }),
  );

const yGrid = (axis: LogAxis): string =>
  element(
    'g',
    {},
    axis.ticks.flatMap((tick) => {
      const y = round(axis.at(tick));
      return [
        element('path', { d: `M${LEFT},${y}h${SCATTER_WIDTH}`, stroke: GRID }),
        label(LEFT - 6, y + 4, tidy(tick), { 'text-anchor': 'end' }),
      ];
    }),
  );

const frame = (x: number, width: number): string =>
  element('rect', { x, y: TOP, width, height: PANEL_HEIGHT, fill: 'none', stroke: INK });

const upright = (x: number, text: string): string => {
  const y = TOP + PANEL_HEIGHT / 2;
  return label(x, y, text, { transform: `rotate(-90 ${x} ${y})`, 'text-anchor': 'middle' });
};

const marker = (x: number, y: number, shape: string, fill: string, said?: string): string =>
  element(
    'path',
    {
      d: shape,
      transform: `translate(${round(x)} ${round(y)})`,
      fill,
      stroke: '#ffffff',
      'stroke-width': 0.8,
    },
    said === undefined ? [] : [element('title', {}, [escaped(said)])],
  );

type Attributes = Readonly<Record<string, string | number>>;

const label = (x: number, y: number, text: string, attributes: Attributes = {}): string =>
  element('text', { x, y, ...attributes }, [escaped(text)]);

const element = (name: string, attributes: Attributes, inside: readonly string[] = []): string => {
  const given = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(String(value))}"`);
  const open = `<${name}${given.join('')}`;
  return inside.length === 0 ? `${open}/>` : `${open}>${inside.join('\n')}</${name}>`;
};

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** As text or as a value of an attribute; characters that XML cannot have are dropped. */
const escaped = (text: string): string =>
  text
    .replace(/[&<>"]/g, (char) => ESCAPES[char] ?? '')
    .replace(/(?![\t\n\r])\p{Cc}|\p{Cs}|[\ufffe\uffff]/gu, '');

const round = (value: number): number => Math.round(value * 100) / 100;

const tidy = (value: number): string => String(Number(value.toPrecision(3)));
