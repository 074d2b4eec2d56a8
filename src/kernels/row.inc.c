/* SPDX-License-Identifier: MIT */
/*
 * Few query rows against many keys: decoding. K and V come from RAM once, in
 * the order of their rows, and each row is used for all query rows while it is
 * near. Included once for each storage type with
 *   ATTN__T            the type in memory
 *   ATTN__NAME(name)   the function names
 *   ATTN__LOAD(p), ATTN__LOADN(p, n)   a vector of it, widened to float
 *   ATTN__UNIT         what numbers that these load count, if not 1
 *   ATTN__EACH         there are kernels of row_each.inc.c and row_turns.inc.c
 *                      as well
 *
 * Rows in L2 are not asked for ahead of their use, as that only costs. Of others
 * some further on are asked for while one is used, and near the end of a run
 * those of the run that comes next, if the source tells (kernels.h).
 *
 * The result of a query row does not depend on the other rows: each score is
 * one vector chain over the columns and one fixed tree, each output one chain
 * over the keys.
 */

/* What rows are multiplied by, for the numbers that are loaded. */
#ifdef ATTN__UNIT
#define ATTN__COUNTED(y) v_mul(y, v_set1(ATTN__UNIT))
#else
#define ATTN__COUNTED(y) (y)
#endif

/* Asking for memory past the end is harmless, but such a pointer is not C. */
ATTN__INLINE void ATTN__NAME(prefetch)(const ATTN__T *p, int64_t ahead)
{
    uintptr_t at = (uintptr_t)p + (uintptr_t)ahead;
    __builtin_prefetch((const void *)at, 0, 2);
}

ATTN__INLINE void ATTN__NAME(prefetch_near)(const ATTN__T *p, int64_t ahead)
{
    uintptr_t at = (uintptr_t)p + (uintptr_t)(ahead * (int64_t)sizeof *p);
    __builtin_prefetch((const void *)at, 0, 3);
}

/* Rows from one to that which is to be asked for while it is used: at least
 * `bytes` further on. */
ATTN__INLINE int64_t ATTN__NAME(lead)(int64_t d, int64_t bytes)
{
    return bytes / (d * (int64_t)sizeof(ATTN__T)) + 1;
}

/*
 * So few query rows that they wait for RAM longer than they compute. What
 * fetches best then is the processor itself, which follows several places at a
 * time if each is read in order: four keys at once come from the four quarters
 * of all, and rows of V are read in whole. Asking for each line by an
 * instruction, as for more rows and for rows that do not follow each other, is
 * limited by the misses that L1 can have under way, and waits where it is. So
 * only one line of K in eight is asked for, which leads into the next page, and
 * of V none. While a row that is in L1 is used the memory rests: all query rows
 * go over V at once where its rows are eight vectors wide, else three and then one.
 * Rows of bytes take longer to widen than to wait for.
 */
#define ATTN__WAIT_K_BYTES 4096
#define ATTN__WAIT_K_EVERY 512
#define ATTN__WAIT_V_BYTES 4096
#define ATTN__WAIT_ROWS 4
#define ATTN__LEAST_APART 16

ATTN__INLINE bool ATTN__NAME(waits)(int64_t nr, int64_t ld, int64_t d,
                                    const struct attn__source *source)
{
    return source && source->from == ATTN__FROM_RAM && ld == d && sizeof(ATTN__T) > 1 &&
           nr <= (int64_t)sizeof(ATTN__T) && nr <= ATTN__WAIT_ROWS;
}

/* query rows at once */
#if VF_REGS >= 32
#define ATTN__ROWS 4
#else
#define ATTN__ROWS 2
#endif

/* Four keys, and what is asked for while they are used. */
struct ATTN__NAME(four) {
    const ATTN__T *k, *k1, *k2, *k3;
    bool asks;
    int64_t ahead, ahead1, ahead2, ahead3; /* bytes from each to that */
};

