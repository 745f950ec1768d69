/**
 * Reading what a function asks of the proxy.
 *
 * The bytes are a hostile function's. What is ambiguous is refused: two lengths, a length and chunks, folded lines,
 * control characters, other transfer encodings. Never decides where a function may go: the target is text for the
 * server. Invariant: what goes on is one request, to its last byte and no further.
 */
#include "proxy-request.h"

#include <stdio.h>
#include <string.h>

#include "http-text.h"

static const char LINE_END[] = "\r\n";
static const char SCHEME[] = "http://";
enum { LINE_END_BYTES = 2, LENGTH_DIGITS_MAX = 15, CHUNK_SIZE_MAX_BITS = 48, DIGIT_BITS = 4, HTTP_PORT = 80 };

/** The parts of a request line. */
struct request_line {
    struct span method;
    struct span target;
    struct span version;
};

static bool is_token(struct span span) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < span.bytes; i++) {
        char character = span.start[i];
        bool letter = (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
        bool known = letter || (character >= '0' && character <= '9');
        if (!known && (character == '\0' || strchr(others, character) == NULL)) return false;
    }
    return span.bytes > 0;
}

/** Neither control characters but tabs, nor a line's end in a form that only some read as one. */
static bool is_line(struct span span) {
    static const unsigned char first_visible = ' ', removed = 0x7f;
    for (size_t i = 0; i < span.bytes; i++) {
        unsigned char byte = (unsigned char)span.start[i];
        if ((byte < first_visible && byte != '\t') || byte == removed) return false;
    }
    return true;
}

static struct span next_line(const char *at, const char *end) {
    const char *line_end = memmem(at, (size_t)(end - at), LINE_END, LINE_END_BYTES);
    return (struct span){at, (size_t)((line_end == NULL ? end : line_end) - at)};
}

static bool split_request_line(struct span line, struct request_line *parts) {
    const char *end = line.start + line.bytes;
    const char *first = memchr(line.start, ' ', line.bytes);
    if (first == NULL) return false;
    const char *second = memchr(first + 1, ' ', (size_t)(end - first - 1));
    if (second == NULL) return false;
    parts->method = (struct span){line.start, (size_t)(first - line.start)};
    parts->target = (struct span){first + 1, (size_t)(second - first - 1)};
    parts->version = (struct span){second + 1, (size_t)(end - second - 1)};
    return is_token(parts->method) && parts->target.bytes > 0 && memchr(parts->target.start, '\t', parts->target.bytes) == NULL;
}

/** Host and port of a URL, and what of the URL goes on. */
static bool split_url(struct span url, struct span *authority, struct span *rest) {
    size_t scheme_bytes = sizeof SCHEME - 1;
    if (url.bytes <= scheme_bytes || !span_is((struct span){url.start, scheme_bytes}, SCHEME)) return false;
    const char *start = url.start + scheme_bytes;
    const char *end = url.start + url.bytes;
    const char *at = start;
    while (at < end && *at != '/' && *at != '?' && *at != '#') at++;
    *authority = (struct span){start, (size_t)(at - start)};
    *rest = (struct span){at, (size_t)(end - at)};
    // Credentials before the host, and what some take for the end of it.
    return authority->bytes > 0 && memchr(start, '@', authority->bytes) == NULL &&
           memchr(start, '\\', authority->bytes) == NULL;
}

static bool has_port(struct span authority) {
    const char *end = authority.start + authority.bytes;
    const char *bracket = memrchr(authority.start, ']', authority.bytes);
    const char *from = bracket == NULL ? authority.start : bracket;
    return memchr(from, ':', (size_t)(end - from)) != NULL;
}

