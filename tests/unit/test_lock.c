/* SPDX-License-Identifier: MIT */
/* The lock: exclusion, and children forked while it is held. */
#include "base/lock.h"

#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

enum { THREADS = 4, ROUNDS = 2000 };

static struct attn__lock lock;
static int64_t counter;
static sem_t held, release;

static void *add(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        attn__lock_take(&lock);
        counter++;
        attn__lock_give(&lock);
    }
    return NULL;
}

static void add_by_threads(void)
{
    pthread_t id[THREADS];

    counter = 0;
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&id[i], NULL, add, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(id[i], NULL);
    ck_assert_int_eq(counter, (int64_t)THREADS * ROUNDS);
}

START_TEST(excludes)
{
    ck_assert(attn__lock_init(&lock));
    add_by_threads();
    attn__lock_destroy(&lock);
}
END_TEST

static void *hold(void *arg)
{
    (void)arg;
    attn__lock_take(&lock);
    sem_post(&held);
    sem_wait(&release);
    attn__lock_give(&lock);
    return NULL;
}

/* Many threads find a lock of another process at the same time. (Sanitizers do not let a forked
 * child start threads.) */
START_TEST(adopted_once)
{
    ck_assert(attn__lock_init(&lock));
    for (int i = 0; i < 20; i++) {
        atomic_store(&lock.owner, 1);
        add_by_threads();
    }
    attn__lock_destroy(&lock);
}
END_TEST

/* The child finds the lock held by a thread that is not there. */
START_TEST(fork_while_held)
{
    pthread_t holder;
    int status;

    ck_assert(attn__lock_init(&lock));
    sem_init(&held, 0, 0);
    sem_init(&release, 0, 0);
    ck_assert_int_eq(pthread_create(&holder, NULL, hold, NULL), 0);
    sem_wait(&held);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        add(NULL);
        attn__lock_destroy(&lock);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    sem_post(&release);
    pthread_join(holder, NULL);
    attn__lock_take(&lock);
    attn__lock_give(&lock);
    attn__lock_destroy(&lock);
}
END_TEST

UNIT_MAIN("lock", excludes, adopted_once, fork_while_held)
