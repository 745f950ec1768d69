/**
 * The runtimes: how each is started. The one place for command lines.
 */
#include "runtimes.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "limits.h"

/** V8 collects garbage with regard to this: without it, it lets garbage grow until the kernel kills the process. */
static char heap_flag[sizeof "--max-old-space-size=" + 16];

static char *const NODEJS24[] = {
    "/usr/local/bin/node",
    heap_flag,
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

char *const *runtime_command(const struct runtime *runtime, unsigned memory_mb) {
    unsigned heap_mb = memory_mb * HEAP_PERCENT / 100;
    (void)snprintf(heap_flag, sizeof heap_flag, "--max-old-space-size=%u", heap_mb);
    return runtime->command;
}

const struct runtime *runtime_find(const char *name) {
    for (size_t i = 0; i < sizeof RUNTIMES / sizeof RUNTIMES[0]; i++) {
        if (strcmp(RUNTIMES[i].name, name) == 0) return &RUNTIMES[i];
    }
    return NULL;
}
