/**
 * What every part needs: how the agent ends, and what time it is.
 */
#ifndef BASICS_H
#define BASICS_H

#include <stdint.h>

enum exit_code {
    /** The container cannot be made clean, or the system refused something that must work. */
    EXIT_UNCLEAN = 1,
    /** The server sent what it must not send, or the arguments are wrong. */
    EXIT_MALFORMED = 2,
};

/** Writes one line to stderr and ends the agent, and with it, as it is PID 1, everything in the container. */
_Noreturn void die(enum exit_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** For durations. */
double monotonic_ms(void);

/** For records: milliseconds since 1970, whole. */
double wall_ms(void);

#endif
