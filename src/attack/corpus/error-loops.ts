/**
 * Functions that fail with what loops when it is read: in the handler, in a rejection that nobody handles, behind the
 * result, while the code is loaded.
 */
import { type AttackCase, BY_CPU, BY_WALL, file, plainJs, python } from '../case.ts';
import { byInitTime, inEach, succeeds } from '../languages.ts';

const SPIN = 'class Spin extends Error { get name() { for (;;); } }';
const BEHIND_RESULT = file(
  `${SPIN} exports.handler = () => { (async () => { throw new Spin(); })(); return 1; };`,
);
const WHILE_LOADED = file(
  `${SPIN} (async () => { throw new Spin(); })(); exports.handler = () => new Promise(() => {});`,
);

export const LOOPS_WHEN_READ: readonly AttackCase[] = [
  {
    id: 21,
    group: 'error',
    name: 'a class whose name loops when it is read',
    harmless: true,
    attacks: inEach(
      {
        js: file(`${SPIN} exports.handler = () => { throw new Spin(); };`),
        py: python('class Spin(Exception):\n  def __str__(self):\n    while True: pass\nraise Spin()'),
      },
      BY_WALL,
    ),
  },
  {
    id: 22,
    group: 'error',
    name: 'a stack that loops when it is read',
    harmless: true,
    attacks: inEach(
      {
        js: plainJs('throw Object.defineProperty(new Error("x"), "stack", { get() { for (;;); } });'),
        py: python(`class Spin(Exception):
  @property
  def __notes__(self):
    while True: pass
raise Spin("x")`),
      },
      BY_WALL,
    ),
  },
  {
    id: 23,
    group: 'error',
    name: 'a preparation of the stack that loops',
    harmless: true,
    attacks: inEach(
      {
        js: plainJs('Error.prepareStackTrace = () => { for (;;); }; throw new Error("x");'),
        py: python(`import traceback
def spin(*_, **__):
  while True: pass
traceback.TracebackException.__init__ = spin
raise ValueError("x")`),
      },
      BY_WALL,
    ),
  },
  {
    id: 231,
    group: 'error',
    name: 'a name that loops, rejected',
    attacks: inEach(
      { js: file(`${SPIN} exports.handler = async () => { await null; throw new Spin(); };`) },
      BY_WALL,
    ),
  },
  {
    id: 232,
    group: 'error',
    name: 'a name that loops, in a rejection that nobody handles',
    attacks: inEach(
      {
        js: file(
          `${SPIN} exports.handler = () => { (async () => { throw new Spin(); })(); return new Promise(() => {}); };`,
        ),
      },
      BY_WALL,
    ),
  },
  {
    id: 233,
    group: 'error',
    name: 'a name that loops, in a rejection behind the result',
    attacks: {
      ...inEach({ isolate: BEHIND_RESULT }, BY_WALL),
      // Node tells of rejections when the handler has returned: the answer is given, and the next call pays.
      ...inEach(
        { node: BEHIND_RESULT },
        { spec: BY_WALL.spec, models: ['resident'], calls: [...succeeds(1).calls, ...BY_WALL.calls] },
      ),
    },
  },
  {
    id: 234,
    group: 'error',
    name: 'a name that loops, thrown while the code is loaded',
    attacks: inEach(
      {
        js: file(`${SPIN} throw new Spin();`),
        py: file('class Spin(Exception):\n  def __str__(self):\n    while True: pass\nraise Spin()\n'),
      },
      byInitTime(250),
    ),
  },
  {
    id: 235,
    group: 'error',
    name: 'a name that loops, in a rejection while the code is loaded',
    attacks: {
      ...inEach({ isolate: WHILE_LOADED }, byInitTime(250)),
      ...inEach({ node: WHILE_LOADED }, BY_WALL),
    },
  },
  {
    id: 236,
    group: 'error',
    name: 'a preparation of the stack that loops, in a rejection that nobody handles',
    attacks: inEach(
      {
        js: plainJs(
          'Error.prepareStackTrace = () => { for (;;); }; (async () => { throw new Error("x"); })(); return new Promise(() => {});',
        ),
      },
      BY_WALL,
    ),
  },
  {
    id: 238,
    group: 'error',
    name: 'a message that loops when it is read',
    attacks: inEach({ js: plainJs('throw { get message() { for (;;); } };') }, BY_CPU),
  },
  {
    id: 244,
    group: 'error',
    name: 'an exit that is raised like an error',
    attacks: inEach(
      {
        py: python(
          'class Leave(SystemExit):\n  @property\n  def code(self):\n    while True: pass\nraise Leave()',
        ),
      },
      BY_WALL,
    ),
  },
];
