/**
 * Pieces of HTTP's text, as both readers of requests take it apart.
 */
#ifndef HTTP_TEXT_H
#define HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEXADECIMAL = 16, DECIMAL = 10 };

struct span {
    const char *start;
    size_t bytes;
};

/** Whether it is this word, in upper or lower case. */
bool span_is(struct span span, const char *text);
/** Without the spaces and tabs around it. */
struct span trimmed(struct span span);
/** Digits and nothing else, no more than `most`. */
bool read_digits(struct span span, unsigned base, size_t most, uint64_t *value);
/** The value of a hexadecimal digit; −1 when it is none. */
int hexadecimal_digit(int character);

#endif
