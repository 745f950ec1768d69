/**
 * A failure of the function's as the server takes it. Owns the shape of the tail.
 */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server.h"

/** A byte may become the six of a backslash, u and four digits; there are three texts and a detail. */
enum { ESCAPED_BYTES = 6, SHAPE_BYTES = 1024 };
enum { TAIL_BYTES = ESCAPED_BYTES * (3 * ERROR_TEXT_BYTES + DETAIL_BYTES) + SHAPE_BYTES };

void failure_detail(struct failure *failure, const char *format, ...) {
    char detail[DETAIL_BYTES + 1];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    // It may have been cut inside of a character.
    static struct text whole;
    whole.bytes = 0;
    text_append(&whole, detail, strlen(detail));
    memcpy(failure->detail, whole.characters, whole.bytes);
    failure->detail[whole.bytes] = '\0';
}

void failure_posted(struct failure *failure, struct error_texts *error, const char *what, const uint8_t *body,
                    size_t body_bytes) {
    static struct error_texts read;
    read.type.bytes = 0;
    read.message.bytes = 0;
    read.stack.bytes = 0;
    bool is_object = json_read_error(body, body_bytes, &read);
    error->message.bytes = 0;
    error->stack.bytes = 0;
    if (!is_object) {
        text_append(&error->message, body, body_bytes);
    } else {
        error->message = read.message;
        error->stack = read.stack;
        if (read.type.bytes > 0) error->type = read.type;
    }
    if (error->type.bytes == 0) text_append(&error->type, "Error", strlen("Error"));
    failure->error = error;
    failure_detail(failure, "%s %.*s: %.*s", what, (int)error->type.bytes, error->type.characters,
                   (int)error->message.bytes, error->message.characters);
}

void failure_too_large(struct failure *failure, double max_bytes, double bytes) {
    failure->code = "result_too_large";
    failure->result_max_bytes = max_bytes;
    failure->result_bytes = bytes;
    failure_detail(failure, "The result has %.0f bytes; %.0f are allowed. Return less, or store the data elsewhere.",
                   bytes, max_bytes);
}

static void write_text(struct json_writer *writer, const char *key, const struct text *text) {
    json_write_raw(writer, key);
    json_write_string(writer, text->characters, text->bytes);
}

static void write_tail(struct json_writer *writer, const struct failure *failure) {
    json_write_raw(writer, "{\"failure\":{\"code\":");
    json_write_string(writer, failure->code, strlen(failure->code));
    json_write_raw(writer, ",\"detail\":");
    json_write_string(writer, failure->detail, strlen(failure->detail));
    json_write_raw(writer, ",\"error\":");
    if (failure->error == NULL) {
        json_write_raw(writer, "null");
    } else {
        write_text(writer, "{\"type\":", &failure->error->type);
        write_text(writer, ",\"message\":", &failure->error->message);
        write_text(writer, ",\"stack\":", &failure->error->stack);
        json_write_raw(writer, "}");
    }
    json_write_raw(writer, ",\"limit\":");
    if (failure->result_max_bytes > 0) {
        char limit[128];
        (void)snprintf(limit, sizeof limit, "{\"kind\":\"resultBytes\",\"configured\":%.0f,\"observed\":%.0f}",
                       failure->result_max_bytes, failure->result_bytes);
        json_write_raw(writer, limit);
    } else {
        json_write_raw(writer, "null");
    }
    json_write_raw(writer, "},\"logs\":[],\"logTruncated\":false}");
}

void failure_send(uint32_t instance, enum frame_type type, uint64_t nonce, const struct failure *failure) {
    static char tail[TAIL_BYTES];
    struct json_writer writer = {.at = tail, .room = sizeof tail};
    write_tail(&writer, failure);
    server_send(&(struct frame){
        .type = (uint8_t)type,
        .flags = OUTCOME_FAILED | OUTCOME_HAS_TAIL,
        .instance = instance,
        .nonce = nonce,
        .c = type == FRAME_OUTCOME ? -1 : 0,
        .meta = tail,
        .meta_bytes = writer.used,
    });
}
