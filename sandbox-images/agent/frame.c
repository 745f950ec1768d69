/**
 * Frames: their layout.
 *
 * Never interprets a frame beyond its layout: which types may come from whom is the business of the two ends. The
 * bytes may come from a hostile function: each length is checked before it is used.
 */
#include "frame.h"

#include <endian.h>
#include <string.h>

static const uint8_t VERSION = 1;

/** Where the fields lie, from the first byte behind the length. */
enum {
    AT_VERSION = 0,
    AT_TYPE = 1,
    AT_FLAGS = 2,
    AT_INSTANCE = 4,
    AT_NONCE = 8,
    AT_A = 14,
    AT_B = 22,
    AT_C = 30,
    AT_META_BYTES = 38,
    NONCE_BYTES = 6,
};

static uint32_t read_u32(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return le32toh(value);
}

static void write_u32(uint8_t *bytes, uint32_t value) {
    value = htole32(value);
    memcpy(bytes, &value, sizeof value);
}

static double read_f64(const uint8_t *bytes) {
    uint64_t bits;
    double value;
    memcpy(&bits, bytes, sizeof bits);
    bits = le64toh(bits);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void write_f64(uint8_t *bytes, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = htole64(bits);
    memcpy(bytes, &bits, sizeof bits);
}

static void decode(const uint8_t *head, struct frame *frame) {
    uint16_t flags;
    uint64_t nonce = 0;
    memcpy(&flags, head + AT_FLAGS, sizeof flags);
    memcpy(&nonce, head + AT_NONCE, NONCE_BYTES);
    *frame = (struct frame){
        .type = head[AT_TYPE],
        .flags = le16toh(flags),
        .instance = read_u32(head + AT_INSTANCE),
        .nonce = le64toh(nonce),
        .a = read_f64(head + AT_A),
        .b = read_f64(head + AT_B),
        .c = read_f64(head + AT_C),
    };
}

enum frame_found frame_look(const struct buffer *buffer, size_t max_bytes, struct frame *frame, size_t *size,
                            const char **why) {
    size_t held = buffer_held(buffer);
    const uint8_t *bytes = buffer_bytes(buffer);
    if (held < FRAME_LENGTH_BYTES) return FRAME_NOT_YET;
    size_t length = read_u32(bytes);
    if (length < FRAME_HEAD_BYTES) {
        *why = "a frame shorter than its own head";
        return FRAME_BROKEN;
    }
    if (length > max_bytes) {
        *why = "a frame larger than is allowed";
        return FRAME_BROKEN;
    }
    const uint8_t *head = bytes + FRAME_LENGTH_BYTES;
    if (held > FRAME_LENGTH_BYTES && head[AT_VERSION] != VERSION) {
        *why = "a frame of another protocol version";
        return FRAME_BROKEN;
    }
    if (held < FRAME_LENGTH_BYTES + length) return FRAME_NOT_YET;
    size_t meta_bytes = read_u32(head + AT_META_BYTES);
    if (meta_bytes > length - FRAME_HEAD_BYTES) {
        *why = "a frame whose meta runs past its end";
        return FRAME_BROKEN;
    }
    decode(head, frame);
    frame->meta = (const char *)head + FRAME_HEAD_BYTES;
    frame->meta_bytes = meta_bytes;
    frame->payload = head + FRAME_HEAD_BYTES + meta_bytes;
    frame->payload_bytes = length - FRAME_HEAD_BYTES - meta_bytes;
    *size = FRAME_LENGTH_BYTES + length;
    return FRAME_FOUND;
}

bool frame_put(struct buffer *buffer, const struct frame *frame) {
    size_t length = FRAME_HEAD_BYTES + frame->meta_bytes + frame->payload_bytes;
    uint8_t *space = buffer_space(buffer, FRAME_LENGTH_BYTES + length);
    if (space == NULL) return false;
    uint8_t *head = space + FRAME_LENGTH_BYTES;
    uint16_t flags = htole16(frame->flags);
    uint64_t nonce = htole64(frame->nonce);
    write_u32(space, (uint32_t)length);
    head[AT_VERSION] = VERSION;
    head[AT_TYPE] = frame->type;
    memcpy(head + AT_FLAGS, &flags, sizeof flags);
    write_u32(head + AT_INSTANCE, frame->instance);
    memcpy(head + AT_NONCE, &nonce, NONCE_BYTES);
    write_f64(head + AT_A, frame->a);
    write_f64(head + AT_B, frame->b);
    write_f64(head + AT_C, frame->c);
    write_u32(head + AT_META_BYTES, (uint32_t)frame->meta_bytes);
    uint8_t *meta = head + FRAME_HEAD_BYTES;
    if (frame->meta_bytes > 0) memcpy(meta, frame->meta, frame->meta_bytes);
    if (frame->payload_bytes > 0) memcpy(meta + frame->meta_bytes, frame->payload, frame->payload_bytes);
    buffer_grow(buffer, FRAME_LENGTH_BYTES + length);
    return true;
}
