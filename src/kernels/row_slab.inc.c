/* SPDX-License-Identifier: MIT */
/*
 * Query rows against keys and values in slabs (base/dtype.h) of q8_0 or q4_0.
 * Lanes are keys for scores, and channels for sums of values; factors come in
 * once for 32 channels. Included once for each type with
 *   ATTN__NAME(name)       the function names
 *   ATTN__BITS             of a code
 *
 * What a row gets does not depend on other rows, and of keys only on their
 * numbers and weights, not on where they lie.
 */

#define ATTN__BYTES (64 + 128 * ATTN__BITS)  /* 32 channels of a slab */
#define ATTN__MORE (1 << (ATTN__BITS - 1))   /* than its number a code has */

#if VF_REGS >= 32
#define ATTN__ROWS 4
#else
#define ATTN__ROWS 2
#endif

#if defined ATTN__ISA_AVX512_BF16
#include "kernels/slab_digits_type.inc.c"
#else
#include "kernels/slab_floats_type.inc.c"
#endif

/* sum[r][..]: 32 keys times all of `rows` query rows. Requests, of what is `ahead`
 * bytes further on if not 0, are spread over the arithmetic: many at once are more
 * than can be under way, and loads queue behind them. */
ATTN__INLINE void ATTN__NAME(qk_slab)(int rows, bool int8, const uint8_t *slab, int64_t blocks,
                                      int64_t ahead, const struct attn__slab_query *q,
                                      float *restrict sum)
{
    memset(sum, 0, (size_t)rows * 32 * sizeof *sum);
    for (int64_t b = 0; b < blocks; b++, slab += ATTN__BYTES) {
        if (ahead)
            asks_for(slab, ATTN__BYTES, ahead);
        ATTN__NAME(qk_block)(rows, int8, slab, q + b, blocks, sum);
    }
}

/* s[r * lds + j] = keys j < nk, from row `first` of a slab on, times query row r of
 * d / 32 blocks */
static void ATTN__NAME(row_qk_slab)(const uint8_t *restrict slab, int64_t first, int64_t nk,
                                    int64_t d, const struct attn__slab_query *restrict q,
                                    bool int8, int64_t nr, float *restrict s, int64_t lds,
                                    const struct attn__source *source)
{
    const int64_t blocks = d / 32, bytes = blocks * ATTN__BYTES, slabs = (first + nk + 31) / 32;
    const struct asks a = asks_of(slab, bytes, slabs, ATTN__AHEAD_BYTES / bytes + 1, source);
    for (int64_t n = 0; n < slabs; n++, slab += bytes) {
        const int64_t from = n > 0 ? 0 : first, j = 32 * n + from - first;
        const int64_t keys = nk - j < 32 - from ? nk - j : 32 - from;
        int64_t r = 0, ahead = n < a.turn ? a.ahead : a.beyond;
        float sum[4 * 32];
#define ATTN__GROUP(rows)                                                                 \
        for (; r + (rows) <= nr; r += (rows), ahead = 0) {                                \
            ATTN__NAME(qk_slab)(rows, int8, slab, blocks, ahead, q + r * blocks, sum);    \
            for (int i = 0; i < (rows); i++)                                              \
                memcpy(s + (r + i) * lds + j, sum + 32 * i + from, (size_t)keys * sizeof *s); \
        }
#if ATTN__ROWS >= 4
        ATTN__GROUP(4)
        ATTN__GROUP(3)
#endif
        ATTN__GROUP(2)
        ATTN__GROUP(1)
#undef ATTN__GROUP
    }
}

/* o[r * ldo + c] += the sum over rows j of the runs of p[r * ldp + j] times channel
 * c, with weights of fewer bits if int8; `ask` is used next, and none if all is in L2 */
static void ATTN__NAME(row_pv_slab)(const struct attn__slab_run *run, int64_t runs,
                                    const struct attn__slab_run *ask, int64_t asked, int64_t dv,
                                    const float *restrict p, int64_t ldp, bool int8, int64_t nr,
                                    float *restrict o, int64_t ldo)
{
    const int64_t bytes = dv / 32 * ATTN__BYTES;
    struct slab_call c;
    c.pieces = slab_pieces(run, runs, bytes, c.piece, &c.weights);
    c.laters = slab_pieces(ask, asked, bytes, c.later, NULL);
    for (int64_t n = c.pieces; n < c.laters; n++)
        asks_for(c.later[n].slab, bytes, 0);
    int64_t r = 0;
#define ATTN__GROUP(rows)                                                                 \
    for (; r + (rows) <= nr; r += (rows), o += (rows) * ldo, c.laters = 0) {              \
        for (int i = 0; i < (rows); i++)                                                  \
            slab_spread(&c, p + (r + i) * ldp, c.p[i]);                                   \
        for (int64_t b = 0; b < dv / 32; b++) {                                           \
            slab_factors(&c, b * ATTN__BYTES);                                            \
            ATTN__NAME(pv_block)(rows, int8, &c, b * ATTN__BYTES, o + 32 * b, ldo);       \
        }                                                                                 \
    }
#if ATTN__ROWS >= 4
    ATTN__GROUP(4)
    ATTN__GROUP(3)
#endif
    ATTN__GROUP(2)
    ATTN__GROUP(1)
#undef ATTN__GROUP
}

#undef ATTN__ROWS
#undef ATTN__BYTES
#undef ATTN__MORE
#undef ATTN__NAME
#undef ATTN__BITS
