/**
 * The Runtime API: what the paths mean.
 *
 * Owns the one invocation that a function's own program works on, and when its load is over: with its first request
 * for an invocation. Everything that comes in is a hostile function's; each answer is taken once, for the invocation
 * that is running, and no other.
 */
#include "runtime-api.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "basics.h"
#include "failure.h"
#include "http.h"
#include "server.h"

static const char PREFIX[] = "/2018-06-01/runtime/";
static const char TOO_LARGE[] = "RequestEntityTooLarge";
static const char OWN_ARN[] = "arn:aws:lambda:strata:000000000000:function:";
static const char OK[] = "{\"status\":\"OK\"}";
enum { HEADERS_BYTES = 1024 + CALLER_ARN_BYTES + CALLER_CONTEXT_BYTES, TRACE_BYTES = 12 };

static struct {
    uint64_t load_nonce;
    double load_ms;
    double started_ms;
    double result_max_bytes;
    char function_name[FUNCTION_NAME_BYTES + 1];
    /** The invocation. */
    enum { WORK_NONE, WORK_WAITS, WORK_RUNS } work;
    uint64_t nonce;
    char id[INVOCATION_ID_BYTES + 1];
    /** How the function was called; empty where that was not told. */
    char arn[CALLER_ARN_BYTES + 1];
    char client_context[CALLER_CONTEXT_BYTES + 1];
    /** The one that was answered last. */
    char answered_id[INVOCATION_ID_BYTES + 1];
    double deadline_ms;
    double handed_out_ms;
    struct buffer event;
} api;

void runtime_api_prepare(size_t max_frame_bytes) {
    buffer_open(&api.event, max_frame_bytes);
    http_prepare(max_frame_bytes);
}

void runtime_api_close(void) {
    http_close();
    buffer_clear(&api.event);
    api.work = WORK_NONE;
    api.id[0] = '\0';
    api.answered_id[0] = '\0';
}

void runtime_api_watch(struct poll_set *set) {
    http_watch(set);
}

static void fail_load(struct instance *instance, struct failure *failure) {
    failure->code = "init_error";
    instance->load_failed = true;
    instance->calls.count = 0;
    failure_send(instance->id, FRAME_LOADED, api.load_nonce, failure);
}

/** Copies text of these characters and later ones of ASCII into a header; what has others is left out as a whole. */
static void copy_text(char *to, size_t room, const char *text, size_t bytes, char first) {
    to[0] = '\0';
    if (bytes >= room) return;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < first || text[i] > '~') return;
    }
    memcpy(to, text, bytes);
    to[bytes] = '\0';
}

static void copy_token(char *to, size_t room, const char *text, size_t bytes) {
    copy_text(to, room, text, bytes, '!');
}

/** Takes the part before the next newline off a text. */
static size_t take_line(const char **text, size_t *bytes) {
    const char *end = memchr(*text, '\n', *bytes);
    size_t line = end == NULL ? *bytes : (size_t)(end - *text);
    size_t taken = end == NULL ? line : line + 1;
    *text += taken;
    *bytes -= taken;
    return line;
}

/** The id of an invocation, and behind it how the function was called. */
static void read_call(const char *text, size_t bytes) {
    const char *id = text;
    size_t id_bytes = take_line(&text, &bytes);
    const char *arn = text;
    size_t arn_bytes = take_line(&text, &bytes);
    copy_token(api.id, sizeof api.id, id, id_bytes);
    copy_token(api.arn, sizeof api.arn, arn, arn_bytes);
    copy_text(api.client_context, sizeof api.client_context, text, bytes, ' ');
}

void runtime_api_load(struct instance *instance, const struct frame *frame, const struct load *load) {
    const char *name = launch_find(load, "AWS_LAMBDA_FUNCTION_NAME");
    copy_token(api.function_name, sizeof api.function_name, name == NULL ? "" : name, name == NULL ? 0 : strlen(name));
    double most = (double)(instance->max_frame_bytes - FRAME_HEAD_BYTES);
    api.result_max_bytes = frame->b < most ? frame->b : most;
    api.load_nonce = frame->nonce;
    api.started_ms = monotonic_ms();
    int error = http_open();
    if (error != 0) die(EXIT_UNCLEAN, "the Runtime API cannot listen: %s", strerror(error));
    error = launch_bootstrap(instance, load);
    api.load_ms = monotonic_ms() - api.started_ms;
    if (error == 0) return;
    struct failure failure = {0};
    failure_detail(&failure, "The file bootstrap of the code cannot be executed: %s. It must be there, executable, and "
                             "a program for Linux or a script whose interpreter is in the image.", strerror(error));
    fail_load(instance, &failure);
    runtime_api_close();
}

