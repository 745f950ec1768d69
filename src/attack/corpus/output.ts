/**
 * Attacks on the log and on what a function says before its answer: too much, too long, forged, or at the wrong time.
 */
import { type AttackCase, type Expectation, file, js, onBothNodes, once, plainJs, python } from '../case.ts';
import { LINE_CASES, says } from './output-lines.ts';

/** The server under attack keeps so much of each invocation's log (`limits.logMaxBytes`). */
const LOG_MAX_BYTES = 8_192;
/** With the line's end each takes a kibibyte: so many fit, and nothing is left. */
const LINE = 'x'.repeat(1_023);
const LINES = LOG_MAX_BYTES / (LINE.length + 1);
/** A console's line is cut here, and says how long it was. */
const CONSOLE_LINE_CHARS = 16_384;
/** What is written to a stream without an end of line is cut into lines of this size. */
const STREAM_LINE_CHARS = 8_192;
const HUGE_CHARS = 50 * 2 ** 20;

const full = (line = LINE): Expectation => ({
  code: 'succeeded',
  result: 1,
  logs: new Array<string>(LINES).fill(line),
  logTruncated: true,
});
const CALM: Expectation = { code: 'succeeded', result: 1, logs: ['calm'], logTruncated: false };
const nothing = (): Expectation => ({ code: 'succeeded', result: 1, logs: [], logTruncated: true });

/** The flood, and then a call of the same function with a log of its own. */
const floodThenCalm = [{ expect: full() }, { event: { calm: true }, expect: CALM }];

const FLOODING_SHELL = `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
line="$(head -c ${LINE.length} /dev/zero | tr '\\0' x)"
while true; do
  event="$(curl -sS -D /tmp/head "$api/invocation/next")"
  id="$(sed -n 's/^lambda-runtime-aws-request-id: *\\([^\\r]*\\).*/\\1/pI' /tmp/head)"
  case "$event" in
    *calm*) echo calm ;;
    *) yes "$line" | head -n 2000 ;;
  esac
  curl -sS -o /dev/null --data-binary 1 "$api/invocation/$id/response"
done
`;

