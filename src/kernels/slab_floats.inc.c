/* SPDX-License-Identifier: MIT */
/* What row_slab.inc.c takes of a set of instructions: of queries floats. */

/* 32 channels at a time; with `code` these times their factors f instead of q */
static void slab_query(const float *restrict q, int64_t d, const int8_t *restrict code,
                       const float *restrict f, struct attn__slab_query *restrict to)
{
    for (int64_t i = 0; i < d; i++)
        to[i / 32].x[i % 32] = code ? (float)code[i] * f[i / 32] : q[i];
}

/* w[i] = p[i] f[i] */
ATTN__INLINE void slab_products(const float *p, const float *f, int64_t n, float *w)
{
    for (int64_t i = 0; i < n; i += VF_LANES)
        v_store(w + i, v_mul(v_load(p + i), v_load(f + i)));
}
