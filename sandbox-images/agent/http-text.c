/**
 * Pieces of HTTP's text. Never reads past a span.
 */
#include "http-text.h"

#include <string.h>
#include <strings.h>

bool span_is(struct span span, const char *text) {
    return span.bytes == strlen(text) && strncasecmp(span.start, text, span.bytes) == 0;
}

struct span trimmed(struct span span) {
    while (span.bytes > 0 && (*span.start == ' ' || *span.start == '\t')) {
        span.start++;
        span.bytes--;
    }
    while (span.bytes > 0 && (span.start[span.bytes - 1] == ' ' || span.start[span.bytes - 1] == '\t')) span.bytes--;
    return span;
}

int hexadecimal_digit(int character) {
    if (character >= '0' && character <= '9') return character - '0';
    int lower = character | ('a' ^ 'A');
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + DECIMAL : -1;
}

bool read_digits(struct span span, unsigned base, size_t most, uint64_t *value) {
    if (span.bytes == 0 || span.bytes > most) return false;
    *value = 0;
    for (size_t i = 0; i < span.bytes; i++) {
        int digit = hexadecimal_digit((unsigned char)span.start[i]);
        if (digit < 0 || (unsigned)digit >= base) return false;
        *value = *value * base + (uint64_t)digit;
    }
    return true;
}
