/**
 * Frames of the protocol between server, agent and code process; the same layout as the server's
 * src/sandbox/protocol/frames.ts.
 *
 * Layout, little endian: u32 bytes that follow · u8 version · u8 type · u16 flags · u32 instance · u48 nonce ·
 * f64 a · f64 b · f64 c · u32 bytes of meta · meta (UTF-8) · payload.
 */
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

enum frame_type {
    FRAME_READY = 1,
    FRAME_BOOT = 2,
    FRAME_BOOTED = 3,
    FRAME_BOOT_FAILED = 4,
    FRAME_LOAD = 5,
    FRAME_LOADED = 6,
    FRAME_INVOKE = 7,
    FRAME_OUTCOME = 8,
    FRAME_TERMINATE = 10,
    FRAME_DISPOSE = 11,
    FRAME_DISPOSED = 12,
    FRAME_FILE = 14,
    FRAME_LOG = 15,
    FRAME_VIOLATION = 16,
    FRAME_EXITED = 17,
    FRAME_FORGET = 18,
    FRAME_REST = 19,
    FRAME_NETWORK_FETCH = 20,
    FRAME_NETWORK_HEAD = 21,
    FRAME_NETWORK_DATA = 22,
    FRAME_NETWORK_CREDIT = 23,
    FRAME_NETWORK_END = 24,
};

/** Flags of load: the function has a network. */
enum { LOAD_NETWORK = 1 };
/** Flags of network frames: of fetch, that it is a tunnel and bytes follow; of data, that they end. */
enum { NETWORK_TUNNEL = 3, NETWORK_LAST = 1 };

/** Flags of loaded and outcome. */
enum { OUTCOME_FAILED = 1, OUTCOME_HAS_TAIL = 2 };
/** Flags of file. */
enum { FILE_EXECUTABLE = 1, FILE_CONTINUES = 2 };
/** A line is of one call: the code process sent it with the call's nonce, its level in b. */
enum { LOG_OF_CALL = 8 };
/** Flags of log. */
enum { LOG_STDOUT = 1, LOG_STDERR = 2, LOG_DROPPED = 4 };

enum { FRAME_LENGTH_BYTES = 4, FRAME_HEAD_BYTES = 42 };

/** A frame; meta and payload point into the buffer that it was read from, or to what is to be written. */
struct frame {
    uint8_t type;
    uint16_t flags;
    uint32_t instance;
    uint64_t nonce;
    double a;
    double b;
    double c;
    const char *meta;
    size_t meta_bytes;
    const uint8_t *payload;
    size_t payload_bytes;
};

enum frame_found { FRAME_FOUND, FRAME_NOT_YET, FRAME_BROKEN };

/**
 * Looks at the frame at the front of a buffer. `size` is what it takes up there: the caller consumes it when it has
 * dealt with the frame. On FRAME_BROKEN `why` says what is wrong, and the stream must not be read any further.
 */
enum frame_found frame_look(const struct buffer *buffer, size_t max_bytes, struct frame *frame, size_t *size,
                            const char **why);

/** Appends a frame; false, and nothing done, when there is no room. */
bool frame_put(struct buffer *buffer, const struct frame *frame);

#endif
