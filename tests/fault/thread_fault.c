/* SPDX-License-Identifier: MIT */
/*
 * Threads that cannot be started. The linker sends the library's calls of
 * pthread_create here (--wrap), and the n-th fails, once or for good. Then
 * attn_plan_create must say ATTN_ERR_THREAD, leave no thread behind and work
 * when called again; in a forked child, where the first execute has to start
 * new workers, it must do without them.
 */
#include "fault.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4 };

static int calls, fail_at;
static bool for_good;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg)
{
    calls++;
    if (fail_at > 0 && (calls == fail_at || (for_good && calls > fail_at)))
        return EAGAIN;
    return __real_pthread_create(thread, attr, start, arg);
}

static void arm(int at, bool good)
{
    calls = 0;
    fail_at = at;
    for_good = good;
}

/* Threads of this process, as the kernel counts them. */
static int threads_now(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/task");
    if (!dir)
        return -1;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static bool sleeps(const char *thread)
{
    char path[300], line[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/stat", thread);
    FILE *file = fopen(path, "r");
    if (!file)
        return true; /* it has ended */
    const char *name_end = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    fclose(file);
    return name_end && strncmp(name_end, ") S", 3) == 0;
}

/*
 * Waits until no other thread of this process runs. One that has only just been
 * started may hold a lock of AddressSanitizer's allocator, and in a forked child
 * there is nobody to open it.
 */
static void all_asleep(void)
{
    bool all = false;
    for (int i = 0; i < 1000 && !all; i++) {
        DIR *dir = opendir("/proc/self/task");
        all = true;
        for (struct dirent *e; dir && (e = readdir(dir)) != NULL;)
            all = all && (e->d_name[0] == '.' || atoi(e->d_name) == getpid() || sleeps(e->d_name));
        if (dir)
            closedir(dir);
        if (!all)
            usleep(1000);
    }
}

/* An ended thread may be seen for a moment after it was joined. A BLAS ends its
 * own at a fork, so there may be fewer than before. */
static bool at_most_threads(int most)
{
    for (int i = 0; i < 1000 && threads_now() > most; i++)
        usleep(1000);
    return threads_now() <= most;
}

struct setup {
    struct fault_mem mem;
    attn_ctx *ctx;
    attn_desc *desc;
};

static bool set_up(struct setup *s)
{
    const attn_allocator hook = fault_mem_hook(&s->mem);
    return attn_ctx_create(&hook, &s->ctx) == ATTN_OK &&
           attn_ctx_set_i64(s->ctx, ATTN_CTX_THREADS, THREADS) == ATTN_OK &&
           attn_desc_parse(s->ctx, FAULT_PROBLEM, &s->desc) == ATTN_OK;
}

static void tear_down(struct setup *s, const char *test, int threads)
{
    attn_desc_destroy(s->desc);
    attn_ctx_destroy(s->ctx);
    if (s->mem.live != 0 || s->mem.wrong != 0)
        fault_report(test, "%lld blocks leaked, %lld wrong frees", (long long)s->mem.live,
                     (long long)s->mem.wrong);
    if (!at_most_threads(threads))
        fault_report(test, "%d threads at the end, expected at most %d", threads_now(),
                     threads);
}

static void plan_fails(int at, bool good, const float *want)
{
    struct setup s = {0};
    attn_plan *plan = (attn_plan *)&s;
    float out[FAULT_OUT] = {0};
    int before = threads_now();
    char test[64];
    snprintf(test, sizeof test, "plan, thread %d fails %s", at, good ? "for good" : "once");

    arm(0, false);
    if (!set_up(&s))
        fault_report(test, "no context and descriptor");
    arm(at, good);
    int32_t status = attn_plan_create(s.ctx, s.desc, &plan);
    if (status != ATTN_ERR_THREAD || plan)
        fault_report(test, "status is %s, plan %p, expected ATTN_ERR_THREAD and NULL",
                     attn_status_name(status), (void *)plan);
    if (!at_most_threads(before))
        fault_report(test, "%d threads, expected the %d from before", threads_now(), before);
    arm(0, false);
    if (attn_plan_create(s.ctx, s.desc, &plan) != ATTN_OK) {
        fault_report(test, "the second attempt fails");
    } else if (fault_execute(plan, out) != ATTN_OK || memcmp(out, want, sizeof out) != 0) {
        fault_report(test, "the plan of the second attempt is no good");
    }
    attn_plan_destroy(plan);
    tear_down(&s, test, before);
}

static void child_fails(int at, bool good, const float *want)
{
    struct setup s = {0};
    attn_plan *plan = NULL;
    int before = threads_now(), result = -1;
    char test[64];
    snprintf(test, sizeof test, "child, thread %d fails %s", at, good ? "for good" : "once");

    arm(0, false);
    if (!set_up(&s) || attn_plan_create(s.ctx, s.desc, &plan) != ATTN_OK)
        fault_report(test, "no plan");
    fflush(NULL);
    all_asleep();
    int reports = fault_reports();
    pid_t child = fork();
    if (child == 0) {
        float out[FAULT_OUT];
        arm(at, good);
        for (int i = 0; i < 3; i++) {
            memset(out, 0, sizeof out);
            int32_t status = fault_execute(plan, out);
            if (status != ATTN_OK || memcmp(out, want, sizeof out) != 0)
                fault_report(test, "execute %d: status is %s, or other bits", i,
                             attn_status_name(status));
        }
        if (calls < at)
            fault_report(test, "only %d threads were asked for", calls);
        attn_plan_destroy(plan);
        tear_down(&s, test, 1);
        _exit(fault_reports() != reports);
    }
    if (child < 0 || waitpid(child, &result, 0) != child || result != 0)
        fault_report(test, "the child ended with status %d", result);
    attn_plan_destroy(plan);
    tear_down(&s, test, before);
}

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif
#ifndef THREAD_SANITIZER
#define THREAD_SANITIZER 0
#endif

int main(void)
{
    if (THREAD_SANITIZER) { /* it has a thread of its own, and none after fork */
        printf("skipped: the thread sanitizer's own thread is counted with ours\n");
        return 77;
    }
    float want[FAULT_OUT] = {0};
    struct setup s = {0};
    attn_plan *plan = NULL;
    int before = threads_now();
    fault_fill();
    arm(0, false);
    if (!set_up(&s) || attn_plan_create(s.ctx, s.desc, &plan) != ATTN_OK ||
        fault_execute(plan, want) != ATTN_OK)
        fault_report("no failure", "no plan");
    if (calls != THREADS - 1)
        fault_report("no failure", "%d threads were asked for, expected %d", calls, THREADS - 1);
    attn_plan_destroy(plan);
    tear_down(&s, "no failure", before);

    for (int at = 1; at < THREADS; at++) {
        for (int good = 0; good < 2; good++) {
            plan_fails(at, good, want);
            child_fails(at, good, want);
        }
    }
    printf("%s: %d threads, each failed once and for good\n", fault_reports() ? "FAIL" : "ok",
           THREADS - 1);
    return fault_reports() != 0;
}
