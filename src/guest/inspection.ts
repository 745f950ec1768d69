/**
 * What the two halves of inspect share: the state of one run, and names read without invoking getters.
 */
import { cut, type List, ReflectGetOwnPropertyDescriptor, ReflectGetPrototypeOf } from './primordials.ts';

export interface Inspection {
  readonly depthMax: number;
  /** Formats a value that lies inside of the present one. */
  readonly show: (run: Inspection, value: unknown) => string;
  /** The objects that are being formatted, outermost first. */
  readonly path: List<object>;
  /** Characters of indentation where the text will stand. */
  indentation: number;
  /** How deep the object lies that was formatted last; decides whether a parent fits on one line. */
  deepest: number;
  /** Characters made so far. */
  spent: number;
}

/** How many items, members or properties of one object are shown. */
export const ITEMS_MAX = 100;
const NAME_MAX_CHARS = 120;

/** A property's value; what a getter would return is not asked for. */
export const propertyText = (run: Inspection, property: PropertyDescriptor): string => {
  const { get, set } = property;
  if (get !== undefined) return set === undefined ? '[Getter]' : '[Getter/Setter]';
  if (set !== undefined) return '[Setter]';
  run.indentation += 2;
  const text = run.show(run, property.value);
  run.indentation -= 2;
  return text;
};

/** The name of the class that made an object, found without invoking getters; null for one without prototype. */
export const constructorName = (value: object): string | null => {
  let at: object | null = value;
  for (let steps = 0; at !== null && steps < ITEMS_MAX; steps += 1) {
    const property = ReflectGetOwnPropertyDescriptor(at, 'constructor');
    const made: unknown = property === undefined || property.get !== undefined ? undefined : property.value;
    if (typeof made === 'function') {
      const name = functionName(made);
      if (name !== '') return name;
    }
    at = ReflectGetPrototypeOf(at);
  }
  return null;
};

export const functionName = (value: object): string => {
  const property = ReflectGetOwnPropertyDescriptor(value, 'name');
  if (property === undefined || property.get !== undefined) return '';
  return typeof property.value === 'string' ? cut(property.value, NAME_MAX_CHARS) : '';
};
