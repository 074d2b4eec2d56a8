/* SPDX-License-Identifier: MIT */
/*
 * A lock that survives fork: a child in which it was held by a thread of its
 * parent gets a new one at the first take. What it guards must make sense at
 * every moment, because that thread will never finish its work in the child:
 * build first, then publish by one store.
 */
#ifndef ATTN_BASE_LOCK_H
#define ATTN_BASE_LOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct attn__lock {
    pthread_mutex_t mutex;
    _Atomic int64_t owner; /* process; negated while it makes the mutex anew */
};

/* False if the system has no mutex left. */
bool attn__lock_init(struct attn__lock *l);
void attn__lock_take(struct attn__lock *l);
void attn__lock_give(struct attn__lock *l);
void attn__lock_destroy(struct attn__lock *l);

#endif
