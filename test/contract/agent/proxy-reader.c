/**
 * The proxy's reader of requests on its own, for hostile bytes: built with the sanitizers, it reads what it is given in
 * pieces of every size and says what went on.
 *
 * Standard input: u32 bytes that follow, u8 size of the pieces behind the head, the bytes; again and again. For each, one
 * line: `bad`, `more`, `large`, or the target and the bytes that go on as hexadecimal digits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy-request.h"

static void print_hex(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) printf("%02x", bytes[i]);
}

static void read_one(const uint8_t *bytes, size_t count, size_t piece) {
    static char head[PROXY_HEAD_BYTES];
    struct proxy_request request;
    enum http_progress progress = proxy_read_head(bytes, count, &request);
    if (progress != HTTP_COMPLETE) {
        puts(progress == HTTP_NOT_YET ? "more" : progress == HTTP_HEAD_TOO_LARGE ? "large" : "bad");
        return;
    }
    printf("%s ", request.tunnel ? "tunnel" : "request");
    print_hex((const uint8_t *)request.target, strlen(request.target));
    printf(" ");
    if (!request.tunnel) print_hex((const uint8_t *)head, proxy_write_head(bytes, &request, head));
    size_t at = request.head_bytes;
    while (at < count) {
        size_t taken, more = count - at < piece ? count - at : piece;
        // A copy of its own, so that the sanitizer sees each byte too many.
        uint8_t *copy = malloc(more);
        memcpy(copy, bytes + at, more);
        bool sound = extent_take(&request.extent, copy, more, &taken);
        print_hex(copy, taken);
        free(copy);
        at += taken;
        if (!sound || taken < more) break;
    }
    puts("");
}

int main(void) {
    uint8_t prefix[5];
    while (fread(prefix, 1, sizeof prefix, stdin) == sizeof prefix) {
        uint32_t count;
        memcpy(&count, prefix, sizeof count);
        uint8_t *bytes = malloc(count + 1);
        if (fread(bytes, 1, count, stdin) != count) return 1;
        uint8_t *exact = malloc(count == 0 ? 1 : count);
        memcpy(exact, bytes, count);
        read_one(exact, count, prefix[4] == 0 ? 1 : prefix[4]);
        free(exact);
        free(bytes);
    }
    return 0;
}