static bool read_target(const struct request_line *line, struct proxy_request *request) {
    struct span authority = line->target;
    struct span rest;
    request->tunnel = line->method.bytes == strlen("CONNECT") && memcmp(line->method.start, "CONNECT", 7) == 0;
    if (!request->tunnel && !split_url(line->target, &authority, &rest)) return false;
    bool plain = request->tunnel || has_port(authority);
    int length = snprintf(request->target, sizeof request->target, plain ? "%.*s" : "%.*s:%d", (int)authority.bytes,
                          authority.start, HTTP_PORT);
    return length > 0 && (size_t)length < sizeof request->target;
}

struct body_headers {
    bool has_length;
    uint64_t length;
    bool chunked;
};

static bool split_header(struct span line, struct span *name, struct span *value) {
    const char *colon = memchr(line.start, ':', line.bytes);
    if (colon == NULL) return false;
    *name = (struct span){line.start, (size_t)(colon - line.start)};
    *value = trimmed((struct span){colon + 1, line.bytes - name->bytes - 1});
    return is_token(*name);
}

static bool read_header(struct span line, struct body_headers *body) {
    struct span name, value;
    if (!split_header(line, &name, &value)) return false;
    if (span_is(name, "content-length")) {
        if (body->has_length || !read_digits(value, DECIMAL, LENGTH_DIGITS_MAX, &body->length)) return false;
        body->has_length = true;
    } else if (span_is(name, "transfer-encoding")) {
        if (body->chunked || !span_is(value, "chunked")) return false;
        body->chunked = true;
    }
    return true;
}

enum http_progress proxy_read_head(const uint8_t *bytes, size_t count, struct proxy_request *request) {
    const char *start = (const char *)bytes;
    size_t looked_at = count < HTTP_HEAD_BYTES ? count : HTTP_HEAD_BYTES;
    const char *end = memmem(start, looked_at, "\r\n\r\n", 2 * LINE_END_BYTES);
    if (end == NULL) return looked_at < HTTP_HEAD_BYTES ? HTTP_NOT_YET : HTTP_HEAD_TOO_LARGE;
    *request = (struct proxy_request){.head_bytes = (size_t)(end - start) + 2 * LINE_END_BYTES};
    struct request_line parts;
    struct body_headers body = {0};
    struct span line = next_line(start, end);
    if (!is_line(line) || !split_request_line(line, &parts) || !read_target(&parts, request)) return HTTP_BAD;
    bool old = span_is(parts.version, "HTTP/1.0");
    if (!old && !span_is(parts.version, "HTTP/1.1")) return HTTP_BAD;
    while (line.start + line.bytes < end) {
        line = next_line(line.start + line.bytes + LINE_END_BYTES, end);
        if (!is_line(line) || !read_header(line, &body)) return HTTP_BAD;
    }
    if (body.chunked && (body.has_length || old)) return HTTP_BAD;
    if (request->tunnel) request->extent.state = EXTENT_ALL;
    else if (body.chunked) request->extent.state = EXTENT_SIZE_FIRST;
    else request->extent = (struct extent){.state = body.length > 0 ? EXTENT_LENGTH : EXTENT_DONE, .left = body.length};
    return HTTP_COMPLETE;
}

/** Headers that are about the connection to the proxy; those about the body's form stay. */
static bool stays_here(struct span name) {
    static const char *const names[] = {"host", "connection", "proxy-connection", "proxy-authorization", "keep-alive", "te", "upgrade"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (span_is(name, names[i])) return true;
    }
    return false;
}

