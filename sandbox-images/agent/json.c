/**
 * The little JSON that the agent reads and writes.
 *
 * What is read is a hostile function's: the reader never leaves its input, never recurses, and keeps no more than the
 * bounded texts it was asked for.
 */
#include "json.h"

#include <stdio.h>
#include <string.h>

#include "basics.h"

struct reader {
    const uint8_t *at;
    const uint8_t *end;
};

/** The length of the UTF-8 sequence that begins here; 0 when it is none. */
static size_t sequence_length(const uint8_t *bytes, size_t count) {
    uint8_t lead = bytes[0];
    if (lead < 0x80) return 1;
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || length > count) return 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) return 0;
    }
    // Overlong forms, surrogates, and what lies beyond the last character.
    if ((lead == 0xe0 && bytes[1] < 0xa0) || (lead == 0xed && bytes[1] > 0x9f)) return 0;
    if ((lead == 0xf0 && bytes[1] < 0x90) || (lead == 0xf4 && bytes[1] > 0x8f)) return 0;
    return length;
}

void text_append(struct text *text, const void *bytes, size_t count) {
    const uint8_t *from = bytes;
    const uint8_t *end = from + count;
    while (from < end) {
        size_t length = sequence_length(from, (size_t)(end - from));
        size_t written = length == 0 ? 1 : length;
        if (written > sizeof text->characters - text->bytes) return;
        if (length == 0) text->characters[text->bytes] = '?';
        else memcpy(text->characters + text->bytes, from, length);
        text->bytes += written;
        from += written;
    }
}

static void append_code_point(struct text *text, uint32_t point) {
    uint8_t bytes[4];
    size_t count = 1;
    if (point < 0x80) {
        bytes[0] = (uint8_t)point;
    } else if (point < 0x800) {
        bytes[0] = (uint8_t)(0xc0 | point >> 6);
        count = 2;
    } else if (point < 0x10000) {
        bytes[0] = (uint8_t)(0xe0 | point >> 12);
        count = 3;
    } else {
        bytes[0] = (uint8_t)(0xf0 | point >> 18);
        count = 4;
    }
    for (size_t i = 1; i < count; i++) bytes[i] = (uint8_t)(0x80 | ((point >> 6 * (count - 1 - i)) & 0x3f));
    text_append(text, bytes, count);
}

static void skip_space(struct reader *reader) {
    while (reader->at < reader->end && memchr(" \t\r\n", *reader->at, 4) != NULL) reader->at++;
}

static bool take(struct reader *reader, char character) {
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != (uint8_t)character) return false;
    reader->at++;
    return true;
}

static bool read_unit(struct reader *reader, uint32_t *unit) {
    enum { DIGITS = 4 };
    if (reader->end - reader->at < DIGITS) return false;
    *unit = 0;
    for (int i = 0; i < DIGITS; i++) {
        static const char digits[] = "0123456789abcdef";
        char digit = (char)(*reader->at++);
        const char *found = memchr(digits, digit >= 'A' && digit <= 'F' ? digit + ('a' - 'A') : digit, 16);
        if (found == NULL) return false;
        *unit = *unit << 4 | (uint32_t)(found - digits);
    }
    return true;
}

/** Behind a backslash. */
static bool read_escape(struct reader *reader, struct text *text) {
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    if (reader->at == reader->end) return false;
    char name = (char)(*reader->at++);
    if (name != 'u') {
        const char *found = memchr(names, name, sizeof names - 1);
        if (found != NULL && text != NULL) text_append(text, &meanings[found - names], 1);
        return found != NULL;
    }
    uint32_t point;
    if (!read_unit(reader, &point)) return false;
    bool pair = point >= 0xd800 && point < 0xdc00 && reader->end - reader->at >= 2 && memcmp(reader->at, "\\u", 2) == 0;
    if (pair) {
        struct reader ahead = {.at = reader->at + 2, .end = reader->end};
        uint32_t low;
        if (!read_unit(&ahead, &low)) return false;
        if (low >= 0xdc00 && low < 0xe000) {
            point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            *reader = ahead;
        }
    }
    if (text != NULL) append_code_point(text, point >= 0xd800 && point < 0xe000 ? 0xfffd : point);
    return true;
}

