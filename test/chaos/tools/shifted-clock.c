/**
 * Clocks of one process that can be put forward and back while it runs, for LD_PRELOAD.
 *
 * The file that SHIFTED_CLOCK_FILE names holds two 64-bit numbers of nanoseconds: what is added to the wall clock, and
 * to the monotonic clock. Whoever writes them makes the clocks jump.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct shift {
    volatile long long wall_ns;
    volatile long long monotonic_ns;
};

static const long long SECOND_NS = 1000000000LL;
static const struct shift *shift;

__attribute__((constructor)) static void prepare(void) {
    const char *path = getenv("SHIFTED_CLOCK_FILE");
    int descriptor = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return;
    void *mapped = mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (mapped != MAP_FAILED) shift = mapped;
}

static long long shift_of(clockid_t clock) {
    if (shift == NULL) return 0;
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE: return shift->wall_ns;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME: return shift->monotonic_ns;
    default: return 0;
    }
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result != 0) return result;
    long long ns = (long long)time->tv_sec * SECOND_NS + time->tv_nsec + shift_of(clock);
    time->tv_sec = ns / SECOND_NS;
    time->tv_nsec = ns % SECOND_NS;
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    time->tv_sec = precise.tv_sec;
    time->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *told) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (told != NULL) *told = precise.tv_sec;
    return precise.tv_sec;
}
