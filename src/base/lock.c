/* SPDX-License-Identifier: MIT */
/*
 * The process id tells whether the mutex is this process's or one that a fork
 * copied in an unknown state. Asking for it costs a system call, which is
 * nothing where plans are made; execute takes no lock.
 */
#include "base/lock.h"

#include <sched.h>
#include <unistd.h>

bool attn__lock_init(struct attn__lock *l)
{
    if (pthread_mutex_init(&l->mutex, NULL) != 0)
        return false;
    atomic_init(&l->owner, getpid());
    return true;
}

/* The first thread of a child makes the mutex, the others wait for it. */
static void adopt(struct attn__lock *l)
{
    int64_t self = getpid(), owner = atomic_load(&l->owner);

    while (owner != self) {
        if (owner == -self) {
            sched_yield();
            owner = atomic_load(&l->owner);
        } else if (atomic_compare_exchange_weak(&l->owner, &owner, -self)) {
            pthread_mutex_init(&l->mutex, NULL); /* a default one needs nothing that can lack */
            atomic_store(&l->owner, self);
            return;
        }
    }
}

void attn__lock_take(struct attn__lock *l)
{
    adopt(l);
    pthread_mutex_lock(&l->mutex);
}

void attn__lock_give(struct attn__lock *l)
{
    pthread_mutex_unlock(&l->mutex);
}

void attn__lock_destroy(struct attn__lock *l)
{
    adopt(l);
    pthread_mutex_destroy(&l->mutex);
}
