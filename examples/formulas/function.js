// Typesets TeX formulas as HTML and MathML. Event: { "formulas": ["e^{i\\pi} + 1 = 0"] }
import katex from 'katex';

export const handler = (event) => ({
  html: event.formulas.map((formula) => katex.renderToString(formula, { throwOnError: false })),
});
