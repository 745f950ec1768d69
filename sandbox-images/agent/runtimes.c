/**
 * The runtimes: how each is started. The one place for command lines.
 */
#include "runtimes.h"

#include <stddef.h>
#include <string.h>

static char *const NODEJS24[] = {
    "/usr/local/bin/node",
    // The container's memory is the limit; V8's own must not come before it.
    "--max-old-space-size=16384",
    // Its guard regions reserve 10 GB of address space for each memory, which limits of processes do not allow.
    "--disable-wasm-trap-handler",
    "/opt/strata/shim.mjs",
    NULL,
};

static char *const PYTHON3[] = {"/usr/bin/python3", "-I", "-X", "utf8", "/opt/strata/zygote.py", NULL};

static const struct runtime RUNTIMES[] = {
    {"nodejs24", MODEL_SPAWNED, NODEJS24},
    {"python3", MODEL_FORKED, PYTHON3},
    {"provided", MODEL_BOOTSTRAP, NULL},
};

char *const BASE_ENVIRONMENT[] = {
    "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "TMPDIR=/tmp", "LANG=C.UTF-8", "TZ=UTC", NULL,
};

const struct runtime *runtime_find(const char *name) {
    for (size_t i = 0; i < sizeof RUNTIMES / sizeof RUNTIMES[0]; i++) {
        if (strcmp(RUNTIMES[i].name, name) == 0) return &RUNTIMES[i];
    }
    return NULL;
}
