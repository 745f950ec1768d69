/** What the queue has done since it was opened: for metrics. */
import type { FinalStatus } from './states.ts';

export class Tally {
  accepted = 0;
  attempts = 0;
  retried = 0;
  delivered = 0;
  deliveriesFailed = 0;
  dead = 0;
  readonly ended: Record<FinalStatus, number> = { succeeded: 0, failed: 0, cancelled: 0, expired: 0 };
}
