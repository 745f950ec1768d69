/**
 * Every number that bounds the agent, in one place, with what happens at it.
 */
#ifndef LIMITS_H
#define LIMITS_H

enum {
    /** The largest --max-frame that is taken: buffers are reserved from it as address space. */
    FRAME_LIMIT_MAX = 512 * 1024 * 1024,
    FRAME_LIMIT_MIN = 64 * 1024,
    /** One read from any descriptor asks for no more than this. */
    READ_BYTES = 64 * 1024,
    /** Above so much unsent to the server nothing of the function's is read: the function waits. */
    SERVER_QUEUE_MARK_BYTES = 256 * 1024,
    /** So many largest frames may wait for a code process that does not read; at the next one it is killed. */
    CODE_QUEUE_FRAMES = 8,
    /** Calls open at once; the server's own limits are below it, so that more is a malformed conversation. */
    OPEN_CALLS_MAX = 1024,

    /** A longer line is cut into several. */
    LOG_LINE_BYTES = 8192,

    /** A part of a path, and a path, below /code. */
    PATH_PART_BYTES = 255,
    PATH_BYTES = 1024,
    /** Digests whose files could not be written are remembered up to this count; the oldest is forgotten first. */
    FAILED_DIGESTS = 32,
    /** System calls that emptying a folder may take; more than this cannot be files of a sized tmpfs. */
    SWEEP_STEPS_MAX = 8 * 1000 * 1000,

    /** Environment entries of a function, the base environment included. */
    ENVIRONMENT_ENTRIES = 4096,

    /** HTTP connections at once; further ones wait in the kernel's backlog. */
    HTTP_CONNECTIONS = 8,
    HTTP_BACKLOG = 16,
    /** Request line and headers together; more is answered 431. */
    HTTP_HEAD_BYTES = 16 * 1024,
    /** A line with a chunk's size, or a trailer, in a chunked body. */
    HTTP_CHUNK_LINE_BYTES = 256,
    /** An error body may have this size even where results must be smaller. */
    HTTP_ERROR_BODY_BYTES = 64 * 1024,
    RUNTIME_API_PORT = 9001,

    /** Connections to the proxy at once; further ones wait in the kernel's backlog. */
    PROXY_PORT = 9002,
    PROXY_CONNECTIONS = 64,
    PROXY_BACKLOG = 256,
    /** Host and port. */
    PROXY_TARGET_BYTES = 300,
    /** What may be under way in one direction of a connection, as the server counts it, and when credit is given. */
    PROXY_WINDOW_BYTES = 128 * 1024,
    PROXY_CREDIT_BYTES = 32 * 1024,
    /** What one frame to the server takes of a connection. */
    PROXY_CHUNK_BYTES = 32 * 1024,
    /** Frames to the server, of whatever size: at 32 KB each, 128 MB a second. It takes five times as many for an attack. */
    PROXY_FRAMES_PER_SECOND = 4000,
    /** Of those, frames with fewer bytes than this: so many a second, and so many at once. */
    PROXY_SMALL_FRAME_BYTES = 4096,
    PROXY_SMALL_FRAMES_PER_SECOND = 1000,
    PROXY_SMALL_FRAMES_AT_ONCE = 100,

    /** Characters of an error's type, message and stack, and of a failure's detail. */
    ERROR_TEXT_BYTES = 8192,
    DETAIL_BYTES = 1000,
    INVOCATION_ID_BYTES = 128,
    /** Of the ARN that a function was called by, and of what a client says of itself. */
    CALLER_ARN_BYTES = 512,
    CALLER_CONTEXT_BYTES = 16 * 1024,
    FUNCTION_NAME_BYTES = 256,

    /** While something of the function's lives that should be dead, it is killed again so often. */
    KILL_AGAIN_MS = 10,
    /** A process that closed its channel has so long to end by itself before it is killed. */
    CHANNEL_GRACE_MS = 250,
    /** What a function may raise of its processes' standing with the OOM killer: it goes before agent and zygote. */
    FUNCTION_OOM_SCORE_ADJ = 500,

    /** The part of a function's memory that V8's old space may take; the rest is for everything else in the process. */
    HEAP_PERCENT = 70,
    MEMORY_MB_MIN = 16,
    MEMORY_MB_MAX = 1024 * 1024,

    /** The range of ids that functions get. */
    UID_MIN = 20000,
    UID_MAX = 20999,
};

#endif
