/** What install.ts takes from this folder for events: one export, because the bundle pays for each at boot. */
import { AbortController, AbortSignal } from './abort.ts';
import { CustomEvent, Event, EventTarget } from './events.ts';
import { provide } from './services.ts';

export const eventGlobals = { AbortController, AbortSignal, CustomEvent, Event, EventTarget, provide };
