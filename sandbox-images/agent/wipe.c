/**
 * Removes what a function leaves behind outside of its processes, so that the next instance finds nothing of it.
 */
#include <errno.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#include "basics.h"
#include "limits.h"
#include "loopback.h"
#include "process.h"
#include "sweep.h"

static const char TEMPORARY[] = "/tmp";
/** Where POSIX message queues show up, when the engine mounts it. */
static const char QUEUES[] = "/dev/mqueue";

/**
 * System V objects live on without a process. Where the seccomp profile refuses these calls it refuses to make such
 * objects too, and the highest index is a negative number.
 */
static void remove_system_v(void) {
    struct shm_info memory_info;
    struct shmid_ds memory;
    struct seminfo semaphores;
    struct semid_ds semaphore;
    struct msginfo queues;
    struct msqid_ds queue;
    int highest = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&memory_info);
    for (int index = 0; index <= highest; index++) {
        int id = shmctl(index, SHM_STAT_ANY, &memory);
        if (id >= 0) (void)shmctl(id, IPC_RMID, NULL);
    }
    highest = semctl(0, 0, SEM_INFO, &semaphores);
    for (int index = 0; index <= highest; index++) {
        int id = semctl(index, 0, SEM_STAT_ANY, &semaphore);
        if (id >= 0) (void)semctl(id, 0, IPC_RMID);
    }
    highest = msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&queues);
    for (int index = 0; index <= highest; index++) {
        int id = msgctl(index, MSG_STAT_ANY, &queue);
        if (id >= 0) (void)msgctl(id, IPC_RMID, NULL);
    }
}

/**
 * Connections outlive their processes: the side that closed first keeps its port for a minute, and nobody else may
 * listen there meanwhile. The next function's proxy would not come up.
 */
static void check_ports(void) {
    static const uint16_t ports[] = {RUNTIME_API_PORT, PROXY_PORT};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        if (!loopback_is_free(ports[i])) {
            die(EXIT_UNCLEAN, "port %d is taken by what the function left: %s", ports[i], strerror(errno));
        }
    }
}

/** Whether any System V object of anybody's is left. */
static bool system_v_left(void) {
    struct shm_info memory = {0};
    struct seminfo semaphores = {0};
    struct msginfo queues = {0};
    if (shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&memory) >= 0 && memory.used_ids > 0) return true;
    if (semctl(0, 0, SEM_INFO, &semaphores) >= 0 && semaphores.semusz > 0) return true;
    return msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&queues) >= 0 && queues.msgpool > 0;
}

void wipe(uid_t uid) {
    process_act_as(uid);
    bool clean = sweep_folder(TEMPORARY);
    int error = errno;
    if (access(QUEUES, F_OK) == 0) clean = sweep_folder(QUEUES) && clean;
    remove_system_v();
    process_act_as_root();
    if (!clean) die(EXIT_UNCLEAN, "/tmp could not be emptied: %s", strerror(error));
    if (system_v_left()) die(EXIT_UNCLEAN, "System V objects of the function's could not be removed");
    check_ports();
}