size_t proxy_write_head(const uint8_t *bytes, const struct proxy_request *request, char to[PROXY_HEAD_BYTES]) {
    const char *start = (const char *)bytes;
    const char *end = start + request->head_bytes - 2 * LINE_END_BYTES;
    struct span line = next_line(start, end);
    struct request_line parts;
    struct span authority, rest;
    if (!split_request_line(line, &parts) || !split_url(parts.target, &authority, &rest)) return 0;
    const char *fragment = memchr(rest.start, '#', rest.bytes);
    if (fragment != NULL) rest.bytes = (size_t)(fragment - rest.start);
    size_t written = (size_t)snprintf(to, PROXY_HEAD_BYTES, "%.*s %s%.*s %.*s\r\nHost: %.*s\r\nConnection: close\r\n",
                                      (int)parts.method.bytes, parts.method.start,
                                      rest.bytes > 0 && *rest.start == '/' ? "" : "/", (int)rest.bytes, rest.start,
                                      (int)parts.version.bytes, parts.version.start, (int)authority.bytes,
                                      authority.start);
    while (line.start + line.bytes < end) {
        line = next_line(line.start + line.bytes + LINE_END_BYTES, end);
        struct span name, value;
        if (!split_header(line, &name, &value) || stays_here(name)) continue;
        memcpy(to + written, line.start, line.bytes);
        memcpy(to + written + line.bytes, LINE_END, LINE_END_BYTES);
        written += line.bytes + LINE_END_BYTES;
    }
    memcpy(to + written, LINE_END, LINE_END_BYTES);
    return written + LINE_END_BYTES;
}

static void next_chunk_line(struct extent *extent, int state) {
    extent->state = state;
    extent->line_bytes = 0;
}

/** One byte of what frames a chunked body. */
static bool step(struct extent *extent, uint8_t byte) {
    if (++extent->line_bytes > HTTP_CHUNK_LINE_BYTES) return false;
    int digit = hexadecimal_digit(byte);
    switch (extent->state) {
    case EXTENT_SIZE_FIRST:
        if (digit < 0) return false;
        extent->left = (uint64_t)digit;
        extent->state = EXTENT_SIZE;
        return true;
    case EXTENT_SIZE:
        if (digit >= 0) {
            extent->left = extent->left << DIGIT_BITS | (uint64_t)digit;
            return extent->left >> CHUNK_SIZE_MAX_BITS == 0;
        }
        if (byte == ';' || byte == ' ' || byte == '\t') extent->state = EXTENT_EXTENSION;
        else extent->state = EXTENT_SIZE_END;
        return extent->state == EXTENT_EXTENSION || byte == '\r';
    case EXTENT_EXTENSION:
        if (byte == '\r') extent->state = EXTENT_SIZE_END;
        return byte != '\n' && byte != '\0';
    case EXTENT_SIZE_END:
        next_chunk_line(extent, extent->left == 0 ? EXTENT_TRAILER_FIRST : EXTENT_DATA);
        return byte == '\n';
    case EXTENT_DATA_RETURN:
        extent->state = EXTENT_DATA_END;
        return byte == '\r';
    case EXTENT_DATA_END:
        next_chunk_line(extent, EXTENT_SIZE_FIRST);
        return byte == '\n';
    case EXTENT_TRAILER_FIRST:
        extent->state = byte == '\r' ? EXTENT_LAST : EXTENT_TRAILER;
        return byte != '\n' && byte != '\0';
    case EXTENT_TRAILER:
        if (byte == '\r') extent->state = EXTENT_TRAILER_END;
        return byte != '\n' && byte != '\0';
    case EXTENT_TRAILER_END:
        next_chunk_line(extent, EXTENT_TRAILER_FIRST);
        return byte == '\n';
    case EXTENT_LAST:
        extent->state = EXTENT_DONE;
        return byte == '\n';
    default:
        return false;
    }
}

bool extent_take(struct extent *extent, const uint8_t *bytes, size_t count, size_t *taken) {
    *taken = 0;
    while (*taken < count && extent->state != EXTENT_DONE) {
        size_t more = count - *taken;
        if (extent->state == EXTENT_ALL) {
            *taken = count;
        } else if (extent->state == EXTENT_LENGTH || extent->state == EXTENT_DATA) {
            if (more > extent->left) more = (size_t)extent->left;
            *taken += more;
            extent->left -= more;
            if (extent->left == 0) extent->state = extent->state == EXTENT_LENGTH ? EXTENT_DONE : EXTENT_DATA_RETURN;
        } else if (step(extent, bytes[*taken])) {
            ++*taken;
        } else {
            return false;
        }
    }
    return true;
}
