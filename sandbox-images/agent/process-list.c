/**
 * Whether anything of the function's uid is left, as /proc tells it.
 *
 * `kill(-1, 0)` does not tell: it reports success for as long as there is any other process at all, even one that may
 * not be signalled, as the zygote. Once everything has been killed the set can only shrink, so that one pass without
 * a finding is the truth.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "basics.h"
#include "process.h"

enum { STATUS_BYTES = 2048, PATH_ROOM = 64, ID_KINDS = 4 };

/** Whether any of real, effective, saved and file system uid in this status text is the one looked for. */
static bool status_names(const char *status, uid_t uid) {
    // The name, which its process chooses, stands before, on one line: the kernel escapes its line ends.
    const char *line = strstr(status, "\nUid:");
    unsigned ids[ID_KINDS];
    if (line == NULL || sscanf(line, "\nUid:%u%u%u%u", &ids[0], &ids[1], &ids[2], &ids[3]) != ID_KINDS) return true;
    for (int i = 0; i < ID_KINDS; i++) {
        if (ids[i] == uid) return true;
    }
    return false;
}

static bool process_is_of(const char *pid, uid_t uid) {
    char path[PATH_ROOM];
    char status[STATUS_BYTES];
    int length = snprintf(path, sizeof path, "/proc/%s/status", pid);
    if (length < 0 || (size_t)length >= sizeof path) return true;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return errno != ENOENT && errno != ESRCH;
    ssize_t count = read(descriptor, status, sizeof status - 1);
    int error = errno;
    close(descriptor);
    if (count < 0) return error != ESRCH;
    status[count] = '\0';
    return status_names(status, uid);
}

bool process_any_left(uid_t uid) {
    DIR *list = opendir("/proc");
    if (list == NULL) die(EXIT_UNCLEAN, "cannot read /proc: %s", strerror(errno));
    bool found = false;
    const struct dirent *entry;
    while (!found && (entry = readdir(list)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0]) || strcmp(entry->d_name, "1") == 0) continue;
        found = process_is_of(entry->d_name, uid);
    }
    closedir(list);
    return found;
}