/* n <= 4 neighbours; keys that do not exist repeat another */
ATTN__INLINE struct ATTN__NAME(four) ATTN__NAME(four_of)(const ATTN__T *k, int64_t ldk, int64_t n,
                                                         int64_t ahead)
{
    const ATTN__T *k1 = n > 1 ? k + ldk : k, *k2 = n > 2 ? k + 2 * ldk : k1;
    return (struct ATTN__NAME(four)){k, k1, k2, n > 3 ? k + 3 * ldk : k2, ahead != 0,
                                     ahead, ahead, ahead, ahead};
}

/* `rows` query rows x n <= 4 keys. near: elements to the row that comes next in
 * this place, or 0. */
ATTN__INLINE void ATTN__NAME(qk_rows)(int rows, struct ATTN__NAME(four) f, int64_t near,
                                      int64_t n, int64_t d, const float *restrict q, int64_t ldq,
                                      float *restrict s, int64_t lds)
{
    const ATTN__T *restrict k = f.k, *restrict k1 = f.k1, *restrict k2 = f.k2,
                  *restrict k3 = f.k3;
    vf a[4][4];
#define ATTN__INIT(r, _)                                                                  \
    if (r < rows)                                                                         \
        a[r][0] = a[r][1] = a[r][2] = a[r][3] = v_zero();
    ATTN__UNROLL4(ATTN__INIT, )
#undef ATTN__INIT
#define ATTN__STEP(r, qv)                                                                 \
        if (r < rows) {                                                                   \
            vf y = qv;                                                                    \
            a[r][0] = v_fma(x0, y, a[r][0]);                                              \
            a[r][1] = v_fma(x1, y, a[r][1]);                                              \
            a[r][2] = v_fma(x2, y, a[r][2]);                                              \
            a[r][3] = v_fma(x3, y, a[r][3]);                                              \
        }
/* of the last part of a row too: a line that is not asked for is waited for */
#define ATTN__ASK                                                                         \
        if (f.asks) {                                                                     \
            ATTN__NAME(prefetch)(k + c, f.ahead);                                         \
            ATTN__NAME(prefetch)(k1 + c, f.ahead1);                                       \
            ATTN__NAME(prefetch)(k2 + c, f.ahead2);                                       \
            ATTN__NAME(prefetch)(k3 + c, f.ahead3);                                       \
        }
    int64_t c = 0;
    for (; c + VF_LANES <= d; c += VF_LANES) {
        vf x0 = ATTN__LOAD(k + c);
        vf x1 = ATTN__LOAD(k1 + c);
        vf x2 = ATTN__LOAD(k2 + c);
        vf x3 = ATTN__LOAD(k3 + c);
        ATTN__ASK
        /* Three rows do not hide the way from L2 to L1 as four do. */
        if (near && ((rows == 3 && VF_LANES * sizeof *k == 64) ||
                     (rows == 2 && VF_LANES * sizeof *k == 32 && c % 16 == 0))) {
            ATTN__NAME(prefetch_near)(k + c, near);
            ATTN__NAME(prefetch_near)(k1 + c, near);
            ATTN__NAME(prefetch_near)(k2 + c, near);
            ATTN__NAME(prefetch_near)(k3 + c, near);
        }
        ATTN__STEP(0, ATTN__COUNTED(v_load(q + c)))
        ATTN__STEP(1, ATTN__COUNTED(v_load(q + ldq + c)))
        ATTN__STEP(2, ATTN__COUNTED(v_load(q + 2 * ldq + c)))
        ATTN__STEP(3, ATTN__COUNTED(v_load(q + 3 * ldq + c)))
    }
    if (c < d) {
        int64_t m = d - c;
        vf x0 = ATTN__LOADN(k + c, m);
        vf x1 = ATTN__LOADN(k1 + c, m);
        vf x2 = ATTN__LOADN(k2 + c, m);
        vf x3 = ATTN__LOADN(k3 + c, m);
        ATTN__ASK
        ATTN__STEP(0, ATTN__COUNTED(v_loadn(q + c, m)))
        ATTN__STEP(1, ATTN__COUNTED(v_loadn(q + ldq + c, m)))
        ATTN__STEP(2, ATTN__COUNTED(v_loadn(q + 2 * ldq + c, m)))
        ATTN__STEP(3, ATTN__COUNTED(v_loadn(q + 3 * ldq + c, m)))
    }
#undef ATTN__STEP
#undef ATTN__ASK
#define ATTN__OUT(r, _)                                                                   \
    if (r < rows) {                                                                       \
        if (n == 4) {                                                                     \
            v_hsum4(s + r * lds, a[r][0], a[r][1], a[r][2], a[r][3]);                     \
        } else {                                                                          \
            float t[4];                                                                   \
            v_hsum4(t, a[r][0], a[r][1], a[r][2], a[r][3]);                               \
            for (int64_t i = 0; i < n; i++)                                               \
                s[r * lds + i] = t[i];                                                    \
        }                                                                                 \
    }
    ATTN__UNROLL4(ATTN__OUT, )
#undef ATTN__OUT
}

