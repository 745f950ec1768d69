/**
 * What the server asks for, one frame after another.
 *
 * The server is trusted to mean well, not to be without bugs: a frame that makes no sense in this state ends the
 * agent. Load and invoke may cross with the end of the code process on their way; then they are dropped, the server
 * hears of the end.
 */
#include "commands.h"

#include <errno.h>
#include <string.h>

#include "basics.h"
#include "failure.h"
#include "files.h"
#include "launch.h"
#include "proxy.h"
#include "runtime-api.h"
#include "server.h"
#include "zygote.h"

static void fail_load(struct instance *instance, uint64_t nonce, int error) {
    struct failure failure = {.code = "init_error"};
    bool full = error == ENOSPC || error == EDQUOT;
    if (full) failure_detail(&failure, "The code does not fit: /code is full.");
    else failure_detail(&failure, "The code could not be written to /code: %s.", strerror(error));
    calls_close(&instance->calls, nonce);
    instance->calls.count = 0;
    instance->load_failed = true;
    failure_send(instance->id, FRAME_LOADED, nonce, &failure);
}

static void load(struct instance *instance, const struct frame *frame) {
    if (instance->state == INSTANCE_ENDING) return;
    instance_enter(instance, INSTANCE_LOADING);
    struct load load;
    launch_read_load(frame, &load);
    if (!calls_open(&instance->calls, CALL_LOAD, frame->nonce)) die(EXIT_MALFORMED, "load: its nonce is open");
    instance->log_max_bytes = frame->a;
    logs_renew(&instance->logs, frame->a);
    int error = (frame->flags & LOAD_NETWORK) == 0 ? 0 : proxy_open();
    if (error != 0) die(EXIT_UNCLEAN, "the proxy cannot listen: %s", strerror(error));
    error = files_error(load.digest);
    if (error != 0) fail_load(instance, frame->nonce, error);
    else if (instance->runtime->model == MODEL_BOOTSTRAP) runtime_api_load(instance, frame, &load);
    else if (!channel_send(&instance->channel, frame)) instance_end(instance, END_CHANNEL_UNREAD);
}

static void invoke(struct instance *instance, const struct frame *frame) {
    if (instance->state == INSTANCE_ENDING || instance->load_failed) return;
    if (instance->state != INSTANCE_LOADING && instance->state != INSTANCE_CODE) {
        die(EXIT_MALFORMED, "invoke: no code is loaded");
    }
    if (instance->state == INSTANCE_CODE && !calls_any(&instance->calls, CALL_INVOKE)) {
        // What was written since the last answer belongs to the window that ends here.
        (void)logs_settle(&instance->logs);
        logs_renew(&instance->logs, instance->log_max_bytes);
    }
    if (!calls_any(&instance->calls, CALL_INVOKE)) proxy_begin();
    if (!calls_open(&instance->calls, CALL_INVOKE, frame->nonce)) {
        die(EXIT_MALFORMED, "invoke: its nonce is open, or too many are");
    }
    if (instance->runtime->model == MODEL_BOOTSTRAP) runtime_api_invoke(frame);
    else if (!channel_send(&instance->channel, frame)) instance_end(instance, END_CHANNEL_UNREAD);
}

static void carry_out(struct instance *instance, const struct frame *frame) {
    switch (frame->type) {
    case FRAME_BOOT:
        instance_boot(instance, frame->instance, frame->a);
        return;
    case FRAME_FILE:
        files_write(frame);
        return;
    case FRAME_FORGET:
        files_forget(frame);
        return;
    case FRAME_REST:
        // May have crossed with the boot of the next instance, which needs the zygote.
        if (instance->state == INSTANCE_EMPTY) zygote_end();
        return;
    case FRAME_DISPOSE:
        instance_dispose(instance, frame->instance);
        return;
    case FRAME_TERMINATE:
        // May have crossed with the end of the instance that it meant.
        if (instance->state != INSTANCE_EMPTY && frame->instance == instance->id) {
            instance_end(instance, END_TERMINATED);
        }
        return;
    case FRAME_LOAD:
    case FRAME_INVOKE:
        if (instance->state == INSTANCE_EMPTY || frame->instance != instance->id) {
            die(EXIT_MALFORMED, "frame of type %u: instance %u is not here", frame->type, frame->instance);
        }
        if (frame->type == FRAME_LOAD) load(instance, frame);
        else invoke(instance, frame);
        return;
    case FRAME_NETWORK_HEAD:
    case FRAME_NETWORK_DATA:
    case FRAME_NETWORK_CREDIT:
    case FRAME_NETWORK_END:
        proxy_hear(frame);
        return;
    default:
        die(EXIT_MALFORMED, "the server sent a frame of type %u", frame->type);
    }
}

void commands_carry_out(struct instance *instance) {
    struct frame frame;
    size_t size;
    while (server_next(&frame, &size)) {
        carry_out(instance, &frame);
        server_done(size);
    }
}
