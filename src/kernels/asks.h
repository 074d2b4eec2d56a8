/* SPDX-License-Identifier: MIT */
/* How far ahead of their use the row kernels ask for rows, in bytes. */
#ifndef ATTN__KERNELS_ASKS_H
#define ATTN__KERNELS_ASKS_H

/* From p to q, which may be in another array. */
ATTN__INLINE int64_t asks_distance(const void *p, const void *q)
{
    return (int64_t)((uintptr_t)q - (uintptr_t)p);
}

/* While row j of a run is used that is asked for which is `ahead` bytes further
 * on, from row `turn` on `beyond`: in the run that comes next. */
struct asks {
    int64_t ahead, turn, beyond;
};

/* For a run of n rows of `bytes` each, asked for `lead` rows before their use. */
ATTN__INLINE struct asks asks_of(const void *run, int64_t bytes, int64_t n, int64_t lead,
                                 const struct attn__source *source)
{
    if (!source || source->from == ATTN__FROM_L2)
        return (struct asks){0, n, 0};
    if (!source->then)
        return (struct asks){lead * bytes, n, 0};
    lead = lead < n ? lead : n;
    const char *end = (const char *)run + n * bytes;
    return (struct asks){lead * bytes, n - lead, lead * bytes + asks_distance(end, source->then)};
}

/* Asks for the lines that begin in the `bytes` that are `ahead` bytes further on
 * than p: of rows that follow each other each line is asked for once. */
ATTN__INLINE void asks_for(const uint8_t *p, int64_t bytes, int64_t ahead)
{
    const uintptr_t first = (uintptr_t)p + (uintptr_t)ahead, end = first + (uintptr_t)bytes;
    for (uintptr_t at = (first + 63) & ~(uintptr_t)63; at < end; at += 64)
        __builtin_prefetch((const void *)at, 0, 2);
}

/* Asks for n lines from the one that begins at p. */
ATTN__INLINE void asks_for_lines(const uint8_t *p, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        __builtin_prefetch(p + 64 * i, 0, 2);
}

#endif