/* all query rows x n <= 4 keys */
ATTN__INLINE void ATTN__NAME(qk_keys)(struct ATTN__NAME(four) f, int64_t near, int64_t n,
                                      int64_t d, const float *restrict q, int64_t ldq, int64_t nr,
                                      float *restrict s, int64_t lds)
{
    int64_t r = 0;
#define ATTN__GROUP(rows)                                                                 \
    for (; r + (rows) <= nr; r += (rows)) {                                               \
        ATTN__NAME(qk_rows)(rows, f, near, n, d, q + r * ldq, ldq, s + r * lds, lds);     \
        f.asks = false;                                                                   \
    }
#if ATTN__ROWS >= 4
    ATTN__GROUP(4)
    ATTN__GROUP(3)
#endif
    ATTN__GROUP(2)
    ATTN__GROUP(1)
#undef ATTN__GROUP
}

/* s[r*lds + i*apart + j] = t[r*ldt + 4*j + i] for i < 4, j < n and r < nr */
ATTN__INLINE void ATTN__NAME(spread)(const float *t, int64_t ldt, int64_t n, int64_t nr,
                                     float *restrict s, int64_t lds, int64_t apart)
{
    for (int64_t r = 0; r < nr; r++, t += ldt, s += lds) {
        int64_t j = 0;
        for (; j + VF_LANES <= n; j += VF_LANES) {
            vf x[4];
            v_columns4(x, t + 4 * j, 4);
            for (int i = 0; i < 4; i++)
                v_store(s + i * apart + j, x[i]);
        }
        for (; j < n; j++)
            for (int i = 0; i < 4; i++)
                s[i * apart + j] = t[4 * j + i];
    }
}

/*
 * s[r*lds + i*apart + j] = sum_c place[i][j*ldk + c] * q[r*ldq + c] for i < 4,
 * j < nk and r < nr <= 4, d > 0; behind its rows each place goes on at then[i].
 *
 * Four scores of each of four rows in their own places would be sixteen lines
 * written at a time, which K drives out of L1 again and again, and sixteen more
 * places for the processor to follow. So they are gathered first.
 */
static __attribute__((noinline)) void
ATTN__NAME(row_qk_places)(const ATTN__T *const *place, const ATTN__T *const *then, int64_t ldk,
                          int64_t nk, int64_t d, const float *restrict q, int64_t ldq, int64_t nr,
                          float *restrict s, int64_t lds, int64_t apart)
{
    enum { PART = 256, LDT = 4 * PART };
    const int64_t bytes = d * (int64_t)sizeof(ATTN__T);
    const int64_t lead = ATTN__NAME(lead)(d, ATTN__WAIT_K_BYTES);
    const int64_t turn = lead < nk ? nk - lead : 0;
    const int64_t straight = (nk - turn) * ldk * (int64_t)sizeof(ATTN__T);
    /* Of vectors so short few lines are in the processor's view: ask for all. */
    const bool all = VF_LANES * sizeof(ATTN__T) < 32 && nr == 2;
    const ATTN__T *k[4] = {place[0], place[1], place[2], place[3]};
    int64_t ahead[4] = {straight, straight, straight, straight};
    float t[ATTN__WAIT_ROWS * LDT];
    for (int64_t j0 = 0; j0 < nk; j0 += PART) {
        const int64_t n = nk - j0 < PART ? nk - j0 : PART;
        for (int64_t j = 0; j < n; j++) {
            for (int i = 0; i < 4 && j0 + j == turn; i++)
                ahead[i] = asks_distance(k[i], then[i]);
            const struct ATTN__NAME(four) f = {k[0], k[1], k[2], k[3], all,
                                               ahead[0], ahead[1], ahead[2], ahead[3]};
            for (int64_t b = 0; b < bytes && !all; b += ATTN__WAIT_K_EVERY)
                for (int i = 0; i < 4; i++)
                    ATTN__NAME(prefetch)(k[i], ahead[i] + b);
            ATTN__NAME(qk_keys)(f, 0, 4, d, q, ldq, nr, t + 4 * j, LDT);
            for (int i = 0; i < 4; i++)
                k[i] += ldk;
        }
        ATTN__NAME(spread)(t, LDT, n, nr, s + j0, lds, apart);
    }
}