void runtime_api_invoke(const struct frame *frame) {
    if (api.work != WORK_NONE) die(EXIT_MALFORMED, "invoke: one is open already");
    read_call(frame->meta, frame->meta_bytes);
    if (api.id[0] == '\0') die(EXIT_MALFORMED, "invoke: its id cannot stand in a header");
    buffer_clear(&api.event);
    (void)buffer_append(&api.event, frame->payload, frame->payload_bytes);
    api.nonce = frame->nonce;
    api.deadline_ms = wall_ms() + frame->a;
    api.work = WORK_WAITS;
}

static void respond_ok(struct http_connection *connection) {
    http_respond(connection, "202 Accepted", "", OK, sizeof OK - 1);
}

static void respond_error(struct http_connection *connection, const char *status, const char *type,
                          const char *message) {
    char body[512];
    int length = snprintf(body, sizeof body, "{\"errorMessage\":\"%s\",\"errorType\":\"%s\"}", message, type);
    http_respond(connection, status, "", body, (size_t)length);
}

static void respond_wrong_state(struct http_connection *connection) {
    respond_error(connection, "403 Forbidden", "InvalidStateTransition", "This is not allowed in the present state.");
}

static void finish_load(struct instance *instance) {
    calls_close(&instance->calls, api.load_nonce);
    instance_enter(instance, INSTANCE_CODE);
    server_send(&(struct frame){
        .type = FRAME_LOADED,
        .instance = instance->id,
        .nonce = api.load_nonce,
        .b = api.load_ms,
        .c = monotonic_ms() - api.started_ms - api.load_ms,
    });
}

static void hand_out(struct http_connection *connection) {
    uint8_t trace[TRACE_BYTES] = {0};
    char trace_text[2 * TRACE_BYTES + 1];
    char headers[HEADERS_BYTES];
    bool told = api.arn[0] != '\0';
    bool context = api.client_context[0] != '\0';
    (void)!getrandom(trace, sizeof trace, GRND_NONBLOCK);
    for (size_t i = 0; i < sizeof trace; i++) (void)snprintf(trace_text + 2 * i, 3, "%02x", trace[i]);
    (void)snprintf(headers, sizeof headers,
                   "Lambda-Runtime-Aws-Request-Id: %s\r\n"
                   "Lambda-Runtime-Deadline-Ms: %.0f\r\n"
                   "Lambda-Runtime-Invoked-Function-Arn: %s%s\r\n"
                   "Lambda-Runtime-Trace-Id: Root=1-%08x-%s\r\n"
                   "%s%s%s",
                   api.id, api.deadline_ms, told ? api.arn : OWN_ARN, told ? "" : api.function_name,
                   (unsigned)(wall_ms() / 1e3), trace_text, context ? "Lambda-Runtime-Client-Context: " : "",
                   api.client_context, context ? "\r\n" : "");
    http_respond(connection, "200 OK", headers, buffer_bytes(&api.event), buffer_held(&api.event));
    buffer_clear(&api.event);
    api.handed_out_ms = monotonic_ms();
    api.work = WORK_RUNS;
}

/** `GET invocation/next`. */
static bool next(struct instance *instance, struct http_connection *connection) {
    if (api.work == WORK_RUNS || instance->load_failed) {
        respond_wrong_state(connection);
        return true;
    }
    if (instance->state == INSTANCE_LOADING) {
        if (!logs_settle(&instance->logs)) return false;
        finish_load(instance);
    }
    // An event that went to a connection that was given up would be lost.
    if (instance->state == INSTANCE_ENDING || http_has_left(connection)) {
        respond_wrong_state(connection);
        return true;
    }
    if (api.work != WORK_WAITS) return false;
    hand_out(connection);
    return true;
}

/** What was posted as an error; its type may stand in a header only. */
static void describe(const struct http_call *call, struct failure *failure, struct error_texts *error,
                     const char *what) {
    *failure = (struct failure){.code = failure->code, .error = error};
    error->type.bytes = 0;
    text_append(&error->type, call->error_type, call->error_type_bytes);
    failure_posted(failure, error, what, call->body, call->body_bytes);
}

/** `POST init/error`. */
static bool init_error(struct instance *instance, struct http_connection *connection, const struct http_call *call) {
    static struct error_texts error;
    struct failure failure = {0};
    if (!calls_any(&instance->calls, CALL_LOAD)) {
        respond_wrong_state(connection);
        return true;
    }
    if (!logs_settle(&instance->logs)) return false;
    describe(call, &failure, &error, "The initializer failed with");
    fail_load(instance, &failure);
    if (call->too_large) respond_error(connection, "413 Content Too Large", TOO_LARGE, "It is too large.");
    else respond_ok(connection);
    return true;
}

