/**
 * What a code process may say over its channel: `booted` once, then for each call the lines of its log and one answer.
 * Anything else is a violation and costs it its life.
 *
 * Never trusts a field but those that it has checked: the instance is set here, flags are masked, numbers made finite.
 * Texts and payloads are the server's to judge.
 */
#include "answers.h"

#include "basics.h"
#include "server.h"

static const uint16_t OUTCOME_FLAGS = OUTCOME_FAILED | OUTCOME_HAS_TAIL;

/** Comparisons with NaN are false, so that it becomes 0 too. */
static double bounded(double value, double least) {
    static const double most = 9007199254740991.0;
    return value >= least && value <= most ? value : 0;
}

static void relay_booted(struct instance *instance) {
    // When it is being killed already it was not up in time.
    if (instance->state == INSTANCE_ENDING) return;
    if (instance->state != INSTANCE_BOOTING) {
        instance_violated(instance, "it reported twice that it is up");
        return;
    }
    instance->booted = true;
    instance_enter(instance, INSTANCE_RUNTIME);
    server_send(&(struct frame){
        .type = FRAME_BOOTED,
        .instance = instance->id,
        .a = monotonic_ms() - instance->started_ms,
    });
}

/** False when the lines before it could not all be sent yet. */
static bool relay_answer(struct instance *instance, const struct frame *frame, enum call_kind kind) {
    if (!calls_is_open(&instance->calls, kind, frame->nonce)) {
        instance_violated(instance, "it answered a call that is not open");
        return true;
    }
    if (kind == CALL_INVOKE && calls_any(&instance->calls, CALL_LOAD)) {
        instance_violated(instance, "it answered an invocation before it was loaded");
        return true;
    }
    if (!logs_settle(&instance->logs)) return false;
    instance_answered(instance, frame->nonce);
    if (!calls_any(&instance->calls, CALL_INVOKE)) logs_cut(&instance->logs);
    struct frame relayed = *frame;
    relayed.instance = instance->id;
    relayed.flags &= OUTCOME_FLAGS;
    relayed.a = 0;
    relayed.b = bounded(frame->b, 0);
    relayed.c = bounded(frame->c, -1);
    server_send(&relayed);
    if (kind == CALL_INVOKE || instance->state == INSTANCE_ENDING) return true;
    instance->load_failed = (frame->flags & OUTCOME_FAILED) != 0;
    // The server settles what was to run on code that did not load; nobody else may.
    if (instance->load_failed) instance->calls.count = 0;
    else instance_enter(instance, INSTANCE_CODE);
    return true;
}

/** A line goes out at once, so that it is there whatever becomes of its call. Beyond the limit they are dropped. */
static void relay_line(struct instance *instance, const struct frame *frame) {
    struct call *call = calls_find(&instance->calls, frame->nonce);
    if (call == NULL) {
        instance_violated(instance, "it wrote to the log of a call that is not open");
        return;
    }
    if (call->log_bytes > instance->log_max_bytes) return;
    call->log_bytes += (double)frame->payload_bytes + 1;
    // The shim drops what is beyond the limit itself, and says so.
    if ((frame->flags & LOG_DROPPED) != 0) call->log_bytes = instance->log_max_bytes + 1;
    bool dropped = call->log_bytes > instance->log_max_bytes;
    server_send(&(struct frame){
        .type = FRAME_LOG,
        .flags = LOG_OF_CALL | (dropped ? LOG_DROPPED : 0),
        .instance = instance->id,
        .nonce = frame->nonce,
        .a = bounded(frame->a, 0),
        .b = bounded(frame->b, 0),
        .payload = dropped ? NULL : frame->payload,
        .payload_bytes = dropped ? 0 : frame->payload_bytes,
    });
}

static bool relay(struct instance *instance, const struct frame *frame) {
    switch (frame->type) {
    case FRAME_BOOTED:
        relay_booted(instance);
        return true;
    case FRAME_LOADED:
        return relay_answer(instance, frame, CALL_LOAD);
    case FRAME_OUTCOME:
        return relay_answer(instance, frame, CALL_INVOKE);
    case FRAME_LOG:
        relay_line(instance, frame);
        return true;
    default:
        instance_violated(instance, "it sent a frame of a type that it must not send");
        return true;
    }
}

bool answers_relay(struct instance *instance) {
    struct channel *channel = &instance->channel;
    while (!channel->muted) {
        struct frame frame;
        size_t size;
        const char *why = "";
        switch (frame_look(&channel->in, instance->max_frame_bytes, &frame, &size, &why)) {
        case FRAME_NOT_YET:
            return true;
        case FRAME_BROKEN:
            instance_violated(instance, why);
            return true;
        case FRAME_FOUND:
            if (!server_has_room() || !relay(instance, &frame)) return false;
            buffer_consume(&channel->in, size);
        }
    }
    return true;
}

bool answers_drain(struct instance *instance) {
    for (;;) {
        if (!answers_relay(instance)) return false;
        if (instance->channel.muted || channel_read(&instance->channel) != TRANSFER_SOME) return true;
    }
}