/* all but the last few of nk keys, from four places at a time: those done */
ATTN__INLINE int64_t ATTN__NAME(qk_apart)(const ATTN__T *k, int64_t nk, int64_t d,
                                          const float *q, int64_t ldq, int64_t nr, float *s,
                                          int64_t lds)
{
    const int64_t apart = nk / 4;
    const ATTN__T *place[5];
    if (apart < ATTN__LEAST_APART)
        return 0;
    for (int i = 0; i < 5; i++)
        place[i] = k + i * apart * d;
    ATTN__NAME(row_qk_places)(place, place + 1, d, apart, d, q, ldq, nr, s, lds, apart);
    return 4 * apart;
}

/* s[r*lds + j] = sum_c k[j*ldk + c] * q[r*ldq + c] */
static void ATTN__NAME(row_qk)(const ATTN__T *restrict k, int64_t ldk, int64_t nk, int64_t d,
                               const float *restrict q, int64_t ldq, int64_t nr,
                               float *restrict s, int64_t lds, const struct attn__source *source)
{
    if (d <= 0) {
        for (int64_t r = 0; r < nr; r++)
            for (int64_t j = 0; j < nk; j++)
                s[r * lds + j] = 0.0f;
        return;
    }
    const struct asks a = asks_of(k, ldk * (int64_t)sizeof *k, nk,
                                  ATTN__NAME(lead)(d, ATTN__AHEAD_BYTES), source);
    int64_t j = 0;
    if (ATTN__NAME(waits)(nr, ldk, d, source))
        j = ATTN__NAME(qk_apart)(k, nk, d, q, ldq, nr, s, lds);
    /* A branch in the inner loop shows, but for three rows, where gcc schedules
     * the loop better with it (0.82 of the peak against 0.63). */
    for (; j + 4 <= nk && !a.ahead && nr != 3; j += 4)
        ATTN__NAME(qk_keys)(ATTN__NAME(four_of)(k + j * ldk, ldk, 4, 0), 4 * ldk, 4, d, q, ldq, nr,
                            s + j, lds);
    for (; j < nk; j += 4) {
        const int64_t n = nk - j < 4 ? nk - j : 4;
        ATTN__NAME(qk_keys)(ATTN__NAME(four_of)(k + j * ldk, ldk, n,
                                                j < a.turn ? a.ahead : a.beyond),
                            4 * ldk, n, d, q, ldq, nr, s + j, lds);
    }
}

/* Keys taken before the next query rows: their part of V stays in L1. Fewer
 * where V comes from RAM, whose order counts for more than loads of sums, unless
 * the rows are so many that they compute for longer than they wait. */
#define ATTN__NEAR_BYTES 16384
#define ATTN__FAR_BYTES 4096
#define ATTN__MANY_ROWS 8

/* rows x vecs vectors of outputs, or rows x n columns when n > 0 (vecs is 1). Row
 * j of V is at v + j * ldv, or with `each` at each[j] + v0; then as much is asked for
 * of ask[j], if there is any. ahead: bytes from a row to that which is asked for, once
 * in `every` bytes of it, or 0. */
