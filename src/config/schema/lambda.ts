/** The keys of the Lambda API. */
import { choice, group, text } from './nodes.ts';

export const LAMBDA = group("The Lambda API, which is served under that service's own paths.", {
  mode: choice(['on', 'off'], 'on', 'Whether it is served.'),
  region: text('us-east-1', 'The region in the ARNs of functions; ARNs of another one find nothing.'),
});
