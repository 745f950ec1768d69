/**
 * The agent's readers of hostile bytes, without the agent: cases come over stdin, what was read goes to stdout.
 *
 * Built with the sanitizers, so that a read or write beyond what a buffer holds ends it. A case is a letter, a count of
 * pieces, and each piece with its length, all u32 little endian; a line comes back for each.
 */
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"
#include "failure.h"
#include "frame.h"
#include "http-request.h"
#include "json.h"
#include "limits.h"
#include "server.h"

enum { MAX_FRAME_BYTES = 600, MAX_BODY_BYTES = 4096, BUFFER_BYTES = 128 * 1024 };

static void print_hex(const void *bytes, size_t count) {
    const uint8_t *from = bytes;
    printf(" =");
    for (size_t i = 0; i < count; i++) printf("%02x", from[i]);
}

static uint32_t read_word(void) {
    uint32_t word;
    if (fread(&word, sizeof word, 1, stdin) != 1) _exit(0);
    return word;
}

/** What is not held may not be touched, however large the buffer is. */
static void feed(struct buffer *buffer) {
    uint32_t bytes = read_word();
    ASAN_UNPOISON_MEMORY_REGION(buffer->base, buffer->limit);
    uint8_t *space = buffer_space(buffer, bytes);
    if (space == NULL || fread(space, 1, bytes, stdin) != bytes) abort();
    buffer_grow(buffer, bytes);
    ASAN_POISON_MEMORY_REGION(buffer->base + buffer->end, buffer->limit - buffer->end);
}

static bool read_frames(struct buffer *buffer) {
    for (;;) {
        struct frame frame;
        size_t size;
        const char *why = "";
        enum frame_found found = frame_look(buffer, MAX_FRAME_BYTES, &frame, &size, &why);
        if (found == FRAME_NOT_YET) return true;
        if (found == FRAME_BROKEN) {
            printf(" broken");
            return false;
        }
        printf(" %u %u %u %llu", frame.type, frame.flags, frame.instance, (unsigned long long)frame.nonce);
        print_hex(&frame.a, sizeof frame.a);
        print_hex(&frame.b, sizeof frame.b);
        print_hex(&frame.c, sizeof frame.c);
        print_hex(frame.meta, frame.meta_bytes);
        print_hex(frame.payload, frame.payload_bytes);
        buffer_consume(buffer, size);
    }
}

static struct http_request request;
static bool in_body;

/** As the agent's connections go: head, body, and on to the next. */
static bool read_requests(struct buffer *buffer) {
    static const char *const methods[] = {"GET", "POST", "OTHER"};
    for (;;) {
        if (!in_body) {
            // A copy of its very size: the head is read from nothing more.
            size_t held = buffer_held(buffer);
            uint8_t *copy = malloc(held + 1);
            memcpy(copy, buffer_bytes(buffer), held);
            uint8_t *exact = realloc(copy, held > 0 ? held : 1);
            enum http_progress progress = http_read_head(exact, held, &request);
            free(exact);
            if (progress == HTTP_NOT_YET) return true;
            if (progress != HTTP_COMPLETE) {
                printf(" bad");
                return false;
            }
            in_body = true;
        }
        enum http_progress progress = http_read_body(buffer, &request, MAX_BODY_BYTES);
        if (progress == HTTP_NOT_YET) return true;
        if (progress != HTTP_COMPLETE) {
            printf(progress == HTTP_BODY_TOO_LARGE ? " large" : " bad");
            return false;
        }
        const uint8_t *bytes = buffer_bytes(buffer);
        printf(" %s", methods[request.method]);
        print_hex(bytes + request.path.at, request.path.bytes);
        print_hex(bytes + request.error_type.at, request.error_type.bytes);
        print_hex(bytes + request.head_bytes, request.body_bytes);
        in_body = false;
        buffer_consume(buffer, request.head_bytes + request.body_bytes);
    }
}

static bool read_error(struct buffer *buffer) {
    static struct error_texts error;
    error.type.bytes = error.message.bytes = error.stack.bytes = 0;
    bool is_error = json_read_error(buffer_bytes(buffer), buffer_held(buffer), &error);
    printf(" %d", is_error);
    print_hex(error.type.characters, error.type.bytes);
    print_hex(error.message.characters, error.message.bytes);
    print_hex(error.stack.characters, error.stack.bytes);
    return true;
}

/** The place of the agent's connection: what the server would be told. */
void server_send(const struct frame *frame) {
    print_hex(frame->meta, frame->meta_bytes);
}

static bool write_failure(struct buffer *buffer) {
    static struct error_texts error;
    struct failure failure = {.code = "function_error"};
    error.type.bytes = 0;
    failure_posted(&failure, &error, "The handler failed with", buffer_bytes(buffer), buffer_held(buffer));
    failure_send(1, FRAME_OUTCOME, 1, &failure);
    return true;
}

int main(void) {
    static struct buffer buffer;
    buffer_open(&buffer, BUFFER_BYTES);
    for (;;) {
        uint32_t kind = read_word();
        bool (*reader)(struct buffer *) = kind == 'F'   ? read_frames
                                          : kind == 'H' ? read_requests
                                          : kind == 'J' ? read_error
                                                        : write_failure;
        bool whole = kind == 'J' || kind == 'T';
        bool going = true;
        ASAN_UNPOISON_MEMORY_REGION(buffer.base, buffer.limit);
        buffer_clear(&buffer);
        in_body = false;
        printf("%c", (char)kind);
        for (uint32_t pieces = read_word(); pieces > 0; pieces--) {
            feed(&buffer);
            if (going && !whole) going = reader(&buffer);
            else if (!whole) buffer_clear(&buffer);
        }
        if (whole) (void)reader(&buffer);
        printf("\n");
        fflush(stdout);
    }
}
