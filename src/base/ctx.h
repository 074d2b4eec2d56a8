/* SPDX-License-Identifier: MIT */
/*
 * The plain struct of a context, so that every layer can read what belongs to
 * it. Objects made from a context hold a reference; the last one to go frees
 * it. The types of higher layers are opaque here, and what frees them is a
 * function that the API layer leaves in the struct.
 */
#ifndef ATTN_BASE_CTX_H
#define ATTN_BASE_CTX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <attn/context.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"

struct attn__kernels;
struct attn__threads;
struct attn__wisdom;

struct attn_ctx {
    atomic_size_t refs;
    atomic_bool used; /* an object was made: options are fixed */
    struct attn__mem mem;
    struct attn__log log;

    int64_t n_threads;      /* of the own pool, at least 1 */
    attn_parallel parallel; /* run is NULL: the own pool */

    struct attn__kernels *kernels; /* of the level in use, never NULL */

    struct attn__lock lock;        /* over what follows */
    struct attn__threads *threads; /* NULL until the first plan */
    struct attn__wisdom *wisdom;   /* NULL: none */

    /* Frees everything once refs is 0. */
    void (*destroy)(struct attn_ctx *ctx);
};

/* Takes a reference for a new object and fixes the options. */
void attn__ctx_retain(struct attn_ctx *ctx);

/* Gives a reference back. */
void attn__ctx_release(struct attn_ctx *ctx);

#endif