ATTN__INLINE void ATTN__NAME(pv_rows)(int rows, int vecs, int64_t n, const ATTN__T *restrict v,
                                      int64_t ldv, const ATTN__T *const *each,
                                      const ATTN__T *const *ask, int64_t v0, int64_t nk,
                                      const float *restrict p, int64_t ldp, float *restrict o,
                                      int64_t ldo, int64_t ahead, int every)
{
    vf a[4][8];
#define ATTN__COL(c, r)                                                                   \
        if (c < vecs)                                                                     \
            a[r][c] = n ? v_loadn(o + r * ldo, n) : v_load(o + r * ldo + c * VF_LANES);
#define ATTN__ROW(r, _)                                                                   \
    if (r < rows) {                                                                       \
        ATTN__INNER8(ATTN__COL, r)                                                        \
    }
    ATTN__UNROLL4(ATTN__ROW, )
#undef ATTN__ROW
#undef ATTN__COL
    for (int64_t j = 0; j < nk; j++) {
        vf y[4];
        if (each)
            v = each[j] + v0;
#define ATTN__ROW(r, _)                                                                   \
        if (r < rows)                                                                     \
            y[r] = ATTN__COUNTED(v_set1(p[r * ldp + j]));
        ATTN__UNROLL4(ATTN__ROW, )
#undef ATTN__ROW
#define ATTN__ROW(r, c)                                                                   \
            if (r < rows)                                                                 \
                a[r][c] = v_fma(y[r], x, a[r][c]);
#define ATTN__COL(c, _)                                                                   \
        if (c < vecs) {                                                                   \
            vf x = n ? ATTN__LOADN(v, n) : ATTN__LOAD(v + c * VF_LANES);                  \
            if (ahead && c * VF_LANES * (int)sizeof *v % every == 0)                      \
                ATTN__NAME(prefetch)(v + c * VF_LANES, ahead);                            \
            if (ask && c * VF_LANES * sizeof *v % 64 == 0)                                \
                ATTN__NAME(prefetch)(ask[j] + v0 + c * VF_LANES, 0);                      \
            ATTN__UNROLL4(ATTN__ROW, c)                                                   \
        }
        ATTN__INNER8(ATTN__COL, )
#undef ATTN__COL
#undef ATTN__ROW
        if (!each)
            v += ldv;
    }
#define ATTN__COL(c, r)                                                                   \
        if (c < vecs) {                                                                   \
            if (n)                                                                        \
                v_storen(o + r * ldo, a[r][c], n);                                        \
            else                                                                          \
                v_store(o + r * ldo + c * VF_LANES, a[r][c]);                             \
        }
#define ATTN__ROW(r, _)                                                                   \
    if (r < rows) {                                                                       \
        ATTN__INNER8(ATTN__COL, r)                                                        \
    }
    ATTN__UNROLL4(ATTN__ROW, )
#undef ATTN__ROW
#undef ATTN__COL
}

/* all query rows, `vecs` vectors of columns (n > 0: the last n columns) */
ATTN__INLINE void ATTN__NAME(pv_cols)(int vecs, int most, int64_t n, const ATTN__T *v, int64_t ldv,
                                      int64_t nk, const float *p, int64_t ldp, int64_t nr,
                                      float *o, int64_t ldo, int64_t ahead)
{
    int64_t r = 0;
#define ATTN__GROUP(rows)                                                                 \
    for (; most >= (rows) && r + (rows) <= nr; r += (rows))                               \
        ATTN__NAME(pv_rows)(rows, vecs, n, v, ldv, NULL, NULL, 0, nk, p + r * ldp, ldp,   \
                            o + r * ldo, ldo, r ? 0 : ahead, 64);
    ATTN__GROUP(4)
    ATTN__GROUP(3)
    ATTN__GROUP(2)
    ATTN__GROUP(1)
#undef ATTN__GROUP
}

/* Do all query rows, four of them or fewer, go over whole rows of V at once? A few of
 * the 32 sums of four rows do not fit beside the rest; compilers keep them in L1, where
 * multiply-adds take them from. */
ATTN__INLINE bool ATTN__NAME(pv_at_once)(int64_t dv, bool waits)
{
    return waits && VF_REGS >= 32 && sizeof(ATTN__T) == 4 && dv == 8 * VF_LANES;
}

