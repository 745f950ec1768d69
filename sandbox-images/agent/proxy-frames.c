/**
 * The frames that the proxy sends.
 *
 * Owns their number in a second. A small frame costs the server as much as a large one, and nobody pays for it, so small
 * ones go at a pace: what a function writes meanwhile gathers in its connection, and goes on together. A few go at once,
 * so that whoever writes now and then waits for nothing. Each is sent for the newest open invocation; the server knows
 * which connection belongs to which.
 */
#include "proxy-frames.h"

#include "basics.h"
#include "limits.h"
#include "server.h"

static const double MS_PER_SECOND = 1000;

static struct {
    double second_ms;
    unsigned sent;
    /** Small frames that may go now, as of a time. */
    double small;
    double small_ms;
} budget = {.small = PROXY_SMALL_FRAMES_AT_ONCE};

static void renew(void) {
    double now = monotonic_ms();
    if (now - budget.second_ms >= MS_PER_SECOND) {
        budget.second_ms = now;
        budget.sent = 0;
    }
    budget.small += (now - budget.small_ms) * PROXY_SMALL_FRAMES_PER_SECOND / MS_PER_SECOND;
    if (budget.small > PROXY_SMALL_FRAMES_AT_ONCE) budget.small = PROXY_SMALL_FRAMES_AT_ONCE;
    budget.small_ms = now;
}

bool proxy_may_send(void) {
    renew();
    return budget.sent < PROXY_FRAMES_PER_SECOND && budget.small >= 1 && server_has_room();
}

int proxy_pause_ms(void) {
    renew();
    double pause = 0;
    if (budget.small < 1) pause = (1 - budget.small) * MS_PER_SECOND / PROXY_SMALL_FRAMES_PER_SECOND;
    if (budget.sent >= PROXY_FRAMES_PER_SECOND) {
        double left = budget.second_ms + MS_PER_SECOND - budget.small_ms;
        if (left > pause) pause = left;
    }
    return pause > 0 ? (int)pause + 1 : -1;
}

/** Credit is for many bytes that were read. */
static bool is_small(const struct frame *frame) {
    return frame->type != FRAME_NETWORK_CREDIT && frame->payload_bytes < PROXY_SMALL_FRAME_BYTES;
}

void proxy_send(const struct instance *instance, struct frame frame) {
    const struct call *call = calls_newest(&instance->calls, CALL_INVOKE);
    frame.instance = instance->id;
    frame.nonce = call == NULL ? 0 : call->nonce;
    budget.sent++;
    if (is_small(&frame)) budget.small -= 1;
    server_send(&frame);
}
