/* SPDX-License-Identifier: MIT */
/*
 * The table of inner loops. A context owns one struct attn__kernels, filled
 * once by attn__kernels_select for the level it may use; after that the table
 * is only read. Kernels do arithmetic and nothing else: they allocate nothing,
 * detect nothing and may be called from any thread.
 */
#ifndef ATTN__KERNELS_KERNELS_H
#define ATTN__KERNELS_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

/* Where rows of K and V lie, as far as a caller can tell. */
enum { ATTN__FROM_L2, ATTN__FROM_L3, ATTN__FROM_RAM };

/* How the row kernels ask for rows ahead of their use; NULL: they are in L2. */
struct attn__source {
    int64_t from;     /* ATTN__FROM_* */
    const void *then; /* rows of the same kind that are read next; NULL: those
                       * behind these ones */
};

/* So far ahead, where nothing better is known. */
enum { ATTN__AHEAD_BYTES = 12288 };

/* 32 channels of a query row as products with keys in slabs take them: numbers, or
 * digits (slab_digits.inc.c). */
struct attn__slab_query {
    union {
        float x[32];
        struct {
            int8_t digit[8][4][4]; /* of fours: lowest ones, .. */
            int32_t sum[4];
            float unit;
        };
    };
};

/* Rows of values that follow each other in slabs, the first one's address as
 * base/dtype.h has it, and the index of its weight. */
struct attn__slab_run {
    const uint8_t *at;
    int64_t rows, from;
};

/* Rows of a call of row_pv_slab_*, at most. */
enum { ATTN__SLAB_CALL = 128 };

#define KERNEL(ret, name, args) typedef ret attn__##name##_fn args;
#include "kernels/kernels.def"

struct attn__kernels {
    const char *isa_name;
    int32_t isa;   /* level, ATTN_ISA_* */
    int32_t lanes; /* floats per vector: tiles are this or twice this wide */
#define KERNEL(ret, name, args) attn__##name##_fn *name;
#include "kernels/kernels.def"
};

/*
 * Fills *out with the kernels of the highest level of this build that is not
 * above `isa`. What that level does not have comes from the next lower one.
 * The caller vouches that the processor supports `isa`.
 */
void attn__kernels_select(int32_t isa, struct attn__kernels *out);

#endif