/* all query rows and columns, few keys; waits: as above */
ATTN__INLINE void ATTN__NAME(pv_few)(const ATTN__T *v, int64_t ldv, int64_t nk, int64_t dv,
                                     const float *p, int64_t ldp, int64_t nr, float *o,
                                     int64_t ldo, bool waits, int64_t ahead)
{
    int64_t c = 0;
#define ATTN__COLS(vecs, most)                                                            \
    for (; c + (vecs) * VF_LANES <= dv; c += (vecs) * VF_LANES)                           \
        ATTN__NAME(pv_cols)(vecs, most, 0, v + c, ldv, nk, p, ldp, nr, o + c, ldo, ahead);
#if VF_REGS >= 32
    if (ATTN__NAME(pv_at_once)(dv, waits)) {
        ATTN__COLS(8, 4)
    }
    if (waits || nr <= 2 || (ahead && nr <= 3)) {
        ATTN__COLS(8, 3)
    }
    ATTN__COLS(4, 4)
#else
    (void)waits;
    ATTN__COLS(4, 2)
#endif
    ATTN__COLS(2, 4)
    ATTN__COLS(1, 4)
#undef ATTN__COLS
    if (c < dv)
        ATTN__NAME(pv_cols)(1, 4, dv - c, v + c, ldv, nk, p, ldp, nr, o + c, ldo, ahead);
}

static void ATTN__NAME(pv_keys)(const ATTN__T *v, int64_t ldv, int64_t nk, int64_t dv,
                                const float *p, int64_t ldp, int64_t nr, float *o, int64_t ldo,
                                bool waits, int64_t ahead)
{
    const bool far = (waits || ahead) && nr < ATTN__MANY_ROWS;
    const int64_t bytes = far ? ATTN__FAR_BYTES : ATTN__NEAR_BYTES;
    int64_t step = bytes / (dv * (int64_t)sizeof *v);
    step = ATTN__NAME(pv_at_once)(dv, waits) ? nk : step < 8 ? 8 : step;
    for (int64_t j = 0; j < nk; j += step)
        ATTN__NAME(pv_few)(v + j * ldv, ldv, nk - j < step ? nk - j : step, dv, p + j, ldp, nr, o,
                           ldo, waits, ahead);
}

/* o[r*ldo + c] += sum_j p[r*ldp + j] * v[j*ldv + c] */
static void ATTN__NAME(row_pv)(const ATTN__T *restrict v, int64_t ldv, int64_t nk, int64_t dv,
                               const float *restrict p, int64_t ldp, int64_t nr,
                               float *restrict o, int64_t ldo, const struct attn__source *source)
{
    if (dv <= 0)
        return;
    const bool waits = ATTN__NAME(waits)(nr, ldv, dv, source);
    /* Rows read in whole are followed without being asked for, but for the run
     * that comes next. */
    const bool whole = VF_REGS >= 32 && dv <= 8 * VF_LANES;
    const int64_t bytes = !waits ? ATTN__AHEAD_BYTES : whole ? 0 : ATTN__WAIT_V_BYTES;
    const struct asks a =
        asks_of(v, ldv * (int64_t)sizeof *v, nk, ATTN__NAME(lead)(dv, bytes), source);
    ATTN__NAME(pv_keys)(v, ldv, a.turn, dv, p, ldp, nr, o, ldo, waits,
                        waits && whole ? 0 : a.ahead);
    if (a.turn < nk)
        ATTN__NAME(pv_keys)(v + a.turn * ldv, ldv, nk - a.turn, dv, p + a.turn, ldp, nr, o, ldo,
                            waits, a.beyond);
}

#ifdef ATTN__EACH
#include "kernels/row_each.inc.c"
#include "kernels/row_turns.inc.c"
#undef ATTN__EACH
#endif

#undef ATTN__WAIT_K_BYTES
#undef ATTN__WAIT_K_EVERY
#undef ATTN__WAIT_V_BYTES
#undef ATTN__WAIT_ROWS
#undef ATTN__LEAST_APART
#undef ATTN__NEAR_BYTES
#undef ATTN__FAR_BYTES
#undef ATTN__MANY_ROWS
#undef ATTN__ROWS
#undef ATTN__T
#undef ATTN__NAME
#undef ATTN__LOAD
#undef ATTN__LOADN
#undef ATTN__UNIT
#undef ATTN__COUNTED
