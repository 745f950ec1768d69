/**
 * The frames that the proxy sends.
 *
 * Owns their number in a second: the server takes only so many that nobody asked for, so whoever sends very many small
 * pieces waits. Each is sent for the newest open invocation; the server knows which connection belongs to which.
 */
#include "proxy-frames.h"

#include "basics.h"
#include "limits.h"
#include "server.h"

enum { MS_PER_SECOND = 1000 };

static struct {
    double second_ms;
    unsigned sent;
} budget;

bool proxy_may_send(void) {
    double now = monotonic_ms();
    if (now - budget.second_ms >= MS_PER_SECOND) {
        budget.second_ms = now;
        budget.sent = 0;
    }
    return budget.sent < PROXY_FRAMES_PER_SECOND && server_has_room();
}

int proxy_pause_ms(void) {
    if (budget.sent < PROXY_FRAMES_PER_SECOND) return -1;
    double left = budget.second_ms + MS_PER_SECOND - monotonic_ms();
    return left > 0 ? (int)left + 1 : 0;
}

void proxy_send(const struct instance *instance, struct frame frame) {
    const struct call *call = calls_newest(&instance->calls, CALL_INVOKE);
    frame.instance = instance->id;
    frame.nonce = call == NULL ? 0 : call->nonce;
    budget.sent++;
    server_send(&frame);
}
