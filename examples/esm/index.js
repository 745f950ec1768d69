import { greet } from './greeting.js';

export const handler = (event) => ({ greeting: greet(event.name ?? 'world', event.language ?? 'en') });
