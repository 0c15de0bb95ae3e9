/* The executor for bring-ups: routes are made on libuv's pool of threads, so that
 * polls, and with them the lease, go on meanwhile. */
#include <stdlib.h>

#include "mem.h"
#include "tpunetd.h"

struct errand {
    uv_work_t request;
    void (*work)(void *arg);
    tpunet_done_fn *done;
    void *arg;
};

static void on_thread(uv_work_t *request)
{
    struct errand *errand = request->data;

    errand->work(errand->arg);
}

/* Nobody cancels requests, so the work has been done. */
static void on_worked(uv_work_t *request, int status)
{
    struct errand errand = *(struct errand *)request->data;

    (void)status;
    free(request->data);
    errand.done(errand.arg, 0);
}

static int run(void *ctx, void (*work)(void *arg), tpunet_done_fn *done, void *arg)
{
    struct errand *errand = xcalloc(1, sizeof *errand);

    *errand = (struct errand){.request = {.data = errand}, .work = work, .done = done, .arg = arg};
    if (uv_queue_work(ctx, &errand->request, on_thread, on_worked) < 0) {
        free(errand);
        return TPUNET_ENOMEM;
    }
    return 0;
}

struct tpunet_executor worker_executor(uv_loop_t *loop)
{
    return (struct tpunet_executor){.ctx = loop, .run = run};
}
