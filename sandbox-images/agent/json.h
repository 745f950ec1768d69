/**
 * The little JSON that the agent reads and writes: an error as a function posts it, a failure as the server takes it.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

/** Text of a bounded length, always valid UTF-8, cut at the end of a character. */
struct text {
    size_t bytes;
    char characters[ERROR_TEXT_BYTES];
};

/** Appends bytes of anyone's; what is no UTF-8 becomes a question mark. */
void text_append(struct text *text, const void *bytes, size_t count);

struct error_texts {
    struct text type;
    struct text message;
    struct text stack;
};

/**
 * Reads {"errorMessage", "errorType", "stackTrace": […]}; other members are skipped. False when it is not such an
 * object; texts that were read before that was found stay.
 */
bool json_read_error(const uint8_t *json, size_t bytes, struct error_texts *error);

/** A place to write JSON to. */
struct json_writer {
    char *at;
    size_t room;
    size_t used;
};

/** Both end the agent when there is no room: what is written is bounded, and room is made for the worst. */
void json_write_raw(struct json_writer *writer, const char *json);
void json_write_string(struct json_writer *writer, const char *text, size_t bytes);

#endif
