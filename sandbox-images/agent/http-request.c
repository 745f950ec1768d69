/**
 * Reading HTTP/1.1 requests from bytes.
 *
 * The bytes are a hostile function's. What is ambiguous is refused: two lengths, a length and chunks, folded lines,
 * other transfer encodings. Never reads past what it is given, never keeps anything.
 */
#include "http-request.h"

#include <ctype.h>
#include <string.h>

#include "http-text.h"
#include "limits.h"

static const char LINE_END[] = "\r\n";
enum { LINE_END_BYTES = 2, LENGTH_DIGITS_MAX = 15, CHUNK_DIGITS_MAX = 8 };

static bool read_request_line(const char *start, struct span line, struct http_request *request) {
    const char *end = line.start + line.bytes;
    const char *target = memchr(line.start, ' ', line.bytes);
    if (target == NULL || *++target != '/') return false;
    const char *version = memchr(target, ' ', (size_t)(end - target));
    if (version == NULL) return false;
    struct span method = {line.start, (size_t)(target - 1 - line.start)};
    struct span protocol = {version + 1, (size_t)(end - version - 1)};
    if (!span_is(protocol, "HTTP/1.1") && !span_is(protocol, "HTTP/1.0")) return false;
    request->keep_alive = span_is(protocol, "HTTP/1.1");
    request->method = span_is(method, "GET") ? HTTP_GET : span_is(method, "POST") ? HTTP_POST : HTTP_OTHER;
    const char *query = memchr(target, '?', (size_t)(version - target));
    request->path = (struct part){(size_t)(target - start), (size_t)((query == NULL ? version : query) - target)};
    return true;
}

static bool read_header(const char *start, struct span line, struct http_request *request) {
    const char *colon = memchr(line.start, ':', line.bytes);
    if (colon == NULL || colon == line.start || isspace((unsigned char)line.start[0])) return false;
    struct span name = {line.start, (size_t)(colon - line.start)};
    struct span value = trimmed((struct span){colon + 1, line.bytes - name.bytes - 1});
    if (isspace((unsigned char)name.start[name.bytes - 1])) return false;
    if (span_is(name, "content-length")) {
        uint64_t length;
        if (!read_digits(value, DECIMAL, LENGTH_DIGITS_MAX, &length)) return false;
        if (request->has_length && request->length != length) return false;
        request->has_length = true;
        request->length = length;
    } else if (span_is(name, "transfer-encoding")) {
        if (!span_is(value, "chunked") || request->chunked) return false;
        request->chunked = true;
    } else if (span_is(name, "connection")) {
        if (span_is(value, "close")) request->keep_alive = false;
        else if (span_is(value, "keep-alive")) request->keep_alive = true;
    } else if (span_is(name, "expect")) {
        request->expects_continue = span_is(value, "100-continue");
    } else if (span_is(name, "lambda-runtime-function-error-type")) {
        request->error_type = (struct part){(size_t)(value.start - start), value.bytes};
    }
    return true;
}

enum http_progress http_read_head(const uint8_t *bytes, size_t count, struct http_request *request) {
    const char *start = (const char *)bytes;
    size_t looked_at = count < HTTP_HEAD_BYTES ? count : HTTP_HEAD_BYTES;
    const char *end = memmem(start, looked_at, "\r\n\r\n", 2 * LINE_END_BYTES);
    if (end == NULL) return looked_at < HTTP_HEAD_BYTES ? HTTP_NOT_YET : HTTP_HEAD_TOO_LARGE;
    *request = (struct http_request){.head_bytes = (size_t)(end - start) + 2 * LINE_END_BYTES};
    bool first = true;
    for (const char *line = start; line < end + LINE_END_BYTES;) {
        const char *line_end = memmem(line, (size_t)(end + LINE_END_BYTES - line), LINE_END, LINE_END_BYTES);
        if (line_end == NULL) return HTTP_BAD;
        struct span span = {line, (size_t)(line_end - line)};
        if (memchr(line, '\0', span.bytes) != NULL || memchr(line, '\n', span.bytes) != NULL) return HTTP_BAD;
        if (!(first ? read_request_line(start, span, request) : read_header(start, span, request))) return HTTP_BAD;
        first = false;
        line = line_end + LINE_END_BYTES;
    }
    return request->chunked && request->has_length ? HTTP_BAD : HTTP_COMPLETE;
}

/** The line that begins at offset `at`; false when its end has not come. */
static bool next_line(const struct buffer *buffer, size_t at, struct span *line) {
    const char *start = (const char *)buffer_bytes(buffer) + at;
    const char *end = memmem(start, buffer_held(buffer) - at, LINE_END, LINE_END_BYTES);
    if (end == NULL) return false;
    *line = (struct span){start, (size_t)(end - start)};
    return true;
}

/** One step in the decoding of a chunked body. What is decoded stays; what is not data is cut out behind it. */
static enum http_progress step(struct buffer *buffer, struct http_request *request, size_t max_bytes) {
    size_t at = request->head_bytes + request->body_bytes;
    size_t raw = buffer_held(buffer) - at;
    if (request->chunk_state == CHUNK_DATA) {
        size_t taken = raw < request->chunk_left ? raw : (size_t)request->chunk_left;
        request->body_bytes += taken;
        request->chunk_left -= taken;
        if (request->chunk_left > 0) return HTTP_NOT_YET;
        request->chunk_state = CHUNK_DATA_END;
        return HTTP_COMPLETE;
    }
    struct span line;
    if (!next_line(buffer, at, &line)) return raw > HTTP_CHUNK_LINE_BYTES ? HTTP_BAD : HTTP_NOT_YET;
    if (line.bytes > HTTP_CHUNK_LINE_BYTES) return HTTP_BAD;
    if (request->chunk_state == CHUNK_DATA_END) {
        if (line.bytes != 0) return HTTP_BAD;
        request->chunk_state = CHUNK_SIZE;
    } else if (request->chunk_state == CHUNK_SIZE) {
        const char *extension = memchr(line.start, ';', line.bytes);
        struct span size = {line.start, extension == NULL ? line.bytes : (size_t)(extension - line.start)};
        if (!read_digits(trimmed(size), HEXADECIMAL, CHUNK_DIGITS_MAX, &request->chunk_left)) return HTTP_BAD;
        request->length = request->body_bytes + request->chunk_left;
        if (request->length > max_bytes) return HTTP_BODY_TOO_LARGE;
        request->chunk_state = request->chunk_left == 0 ? CHUNK_TRAILER : CHUNK_DATA;
    } else if (line.bytes == 0) {
        // The empty line behind the trailers: the body is complete.
        request->chunked = false;
    }
    buffer_cut(buffer, at, line.bytes + LINE_END_BYTES);
    return HTTP_COMPLETE;
}

enum http_progress http_read_body(struct buffer *buffer, struct http_request *request, size_t max_bytes) {
    while (request->chunked) {
        enum http_progress progress = step(buffer, request, max_bytes);
        if (progress != HTTP_COMPLETE) return progress;
    }
    if (request->chunk_state == CHUNK_TRAILER) return HTTP_COMPLETE;
    if (request->length > max_bytes) return HTTP_BODY_TOO_LARGE;
    if (buffer_held(buffer) - request->head_bytes < request->length) return HTTP_NOT_YET;
    request->body_bytes = (size_t)request->length;
    return HTTP_COMPLETE;
}
