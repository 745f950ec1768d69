/**
 * How inspect shows the engine's own classes: arrays, maps, sets, errors, dates, functions and so on.
 *
 * Owns the prefix and the items that are not properties. Recognises a class by its internal slot, so that neither a
 * forged prototype nor a patched method decides; never invokes a getter of the guest's.
 */
import { functionName, type Inspection, ITEMS_MAX, propertyText } from './inspection.ts';
import {
  ArrayBufferByteLength,
  ArrayIsArray,
  append,
  DateGetTime,
  DateToISOString,
  engineStackGetter,
  FunctionToString,
  type List,
  MapForEach,
  MapSize,
  ReflectApply,
  ReflectGetOwnPropertyDescriptor,
  RegExpToString,
  SetForEach,
  SetSize,
  StringSlice,
  TypedArrayLength,
  TypedArrayName,
} from './primordials.ts';
import { withoutBootstrap } from './stack.ts';

interface BuiltIn {
  /** Stands before the brackets, or alone. */
  readonly prefix: string;
  /** Without items only the prefix is shown. */
  readonly alone: boolean;
  readonly square: boolean;
  /** Whether its properties are shown: all, those that are no indices, or none. */
  readonly properties: 'all' | 'named' | 'none';
}

/** The engine lists indices among the keys: of a large array that would take many times the memory of the array. */
const LISTED_MAX = 10_000;

const STACK_MAX_CHARS = 8_192;

export const inspectBuiltIn = (
  run: Inspection,
  value: object,
  name: string | null,
  items: List<string>,
): BuiltIn => {
  if (typeof value === 'function') return { ...PLAIN, prefix: functionText(value), alone: true };
  if (ArrayIsArray(value)) return arrayParts(run, value, name, items);
  const typedArray = TypedArrayName(value);
  if (typedArray !== undefined) return typedArrayParts(value, typedArray, items);
  if (name === 'Object') return PLAIN;
  if (name === null) return { ...PLAIN, prefix: '[Object: null prototype]' };
  const size = slot(MapSize, value) ?? slot(SetSize, value);
  if (size !== undefined) {
    addMembers(run, value, items);
    return { ...PLAIN, prefix: `${name}(${size})` };
  }
  const errorText = stackOf(value);
  if (errorText !== undefined) return { ...PLAIN, prefix: errorText, alone: true };
  const time = slot(DateGetTime, value);
  if (time !== undefined) {
    return { ...PLAIN, prefix: `${time}` === 'NaN' ? 'Invalid Date' : DateToISOString(value), alone: true };
  }
  if (name === 'RegExp') return { ...PLAIN, prefix: slot(RegExpToString, value) ?? name, alone: true };
  const bytes = slot(ArrayBufferByteLength, value);
  if (bytes !== undefined) append(items, `byteLength: ${bytes}`);
  return { ...PLAIN, prefix: name };
};

const PLAIN: BuiltIn = { prefix: '', alone: false, square: false, properties: 'all' };

const propertiesOf = (length: number): BuiltIn['properties'] => (length > LISTED_MAX ? 'none' : 'named');

const arrayParts = (
  run: Inspection,
  value: readonly unknown[],
  name: string | null,
  items: List<string>,
): BuiltIn => {
  const { length } = value;
  let holes = 0;
  for (let index = 0; index < length; index += 1) {
    const property = ReflectGetOwnPropertyDescriptor(value, index);
    if (property === undefined) {
      holes += 1;
      // Counting the rest of a sparse array could take for ever.
      if (holes > ITEMS_MAX) break;
      continue;
    }
    holes = addHoles(items, holes);
    if (items.length >= ITEMS_MAX) {
      append(items, `... ${length - index} more item${length - index > 1 ? 's' : ''}`);
      break;
    }
    append(items, propertyText(run, property));
  }
  if (holes > ITEMS_MAX) append(items, 'more empty items');
  else addHoles(items, holes);
  const prefix = name === 'Array' ? '' : `${name ?? '[Array: null prototype]'}(${length})`;
  return { prefix, alone: false, square: true, properties: propertiesOf(length) };
};

const addHoles = (items: List<string>, holes: number): number => {
  if (holes > 0) append(items, `<${holes} empty item${holes > 1 ? 's' : ''}>`);
  return 0;
};

const typedArrayParts = (value: object, name: string, items: List<string>): BuiltIn => {
  const length = TypedArrayLength(value);
  const elements = value as Record<number, number | bigint>;
  for (let index = 0; index < length && index < ITEMS_MAX; index += 1) {
    const element = elements[index] as number | bigint;
    append(items, typeof element === 'bigint' ? `${element}n` : `${element}`);
  }
  if (length > ITEMS_MAX) append(items, `... ${length - ITEMS_MAX} more items`);
  return { prefix: `${name}(${length})`, alone: false, square: true, properties: propertiesOf(length) };
};

const addMembers = (run: Inspection, value: object, items: List<string>): void => {
  run.indentation += 2;
  let left = ITEMS_MAX;
  if (slot(MapSize, value) !== undefined) {
    MapForEach(value as Map<unknown, unknown>, (member, key) => {
      left -= 1;
      if (left >= 0) append(items, `${run.show(run, key)} => ${run.show(run, member)}`);
    });
  } else {
    SetForEach(value, (member) => {
      left -= 1;
      if (left >= 0) append(items, run.show(run, member));
    });
  }
  if (left < 0) append(items, `... ${-left} more items`);
  run.indentation -= 2;
};

/** An error's stack, or its name and message where the stack is no string; undefined for what is no error. */
const stackOf = (value: object): string | undefined => {
  const property = ReflectGetOwnPropertyDescriptor(value, 'stack');
  if (property === undefined) return undefined;
  // The engine's own accessor is read like a property, one of the guest's is not.
  const { get } = property;
  const own = get !== undefined && get === engineStackGetter;
  const read: unknown = own ? ReflectApply(get, value, []) : property.value;
  if (typeof read !== 'string') return undefined;
  const stack = withoutBootstrap(read);
  return stack.length > STACK_MAX_CHARS ? `${StringSlice(stack, 0, STACK_MAX_CHARS)}…` : stack;
};

const functionText = (value: object): string => {
  const isClass = StringSlice(FunctionToString(value), 0, 6) === 'class ';
  const name = functionName(value);
  const kind = isClass ? 'class' : 'Function';
  if (name === '') return `[${kind} (anonymous)]`;
  return isClass ? `[class ${name}]` : `[Function: ${name}]`;
};

/** What a captured method says of a value, or undefined where the value is of another class. */
const slot = <T>(method: (self: unknown) => T, value: object): T | undefined => {
  try {
    return method(value);
  } catch {
    return undefined;
  }
};
