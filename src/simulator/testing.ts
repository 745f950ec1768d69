/** Small traces for tests. */
import { countsOf, MINUTE_MS, type Trace, type TraceFunction, traceOf } from './trace.ts';

export const functionOf = (
  id: string,
  counts: readonly number[],
  extra: Partial<TraceFunction> = {},
): TraceFunction => ({
  ...{ id, owner: `owner-of-${id}`, app: `app-of-${id}`, trigger: 'http', memoryMb: 64 },
  ...{ durationsMs: [0, 1, 25, 50, 75, 99, 100], ...countsOf(counts), ...extra },
});

export const smallTrace = (functions: readonly TraceFunction[]): Trace =>
  traceOf({
    ...{ functions, startMinute: 480, minutes: functions[0]?.counts.length ?? 0 },
    ...{ minuteMs: MINUTE_MS, notes: [] },
  });
