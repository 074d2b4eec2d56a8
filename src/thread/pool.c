/* SPDX-License-Identifier: MIT */
/*
 * The library's own threads. Workers sleep on a condition variable, after a bounded moment of
 * spinning; a run publishes one job, takes part in it, and waits only for workers that joined.
 * Tasks are handed out by an atomic counter.
 *
 * A worker joins under the lock while the job is open and the caller closes the job when no task
 * is left, so a worker that wakes late is neither waited for nor able to touch a finished job.
 *
 * After fork only the forking thread exists and locks may be held by threads that are gone. The
 * owner's process id is kept and whoever finds another one claims the rebuild by compare and
 * exchange; everybody else runs serially until it is done.
 */
#include "thread/parallel.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "cpu/cpu.h"

struct job {
    attn__task_fn *fn;
    void *arg;
    int64_t n;
};

struct attn__threads {
    struct attn__mem mem;
    attn_parallel user; /* user.run is NULL for the own pool */
    int64_t count;

    /* Process whose workers these are; negated while it rebuilds them. */
    _Atomic int64_t owner;
    atomic_bool busy;        /* a run is under way */
    _Atomic int64_t workers; /* started: 0 or count - 1 */

    pthread_mutex_t start_lock; /* held while workers start or end */
    pthread_mutex_t lock;       /* guards what follows up to next */
    pthread_cond_t wake;
    pthread_cond_t done;
    struct job job;
    bool open; /* the job may be joined */
    bool stop;
    /* Changed only under the lock, but watched without it for a moment before sleeping. */
    _Atomic uint64_t serial; /* number of the job, so that nobody joins twice */
    _Atomic int64_t joined;  /* workers inside the job */

    /* On a cache line of its own: every task of every thread writes it. */
    _Alignas(64) _Atomic int64_t next;

    _Alignas(64) pthread_t ids[];
};

static size_t threads_bytes(int64_t count)
{
    return sizeof(struct attn__threads) + (size_t)(count - 1) * sizeof(pthread_t);
}

static void run_serial(int64_t n, attn__task_fn *fn, void *arg)
{
    for (int64_t i = 0; i < n; i++)
        fn(arg, i);
}

static void take_tasks(struct attn__threads *t, const struct job *job)
{
    int64_t i;

    while ((i = atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed)) < job->n)
        job->fn(job->arg, i);
}

/*
 * Plans run several jobs in a row, a few microseconds apart, and a wake-up costs more than that:
 * with this on both sides two threads gain from 6 us of work on, without it from about 50 us.
 * Shorter than this, whoever had less to do of a job of 50 us is often asleep when the next comes.
 * Longer nobody keeps a processor that the host could use.
 */
enum { SPIN_NS = 20000 };

static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Tells the core that it is waiting, so that a sibling hardware thread gets its slots. */
static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool spin_on(int64_t *end)
{
    int64_t now = now_ns();

    if (*end == 0)
        *end = now + SPIN_NS;
    for (int i = 0; i < 8; i++)
        relax();
    return now < *end;
}

static void spin_for_job(const struct attn__threads *t, uint64_t seen)
{
    int64_t end = 0;

    while (atomic_load_explicit(&t->serial, memory_order_relaxed) == seen && spin_on(&end))
        ;
}

static void spin_for_workers(const struct attn__threads *t)
{
    int64_t end = 0;

    while (atomic_load_explicit(&t->joined, memory_order_relaxed) > 0 && spin_on(&end))
        ;
}

