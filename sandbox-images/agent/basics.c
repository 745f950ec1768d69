/**
 * How the agent ends, and what time it is. Owns nothing else.
 */
#include "basics.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const double MS_PER_SECOND = 1e3;
static const double NS_PER_MS = 1e6;

_Noreturn void die(enum exit_code code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)dprintf(STDERR_FILENO, "agent: ");
    (void)vdprintf(STDERR_FILENO, format, arguments);
    (void)dprintf(STDERR_FILENO, "\n");
    va_end(arguments);
    _exit((int)code);
}

static double read_clock(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * MS_PER_SECOND + (double)time.tv_nsec / NS_PER_MS;
}

double monotonic_ms(void) {
    return read_clock(CLOCK_MONOTONIC);
}

double wall_ms(void) {
    return (double)(int64_t)read_clock(CLOCK_REALTIME);
}
