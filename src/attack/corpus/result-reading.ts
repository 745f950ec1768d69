/**
 * Attacks on whoever reads the result: getters, toJSON, then and callbacks that loop, throw, lie or come again.
 */
import { type AttackCase, BY_WALL, file, onBothNodes, plainJs } from '../case.ts';
import { each, invalid, NEVER_JSON, ok, returns } from './result-words.ts';

const LOOPS: readonly AttackCase[] = [
  {
    id: 44,
    group: 'result',
    name: 'a getter that loops while the result is read',
    attacks: {
      ...onBothNodes({ code: plainJs('return { get a() { for (;;); } };'), ...BY_WALL }),
      python3: {
        code: file(
          'class Loop(dict):\n  def items(self):\n    while True: pass\ndef handler(event, context):\n  return Loop(a=1)\n',
        ),
        ...BY_WALL,
      },
    },
  },
  {
    id: 275,
    group: 'result',
    name: 'a toJSON that loops',
    attacks: onBothNodes({ code: plainJs('return [{ toJSON() { for (;;); } }];'), ...BY_WALL }),
  },
  {
    id: 276,
    group: 'result',
    name: 'a then getter that loops',
    attacks: {
      ...onBothNodes({ code: plainJs('return { get then() { for (;;); } };'), ...BY_WALL }),
      python3: {
        code: file(
          'class Loop:\n  def __await__(self):\n    while True: pass\ndef handler(event, context):\n  return Loop()\n',
        ),
        ...BY_WALL,
      },
    },
  },
  {
    id: 277,
    group: 'result',
    name: 'a toJSON that hides, replaces or throws',
    harmless: true,
    attacks: onBothNodes({
      code: returns({
        vanishes: '{ toJSON: () => undefined }',
        inherits: 'Object.create({ toJSON: () => ({ instead: 1 }) })',
        throws: '{ a: { toJSON() { throw new RangeError("\\u001b[31m"); } } }',
      }),
      calls: each({
        vanishes: invalid(/^The handler returned an object, which is not JSON; return plain data\.$/),
        inherits: ok({ instead: 1 }),
        // biome-ignore lint/suspicious/noControlCharactersInRegex: the detail is the function's own words, escaped as JSON.
        throws: invalid(/^The handler returned an object that is not JSON: \u001b\[31m$/),
      }),
    }),
  },
  {
    id: 278,
    group: 'result',
    name: 'getters that throw, change their minds, or answer late',
    harmless: true,
    attacks: onBothNodes({
      code: returns({
        throws: '{ get a() { throw new Error("no"); } }',
        changes:
          'new (class { #n = 0; get a() { this.#n += 1; return this.#n; } toJSON() { return [this.a, this.a]; } })()',
        grows: '(() => { const list = [{ toJSON() { list.push(this); return 1; } }]; return list; })()',
        shrinks:
          '(() => { const list = [{ toJSON() { list.length = 0; return 1; } }, 2, 3]; return list; })()',
        snapshot:
          '(() => { const answer = { n: 1 }; Promise.resolve().then(() => Promise.resolve()).then(() => Promise.resolve()).then(() => { answer.n = 2; }); setTimeout(() => { answer.n = 3; }); return answer; })()',
      }),
      calls: each({
        throws: invalid(/^The handler returned an object that is not JSON: no$/),
        changes: ok([1, 2]),
        grows: ok([1]),
        shrinks: ok([1, null, null]),
        snapshot: ok({ n: 1 }),
      }),
    }),
  },
  {
    id: 279,
    group: 'result',
    name: 'a callback that answers many times',
    harmless: true,
    attacks: onBothNodes({
      code: file(`exports.handler = (event, context, callback) => {
  if (event.kind === 'late') { callback(null, 1); callback(new Error('late')); callback(null, 2); setTimeout(callback, 0, null, 3); }
  if (event.kind === 'failed') { callback(new RangeError('first')); callback(null, 2); }
  if (event.kind === 'both') { callback(null, 'callback'); return Promise.resolve('promise'); }
  if (event.kind === 'odd') callback(0, { a: 1 });
};`),
      calls: each({
        late: ok(1),
        failed: { code: 'function_error', error: { type: 'RangeError', message: 'first' } },
        both: ok('promise'),
        odd: { code: 'function_error', error: { type: 'number', message: '0' } },
      }),
    }),
  },
];

const ALIVE: AttackCase = {
  id: 286,
  group: 'result',
  name: 'an instance given up for an answer that was no answer',
  harmless: true,
  attacks: {
    ...onBothNodes({
      code: returns(
        {
          function: '(calls += 1, () => 1)',
          cycle: '(calls += 1, cycle)',
          throws: '(calls += 1, null.x)',
          rejects: '(calls += 1, Promise.reject(1))',
          // What is no error costs nobody a start: the same instance serves on.
          calls: 'calls',
        },
        'let calls = 0; const cycle = {}; cycle.self = cycle;',
      ),
      calls: each({
        function: invalid(NEVER_JSON),
        cycle: invalid(/circular/),
        throws: { code: 'function_error', error: { type: 'TypeError' } },
        rejects: { code: 'function_error', error: { type: 'number', message: '1' } },
        calls: ok(4),
      }),
      models: ['resident'],
    }),
  },
};

export const RESULT_READING_CASES: readonly AttackCase[] = [...LOOPS, ALIVE];
