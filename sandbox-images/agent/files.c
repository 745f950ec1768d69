/**
 * The folder /code.
 *
 * Owns the files of functions. Invariants: every part of a path is checked before it is used; nothing is ever opened
 * through a symbolic link; files belong to root and a function can read them, never write. A digest of which a write
 * failed is removed as a whole, so that half a function cannot be loaded.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basics.h"
#include "limits.h"
#include "sweep.h"

static const char ROOT[] = "/code";
enum { FOLDER_MODE = 0755, PROGRAM_MODE = 0755, PLAIN_MODE = 0644 };
enum { FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

struct failed {
    char digest[DIGEST_CHARACTERS];
    int error;
};

static struct {
    struct failed failed[FAILED_DIGESTS];
    unsigned next;
    /** The file that was begun last, which the next chunk may continue. */
    char path[DIGEST_CHARACTERS + 1 + PATH_BYTES + 1];
} files;

bool files_is_digest(const char *text, size_t length) {
    if (length != DIGEST_CHARACTERS) return false;
    for (size_t i = 0; i < length; i++) {
        if (memchr("0123456789abcdef", text[i], 16) == NULL) return false;
    }
    return true;
}

static struct failed *find_failed(const char *digest) {
    for (unsigned i = 0; i < FAILED_DIGESTS; i++) {
        struct failed *failed = &files.failed[i];
        if (failed->error != 0 && memcmp(failed->digest, digest, DIGEST_CHARACTERS) == 0) return failed;
    }
    return NULL;
}

int files_error(const char *digest) {
    const struct failed *failed = find_failed(digest);
    return failed == NULL ? 0 : failed->error;
}

static void remove_digest(const char *digest) {
    char path[sizeof ROOT + 1 + DIGEST_CHARACTERS];
    (void)snprintf(path, sizeof path, "%s/%.*s", ROOT, DIGEST_CHARACTERS, digest);
    struct stat status;
    if (lstat(path, &status) != 0 && errno == ENOENT) return;
    if (!sweep_folder(path) || rmdir(path) != 0) die(EXIT_UNCLEAN, "cannot remove %s: %s", path, strerror(errno));
}

static void remember_failure(const char *digest, int error) {
    struct failed *failed = &files.failed[files.next];
    files.next = (files.next + 1) % FAILED_DIGESTS;
    memcpy(failed->digest, digest, DIGEST_CHARACTERS);
    failed->error = error;
    remove_digest(digest);
}

void files_forget(const struct frame *frame) {
    if (!files_is_digest(frame->meta, frame->meta_bytes)) die(EXIT_MALFORMED, "forget: not a digest");
    struct failed *failed = find_failed(frame->meta);
    if (failed != NULL) failed->error = 0;
    remove_digest(frame->meta);
}

/** Whether a path below the digest has only parts that name something below it. */
static bool is_plain_path(const char *path, size_t length) {
    if (length == 0 || length > PATH_BYTES || memchr(path, '\0', length) != NULL) return false;
    const char *end = path + length;
    for (const char *part = path; part <= end;) {
        const char *slash = memchr(part, '/', (size_t)(end - part));
        size_t size = (size_t)((slash == NULL ? end : slash) - part);
        if (size == 0 || size > PATH_PART_BYTES) return false;
        if (part[0] == '.' && (size == 1 || (size == 2 && part[1] == '.'))) return false;
        part += size + 1;
    }
    return true;
}

/** Opens the folder that a file lies in, making what is missing. `name` is then the file's own name. */
static int open_parent(char *path, const char **name) {
    int folder = open(ROOT, FOLDER_FLAGS);
    char *part = path;
    for (char *slash; folder >= 0 && (slash = strchr(part, '/')) != NULL; part = slash + 1) {
        *slash = '\0';
        int next = -1;
        if (mkdirat(folder, part, FOLDER_MODE) == 0 || errno == EEXIST) next = openat(folder, part, FOLDER_FLAGS);
        int error = errno;
        close(folder);
        errno = error;
        folder = next;
    }
    *name = part;
    return folder;
}

static bool write_whole(int file, const uint8_t *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(file, bytes, count);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes += written;
        count -= (size_t)written;
    }
    return true;
}

/** Returns 0 or the errno. */
static int write_chunk(const struct frame *frame) {
    char path[sizeof files.path];
    memcpy(path, files.path, sizeof path);
    const char *name;
    int folder = open_parent(path, &name);
    if (folder < 0) return errno;
    bool continues = (frame->flags & FILE_CONTINUES) != 0;
    mode_t mode = (frame->flags & FILE_EXECUTABLE) != 0 ? PROGRAM_MODE : PLAIN_MODE;
    // Opened anew for each chunk: a descriptor kept open for writing would make a program not executable.
    int flags = O_WRONLY | O_NOFOLLOW | O_CLOEXEC | (continues ? O_APPEND : O_CREAT | O_EXCL);
    int file = openat(folder, name, flags, mode);
    int error = file < 0 || !write_whole(file, frame->payload, frame->payload_bytes) ? errno : 0;
    if (file >= 0) close(file);
    close(folder);
    return error;
}

void files_write(const struct frame *frame) {
    const char *digest = frame->meta;
    bool valid = frame->meta_bytes > DIGEST_CHARACTERS + 1 && files_is_digest(digest, DIGEST_CHARACTERS) &&
                 digest[DIGEST_CHARACTERS] == '/' &&
                 is_plain_path(digest + DIGEST_CHARACTERS + 1, frame->meta_bytes - DIGEST_CHARACTERS - 1);
    if (!valid) die(EXIT_MALFORMED, "file: not a path below a digest");
    if ((frame->flags & FILE_CONTINUES) == 0) {
        memcpy(files.path, frame->meta, frame->meta_bytes);
        files.path[frame->meta_bytes] = '\0';
    } else if (strlen(files.path) != frame->meta_bytes || memcmp(files.path, frame->meta, frame->meta_bytes) != 0) {
        die(EXIT_MALFORMED, "file: continues another file than the one before");
    }
    if (find_failed(digest) != NULL) return;
    int error = write_chunk(frame);
    if (error != 0) remember_failure(digest, error);
}
