/* SPDX-License-Identifier: MIT */
/*
 * row_pv of row.inc.c, which includes this, for V that one or two query rows
 * wait for: it is read at four places, a few rows of each in turn, so that each
 * turn asks for the next one of its place while the other three are used. One
 * place alone, however far ahead it asks, reaches three quarters of that, and
 * less where it goes from page to page.
 *
 * The widths are those of most models, as constants: the memory waits for what
 * a turn costs by itself.
 */

/* rows of V; of f16 more are 5 to 15 % slower */
#define ATTN__TURN 4

ATTN__INLINE void ATTN__NAME(pv_turns)(int rows, const int64_t dv, const ATTN__T *const *place,
                                       const ATTN__T *const *then, int64_t ldv, int64_t nk,
                                       const float *p, int64_t apart, int64_t ldp, float *o,
                                       int64_t ldo, int64_t part)
{
    const int most = VF_REGS >= 32 || rows == 1 ? 8 : 4;
    const int vecs = dv < most * VF_LANES ? (int)dv / VF_LANES : most;
    /* Two rows of sums that fill the registers are held up by asking for every line. */
    const int every = rows * vecs == 16 && VF_LANES * sizeof(ATTN__T) == 64 ? 128 : 64;
#define ATTN__SUM(n, ahead)                                                               \
    for (int64_t c = 0; c < dv; c += vecs * VF_LANES)                                     \
        ATTN__NAME(pv_rows)(rows, vecs, 0, place[i] + j * ldv + c, ldv, NULL, NULL, 0, n, \
                            p + i * apart + j, ldp, o + i * part + c, ldo, ahead, every);
    int64_t j = 0;
    for (; j + ATTN__TURN < nk; j += ATTN__TURN)
        for (int64_t i = 0; i < 4; i++) {
            ATTN__SUM(ATTN__TURN, ATTN__TURN * ldv * (int64_t)sizeof(ATTN__T))
        }
    for (int64_t i = 0; i < 4 && j < nk; i++) {
        ATTN__SUM(nk - j, asks_distance(place[i] + j * ldv, then[i]))
    }
#undef ATTN__SUM
}

/* o[i*part + r*ldo + c] += sum_j p[r*ldp + i*apart + j] * place[i][j*ldv + c] for
 * i < 4, j < nk and r < nr <= 2, dv being 64 or 128; behind its rows each place
 * goes on at then[i]. */
static void ATTN__NAME(row_pv_turns)(const ATTN__T *const *place, const ATTN__T *const *then,
                                     int64_t ldv, int64_t nk, int64_t dv, const float *restrict p,
                                     int64_t apart, int64_t ldp, int64_t nr, float *restrict o,
                                     int64_t ldo, int64_t part)
{
    if (dv == 128 && nr == 1)
        ATTN__NAME(pv_turns)(1, 128, place, then, ldv, nk, p, apart, ldp, o, ldo, part);
    else if (dv == 128)
        ATTN__NAME(pv_turns)(2, 128, place, then, ldv, nk, p, apart, ldp, o, ldo, part);
    else if (nr == 1)
        ATTN__NAME(pv_turns)(1, 64, place, then, ldv, nk, p, apart, ldp, o, ldo, part);
    else
        ATTN__NAME(pv_turns)(2, 64, place, then, ldv, nk, p, apart, ldp, o, ldo, part);
}

#undef ATTN__TURN