/** `POST invocation/{id}/response|error`. */
static bool answer(struct instance *instance, struct http_connection *connection, const struct http_call *call,
                   bool failed) {
    static struct error_texts error;
    struct failure failure = {.code = "function_error"};
    if (!server_has_room() || !logs_settle(&instance->logs)) return false;
    logs_cut(&instance->logs);
    instance_answered(instance, api.nonce);
    api.work = WORK_NONE;
    memcpy(api.answered_id, api.id, sizeof api.id);
    bool error_fits = failed && call->body_bytes <= HTTP_ERROR_BODY_BYTES;
    bool too_large = call->too_large || ((double)call->body_bytes > api.result_max_bytes && !error_fits);
    if (too_large) {
        failure_too_large(&failure, api.result_max_bytes,
                          (double)(call->too_large ? call->request->length : call->body_bytes));
        failure_send(instance->id, FRAME_OUTCOME, api.nonce, &failure);
        respond_error(connection, "413 Content Too Large", TOO_LARGE, failure.detail);
        return true;
    }
    respond_ok(connection);
    if (failed) {
        describe(call, &failure, &error, "The handler failed with");
        failure_send(instance->id, FRAME_OUTCOME, api.nonce, &failure);
        return true;
    }
    server_send(&(struct frame){
        .type = FRAME_OUTCOME,
        .instance = instance->id,
        .nonce = api.nonce,
        .b = monotonic_ms() - api.handed_out_ms,
        .c = -1,
        .payload = call->body,
        .payload_bytes = call->body_bytes,
    });
    return true;
}

static bool text_is(const char *text, size_t bytes, const char *other) {
    return bytes == strlen(other) && memcmp(text, other, bytes) == 0;
}

/** What lies behind `invocation/` in a path: an id and what is posted about it. */
static bool route_invocation(struct instance *instance, struct http_connection *connection,
                             const struct http_call *call, const char *rest, size_t bytes) {
    const char *slash = memchr(rest, '/', bytes);
    size_t id_bytes = slash == NULL ? bytes : (size_t)(slash - rest);
    bool is_response = slash != NULL && text_is(slash, bytes - id_bytes, "/response");
    bool is_error = slash != NULL && text_is(slash, bytes - id_bytes, "/error");
    if (!is_response && !is_error) {
        respond_error(connection, "404 Not Found", "NotFound", "There is no such path.");
    } else if (api.work == WORK_RUNS && text_is(rest, id_bytes, api.id)) {
        return answer(instance, connection, call, is_error);
    } else if (id_bytes > 0 && text_is(rest, id_bytes, api.answered_id)) {
        respond_wrong_state(connection);
    } else {
        respond_error(connection, "400 Bad Request", "InvalidRequestID", "No invocation with this id is running.");
    }
    return true;
}

static bool route(struct http_connection *connection, const struct http_call *call, void *context) {
    static const char invocation[] = "invocation/";
    struct instance *instance = context;
    size_t prefix_bytes = sizeof PREFIX - 1;
    bool known = call->path_bytes > prefix_bytes && memcmp(call->path, PREFIX, prefix_bytes) == 0;
    const char *rest = call->path + prefix_bytes;
    size_t bytes = known ? call->path_bytes - prefix_bytes : 0;
    bool get = call->request->method == HTTP_GET;
    bool post = call->request->method == HTTP_POST;
    if (!server_has_room()) return false;
    if (get && known && text_is(rest, bytes, "invocation/next")) return next(instance, connection);
    if (post && known && text_is(rest, bytes, "init/error")) return init_error(instance, connection, call);
    if (post && known && bytes > sizeof invocation - 1 && memcmp(rest, invocation, sizeof invocation - 1) == 0) {
        size_t skipped = sizeof invocation - 1;
        return route_invocation(instance, connection, call, rest + skipped, bytes - skipped);
    }
    respond_error(connection, "404 Not Found", "NotFound", "There is no such path.");
    return true;
}

void runtime_api_turn(struct instance *instance, const struct poll_set *set) {
    http_turn(set, route, instance);
}

bool runtime_api_drain(struct instance *instance) {
    return http_drain(route, instance);
}

void runtime_api_ended(struct instance *instance, int code, int signal_number) {
    static struct error_texts error;
    if (!calls_any(&instance->calls, CALL_LOAD)) return;
    struct failure failure = {.error = &error};
    char how[64];
    if (signal_number > 0) (void)snprintf(how, sizeof how, "by signal %d", signal_number);
    else (void)snprintf(how, sizeof how, "with exit status %d", code);
    failure_detail(&failure, "The bootstrap ended %s before it asked for its first invocation.", how);
    error.type.bytes = 0;
    error.message.bytes = 0;
    text_append(&error.type, "Runtime.ExitError", strlen("Runtime.ExitError"));
    text_append(&error.message, failure.detail, strlen(failure.detail));
    fail_load(instance, &failure);
}
