/* Snapshots: each is a copy of the driver process, which sleeps until it is needed.
 *
 * From the first snapshot on, the first process, which the harness watches, only waits for the driver and exits the way
 * it does. The driver is then its child. It forks for each snapshot; to restore one, it wakes that process and exits. The
 * woken process leaves a copy of itself behind, so that the snapshot can be restored again. The current driver reads the
 * requests and writes the answers, on the same pipes. A copy ends when it is discarded or when the first process ends.
 */

#include "driver.h"

#ifdef __linux__

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Shared by all processes: which one is the driver, and which ones wait; 0: none. */
static struct {
    volatile pid_t driver;
    volatile pid_t waiting[SNAPSHOTS];
} *shared = NULL;

static int life[2];            /* only the first process can write here, and never does: its end closes the pipe */
static int calls[SNAPSHOTS][2]; /* wake the waiting processes */

/* The first process: exits the way the driver does. */
static void keep_watch(void)
{
    for (int status;;) {
        pid_t pid = waitpid(-1, &status, 0);
        if (pid < 0 && errno != EINTR) _exit(1);
        if (pid != shared->driver) continue;
        if (WIFSIGNALED(status)) {
            signal(WTERMSIG(status), SIG_DFL);
            raise(WTERMSIG(status));
        }
        _exit(WEXITSTATUS(status));
    }
}

/* Before the first snapshot: the driver continues in a child. */
static int set_up(void)
{
    void *memory = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || pipe(life) || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) return -1;
    for (int i = 0; i < SNAPSHOTS; i++)
        if (pipe(calls[i])) return -1;
    shared = memory;
    pid_t child = fork();
    if (child < 0) return -1;
    if (child > 0) {
        shared->driver = child;
        keep_watch();
    }
    shared->driver = getpid();
    close(life[1]);
    return 0;
}

/* Wait to be woken, then leave behind a copy that waits in turn. Returns in the process that is now the driver. */
static void wait_for_call(int handle)
{
    for (;;) {
        struct pollfd ready[2] = {{life[0], POLLIN, 0}, {calls[handle][0], POLLIN, 0}};
        char call;
        if (poll(ready, 2, -1) < 0) continue; /* an ignored signal */
        if (ready[0].revents || read(calls[handle][0], &call, 1) != 1) _exit(0);
        pid_t child = fork();
        if (child > 0) {
            shared->waiting[handle] = child;
            return;
        }
        if (child < 0) _exit(1); /* the first process watches this one as the driver */
    }
}

int snapshot_waits(int handle)
{
    return handle >= 0 && handle < SNAPSHOTS && shared && shared->waiting[handle];
}

Kept snapshot_keep(int handle)
{
    if (!shared && set_up()) return KEPT_NOTHING;
    while (waitpid(-1, NULL, WNOHANG) > 0) { /* discarded snapshots */
    }
    pid_t child = fork();
    if (child < 0) return KEPT_NOTHING;
    if (!child) {
        wait_for_call(handle);
        return KEPT_EARLIER;
    }
    shared->waiting[handle] = child;
    return KEPT;
}

void snapshot_restore(int handle)
{
    const char call = 0;
    shared->driver = shared->waiting[handle];
    _exit(write(calls[handle][1], &call, 1) == 1 ? 0 : 1);
}

void snapshot_discard(int handle)
{
    kill(shared->waiting[handle], SIGKILL);
    shared->waiting[handle] = 0;
}

#else

int snapshot_waits(int handle)
{
    (void)handle;
    return 0;
}

Kept snapshot_keep(int handle)
{
    (void)handle;
    return KEPT_NOTHING;
}

void snapshot_restore(int handle)
{
    (void)handle;
}

void snapshot_discard(int handle)
{
    (void)handle;
}

#endif