static void *worker_main(void *arg)
{
    struct attn__threads *t = arg;
    uint64_t seen = 0;

    pthread_mutex_lock(&t->lock);
    for (;;) {
        while (!t->stop && (!t->open || t->serial == seen))
            pthread_cond_wait(&t->wake, &t->lock);
        if (t->stop)
            break;
        seen = t->serial;
        t->joined++;
        struct job job = t->job;
        pthread_mutex_unlock(&t->lock);

        take_tasks(t, &job);

        pthread_mutex_lock(&t->lock);
        if (--t->joined == 0 && !t->open)
            pthread_cond_signal(&t->done);
        pthread_mutex_unlock(&t->lock);
        spin_for_job(t, seen);
        pthread_mutex_lock(&t->lock);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* Ends and joins the first n workers. start_lock is held, or nobody else knows the pool. */
static void stop_workers(struct attn__threads *t, int64_t n)
{
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
    for (int64_t i = 0; i < n; i++)
        pthread_join(t->ids[i], NULL);
    t->stop = false;
}

/* All or none; start_lock is held. Signals meant for the host must not land on a worker. Returns
 * an error number, so that a rebuild inside a run leaves the last error text alone. */
static int start_workers(struct attn__threads *t)
{
    int64_t wanted = t->count - 1;
    int64_t made = 0;
    int err = 0;
    sigset_t all, old;

    if (atomic_load(&t->workers) == wanted)
        return 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (made < wanted && err == 0) {
        err = pthread_create(&t->ids[made], NULL, worker_main, t);
        made += err == 0;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);

    if (err != 0)
        stop_workers(t, made);
    else
        atomic_store(&t->workers, wanted);
    return err;
}

static int init_locks(struct attn__threads *t)
{
    int err = pthread_mutex_init(&t->start_lock, NULL);

    if (err == 0 && (err = pthread_mutex_init(&t->lock, NULL)) != 0)
        pthread_mutex_destroy(&t->start_lock);
    if (err == 0 && (err = pthread_cond_init(&t->wake, NULL)) != 0) {
        pthread_mutex_destroy(&t->lock);
        pthread_mutex_destroy(&t->start_lock);
    }
    if (err == 0 && (err = pthread_cond_init(&t->done, NULL)) != 0) {
        pthread_cond_destroy(&t->wake);
        pthread_mutex_destroy(&t->lock);
        pthread_mutex_destroy(&t->start_lock);
    }
    return err;
}

static void destroy_locks(struct attn__threads *t)
{
    pthread_cond_destroy(&t->done);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->start_lock);
}

/*
 * True if the locks and workers belong to this process. In a forked child the first caller makes
 * new ones; what the parent's threads held or ran at the fork is forgotten, not unlocked.
 */
static bool own_process(struct attn__threads *t)
{
    int64_t self = getpid();
    int64_t owner = atomic_load(&t->owner);

    if (owner == self)
        return true;
    if (owner == -self || !atomic_compare_exchange_strong(&t->owner, &owner, -self))
        return false;

    bool had_workers = atomic_load(&t->workers) > 0;
    atomic_store(&t->workers, 0);
    atomic_store(&t->busy, false);
    t->serial = 0;
    t->joined = 0;
    t->open = false;
    t->stop = false;
    if (init_locks(t) != 0)
        return false;
    if (had_workers)
        start_workers(t);
    atomic_store(&t->owner, self);
    return true;
}

int32_t attn__threads_create(const struct attn__mem *mem, int64_t threads,
                             const attn_parallel *user, struct attn__threads **out)
{
    attn_parallel hook;

    *out = NULL;
    int32_t status = attn__user_parallel_init(&hook, user);
    if (status != ATTN_OK)
        return status;
    if (threads < 0 || threads > ATTN__THREADS_MAX)
        return attn__error_set(ATTN_ERR_INVALID, "threads is %" PRId64 ", expected 0 to %d",
                               threads, ATTN__THREADS_MAX);
    if (threads == 0)
        threads = attn__cpu_affinity_count();
    if (threads > ATTN__THREADS_MAX)
        threads = ATTN__THREADS_MAX;
    if (hook.run)
        threads = hook.threads;

    int64_t slots = hook.run ? 1 : threads;
    struct attn__threads *t =
        attn__mem_alloc(mem, threads_bytes(slots), _Alignof(struct attn__threads));
    if (!t)
        return ATTN_ERR_NOMEM;
    t->mem = *mem;
    t->user = hook;
    t->count = threads;
    atomic_store(&t->owner, getpid());

    int err = init_locks(t);
    if (err != 0) {
        attn__mem_free(mem, t, threads_bytes(slots));
        return attn__error_set(ATTN_ERR_THREAD, "a mutex could not be created: error %d", err);
    }
    *out = t;
    return ATTN_OK;
}

int32_t attn__threads_start(struct attn__threads *t)
{
    if (t->user.run || t->count == 1 || !own_process(t))
        return ATTN_OK;

    pthread_mutex_lock(&t->start_lock);
    int err = start_workers(t);
    pthread_mutex_unlock(&t->start_lock);
    if (err != 0)
        return attn__error_set(ATTN_ERR_THREAD,
                               "threads is %" PRId64
                               ", expected to start one less but the system refused: error %d",
                               t->count, err);
    return ATTN_OK;
}

int64_t attn__threads_count(const struct attn__threads *t)
{
    return t->count;
}

/* busy is held. */
static void run_shared(struct attn__threads *t, int64_t workers, const struct job *job)
{
    int64_t wakes = job->n - 1;
    int cancel;

    /* A host that cancels this thread in a wait would leave the job open for ever. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);

    pthread_mutex_lock(&t->lock);
    t->job = *job;
    t->serial++;
    t->open = true;
    atomic_store_explicit(&t->next, 0, memory_order_relaxed);
    pthread_mutex_unlock(&t->lock);
    if (wakes >= workers) {
        pthread_cond_broadcast(&t->wake);
    } else {
        while (wakes-- > 0)
            pthread_cond_signal(&t->wake);
    }

    take_tasks(t, job);
    spin_for_workers(t);

    pthread_mutex_lock(&t->lock);
    t->open = false;
    while (t->joined > 0)
        pthread_cond_wait(&t->done, &t->lock);
    pthread_mutex_unlock(&t->lock);

    pthread_setcancelstate(cancel, NULL);
}

void attn__threads_run(struct attn__threads *t, int64_t n, attn__task_fn *fn, void *arg)
{
    if (n <= 1 || !t || t->count == 1) {
        run_serial(n, fn, arg);
        return;
    }
    if (t->user.run) {
        t->user.run(t->user.user, n, fn, arg);
        return;
    }
    if (!own_process(t) || atomic_exchange_explicit(&t->busy, true, memory_order_acquire)) {
        run_serial(n, fn, arg);
        return;
    }

    int64_t workers = atomic_load(&t->workers);
    if (workers > 0)
        run_shared(t, workers, &(struct job){fn, arg, n});
    atomic_store_explicit(&t->busy, false, memory_order_release);
    if (workers == 0)
        run_serial(n, fn, arg);
}

void attn__threads_destroy(struct attn__threads *t)
{
    if (!t)
        return;

    int64_t slots = t->user.run ? 1 : t->count;
    struct attn__mem mem = t->mem;
    /* In a forked child that never ran anything the workers and locks are the parent's. */
    if (atomic_load(&t->owner) == getpid()) {
        stop_workers(t, atomic_load(&t->workers));
        destroy_locks(t);
    }
    attn__mem_free(&mem, t, threads_bytes(slots));
}