const FLOODS: readonly AttackCase[] = [
  {
    id: 37,
    group: 'output',
    name: 'a flood of log lines',
    attacks: {
      ...onBothNodes({
        code: plainJs(
          `if (event.calm) console.log('calm'); else { for (let i = 0; i < 20000; i += 1) console.log('x'.repeat(${LINE.length})); console.error('the last'); } return 1;`,
        ),
        calls: floodThenCalm,
      }),
      python3: {
        code: python(
          `if "calm" in event: print("calm")\nelse:\n  for i in range(20000): print("x" * ${LINE.length})\n  print("the last", file=sys.stderr)\nreturn 1`,
        ),
        calls: floodThenCalm,
      },
      provided: { code: { files: { bootstrap: FLOODING_SHELL } }, calls: floodThenCalm },
    },
  },
  {
    id: 260,
    group: 'output',
    name: 'a flood past the runtime, straight to the descriptors',
    attacks: {
      nodejs24: {
        code: js(
          `const { writeSync } = require('node:fs'); if (event.calm) writeSync(1, 'calm\\n'); else for (let i = 0; i < 2000; i += 1) writeSync(1, 'x'.repeat(${LINE.length}) + '\\n'); return 1;`,
        ),
        calls: floodThenCalm,
      },
      python3: {
        code: python(
          `if "calm" in event: os.write(1, b"calm\\n")\nelse:\n  for i in range(2000): os.write(1, b"x" * ${LINE.length} + b"\\n")\nreturn 1`,
        ),
        calls: floodThenCalm,
      },
    },
  },
  {
    id: 261,
    group: 'output',
    name: 'two floods at once, through the runtime and past it',
    attacks: {
      nodejs24: {
        code: js(
          `const { writeSync } = require('node:fs'); for (let i = 0; i < 500; i += 1) { console.log('x'.repeat(${LINE.length})); writeSync(2, 'y'.repeat(${LINE.length}) + '\\n'); } return 1;`,
        ),
        calls: once({ ...full(), logs: new Array<RegExp>(LINES).fill(/^(?:x{1023}|y{1023})$/) }),
      },
      python3: {
        code: python(
          `for i in range(500):\n  print("x" * ${LINE.length})\n  os.write(2, b"y" * ${LINE.length} + b"\\n")\nreturn 1`,
        ),
        calls: once({ ...full(), logs: new Array<RegExp>(LINES).fill(/^(?:x{1023}|y{1023})$/) }),
      },
    },
  },
  {
    id: 262,
    group: 'output',
    name: 'a flood of empty lines',
    attacks: {
      ...onBothNodes({
        code: plainJs('for (let i = 0; i < 200000; i += 1) console.log(""); return 1;'),
        calls: once({ ...full(), logs: new Array<string>(LOG_MAX_BYTES).fill('') }),
      }),
      python3: {
        code: python('for i in range(100000): print()\nreturn 1'),
        calls: once({ ...full(), logs: new Array<string>(LOG_MAX_BYTES).fill('') }),
      },
    },
  },
  {
    id: 263,
    group: 'output',
    name: 'a flood of lines while the code is loaded',
    attacks: {
      ...onBothNodes({
        code: file(
          `for (let i = 0; i < 2000; i += 1) console.log('x'.repeat(${LINE.length})); exports.handler = () => { console.log('calm'); return 1; };`,
        ),
        calls: once(full()),
      }),
      python3: {
        code: file(
          `for i in range(2000): print("x" * ${LINE.length})\ndef handler(event, context):\n  print("calm")\n  return 1\n`,
        ),
        calls: once(full()),
      },
    },
  },
  {
    id: 264,
    group: 'output',
    name: 'a flood of events and warnings',
    attacks: {
      isolate: {
        code: js(`const target = new EventTarget(); let heard = 0;
          for (let i = 0; i < 100; i += 1) target.addEventListener('flood', () => { heard += 1; });
          for (let i = 0; i < 200; i += 1) target.dispatchEvent(new Event('flood'));
          return heard;`),
        calls: once(says([], 20_000)),
      },
      nodejs24: {
        code: js(
          `for (let i = 0; i < 500; i += 1) process.emit('warning', new Error('w'.repeat(1000))); return 1;`,
        ),
        calls: once({ code: 'succeeded', result: 1, logTruncated: true }),
      },
    },
  },
];

const LONG_LINES: readonly AttackCase[] = [
  {
    id: 38,
    group: 'output',
    name: 'one line of 50 MB',
    attacks: {
      ...onBothNodes({
        code: plainJs(`console.log('x'.repeat(${HUGE_CHARS})); return 1;`),
        spec: { memoryMb: 256 },
        calls: once(nothing()),
      }),
      python3: {
        code: python(`print("x" * ${HUGE_CHARS})\nreturn 1`),
        spec: { memoryMb: 384 },
        calls: once(nothing()),
      },
    },
  },
  {
    id: 265,
    group: 'output',
    name: 'lines that are cut: by the console, and by the stream',
    attacks: {
      isolate: {
        code: plainJs(`console.log(event.text.repeat(${CONSOLE_LINE_CHARS})); return 1;`),
        calls: [{ event: { text: 'xy' }, expect: nothing() }],
      },
      nodejs24: {
        code: js(
          `process.stdout.write('x'.repeat(${STREAM_LINE_CHARS - 2}) + '\\n'); process.stdout.write('y'); return 1;`,
        ),
        calls: once({ ...nothing(), logs: ['x'.repeat(STREAM_LINE_CHARS - 2)] }),
      },
      python3: {
        code: python(
          `sys.stdout.write("x" * ${STREAM_LINE_CHARS - 2} + "\\n")\nsys.stdout.write("y")\nreturn 1`,
        ),
        calls: once({ ...nothing(), logs: ['x'.repeat(STREAM_LINE_CHARS - 2)] }),
      },
    },
  },
];

export const OUTPUT_CASES: readonly AttackCase[] = [...FLOODS, ...LONG_LINES, ...LINE_CASES];