/** Reads a string, into a text unless it is null. */
static bool read_string(struct reader *reader, struct text *text) {
    if (!take(reader, '"')) return false;
    for (;;) {
        const uint8_t *plain = reader->at;
        while (reader->at < reader->end && *reader->at != '"' && *reader->at != '\\') reader->at++;
        if (text != NULL) text_append(text, plain, (size_t)(reader->at - plain));
        if (reader->at == reader->end) return false;
        if (*reader->at++ == '"') return true;
        if (!read_escape(reader, text)) return false;
    }
}

/** Skips a value of any kind and depth, up to the comma or bracket behind it. Brackets are counted, not matched. */
static bool skip_value(struct reader *reader) {
    size_t depth = 0;
    for (;;) {
        skip_space(reader);
        if (reader->at == reader->end) return false;
        char character = (char)*reader->at;
        if (character == '"') {
            if (!read_string(reader, NULL)) return false;
            continue;
        }
        bool closes = character == '}' || character == ']';
        if (depth == 0 && (closes || character == ',')) return true;
        if (character == '{' || character == '[') depth++;
        else if (closes) depth--;
        reader->at++;
    }
}

/** Reads a string, or skips what is none. */
static bool read_text(struct reader *reader, struct text *text) {
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != '"') return skip_value(reader);
    return read_string(reader, text);
}

/** Reads an array of strings as lines. */
static bool read_lines(struct reader *reader, struct text *text) {
    if (!take(reader, '[')) return read_text(reader, text);
    if (take(reader, ']')) return true;
    do {
        if (text->bytes > 0) text_append(text, "\n", 1);
        if (!read_text(reader, text)) return false;
    } while (take(reader, ','));
    return take(reader, ']');
}

static bool key_is(const struct text *key, const char *name) {
    return key->bytes == strlen(name) && memcmp(key->characters, name, key->bytes) == 0;
}

bool json_read_error(const uint8_t *json, size_t bytes, struct error_texts *error) {
    struct reader reader = {.at = json, .end = json + bytes};
    if (!take(&reader, '{')) return false;
    if (take(&reader, '}')) return true;
    do {
        static struct text key;
        key.bytes = 0;
        bool read = read_string(&reader, &key) && take(&reader, ':');
        if (!read) return false;
        if (key_is(&key, "errorMessage")) read = read_text(&reader, &error->message);
        else if (key_is(&key, "errorType")) read = read_text(&reader, &error->type);
        else if (key_is(&key, "stackTrace")) read = read_lines(&reader, &error->stack);
        else read = skip_value(&reader);
        if (!read) return false;
    } while (take(&reader, ','));
    return take(&reader, '}');
}

static void write_bytes(struct json_writer *writer, const char *bytes, size_t count) {
    if (count > writer->room - writer->used) die(EXIT_UNCLEAN, "a failure is larger than its bounds allow");
    memcpy(writer->at + writer->used, bytes, count);
    writer->used += count;
}

void json_write_raw(struct json_writer *writer, const char *json) {
    write_bytes(writer, json, strlen(json));
}

void json_write_string(struct json_writer *writer, const char *text, size_t bytes) {
    write_bytes(writer, "\"", 1);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char character = (unsigned char)text[i];
        char escaped[8];
        int length = 0;
        if (character == '"' || character == '\\') length = snprintf(escaped, sizeof escaped, "\\%c", character);
        else if (character < ' ') length = snprintf(escaped, sizeof escaped, "\\u%04x", character);
        if (length > 0) write_bytes(writer, escaped, (size_t)length);
        else write_bytes(writer, text + i, 1);
    }
    write_bytes(writer, "\"", 1);
}
