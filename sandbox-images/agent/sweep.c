/**
 * Empties a folder without recursion and without a path that could get too long.
 *
 * The folder's content was made by a hostile function, of which nothing runs any more: trees as deep as the file
 * system has inodes, folders of mode 000, names of any bytes. Symbolic links are removed, never followed.
 */
#include "sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"

enum { FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, ENTRIES_BYTES = 8192 };

/** What one reading of a folder, which removes what it can, comes to. */
enum pass {
    PASS_EMPTY,
    /** Entries were removed; what is there now is not known. */
    PASS_AGAIN,
    /** A folder is in the way that has something in it. */
    PASS_DESCEND,
    PASS_STUCK,
};

struct sweep {
    int folder;
    unsigned depth;
    unsigned long steps;
    /** The folder in the way. */
    char name[NAME_MAX + 1];
};

static enum pass remove_entry(struct sweep *sweep, const char *name) {
    sweep->steps += 1;
    if (unlinkat(sweep->folder, name, 0) == 0) return PASS_AGAIN;
    if (errno != EISDIR) return PASS_STUCK;
    if (unlinkat(sweep->folder, name, AT_REMOVEDIR) == 0) return PASS_AGAIN;
    if (errno != ENOTEMPTY) return PASS_STUCK;
    (void)snprintf(sweep->name, sizeof sweep->name, "%s", name);
    return PASS_DESCEND;
}

static enum pass read_through(struct sweep *sweep) {
    char entries[ENTRIES_BYTES] __attribute__((aligned(__alignof__(struct dirent64))));
    enum pass result = PASS_EMPTY;
    if (lseek(sweep->folder, 0, SEEK_SET) != 0) return PASS_STUCK;
    for (;;) {
        ssize_t count = getdents64(sweep->folder, entries, sizeof entries);
        if (count < 0) return PASS_STUCK;
        if (count == 0) return result;
        for (ssize_t at = 0; at < count;) {
            const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
            result = remove_entry(sweep, entry->d_name);
            if (result != PASS_AGAIN) return result;
        }
    }
}

/** Goes into the folder in the way, or back up; false when that is refused. */
static bool move(struct sweep *sweep, enum pass pass) {
    const char *to = "..";
    if (pass == PASS_DESCEND) {
        to = sweep->name;
        // The owner may change the mode even of a folder that nobody may enter.
        if (fchmodat(sweep->folder, to, S_IRWXU, 0) != 0) return false;
    }
    int next = openat(sweep->folder, to, FOLDER_FLAGS);
    if (next < 0) return false;
    close(sweep->folder);
    sweep->folder = next;
    sweep->depth += pass == PASS_DESCEND ? 1 : -1U;
    return true;
}

bool sweep_folder(const char *path) {
    struct sweep sweep = {.folder = open(path, FOLDER_FLAGS)};
    if (sweep.folder < 0) return false;
    bool empty = false;
    while (sweep.steps < SWEEP_STEPS_MAX) {
        sweep.steps += 1;
        enum pass pass = read_through(&sweep);
        if (pass == PASS_AGAIN) continue;
        empty = pass == PASS_EMPTY && sweep.depth == 0;
        if (empty || pass == PASS_STUCK || !move(&sweep, pass)) break;
    }
    close(sweep.folder);
    return empty;
}
