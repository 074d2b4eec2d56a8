/* SPDX-License-Identifier: MIT */
/*
 * What flash takes for a class of lengths, and the tiles that take least. The
 * constants are fitted to measured times.
 */
#include "solvers/flash_cost.h"

#include "solvers/blocks.h"
#include "solvers/flash_bf16.h"
#include "solvers/norm_pass.h"
#include "solvers/qk_load.h"
#include "solvers/score_steps.h"

static int64_t width(const struct attn__problem *p)
{
    return attn__max_i64(p->d, p->dv);
}

/* Query rows that go over the keys together. */
static int64_t pass_rows(const struct attn__problem *p, int64_t q)
{
    return width(p) <= 128 && p->max_group * q >= 256 ? ATTN__FLASH_ROWS : ATTN__FLASH_ROWS / 2;
}

/* Time for all rows of a head group, one as large as they are on average, in
 * tiles of w lanes, as `cost` counts. */
static double group_cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                         int64_t k, int64_t w)
{
    double rate = attn__machine_rate(m), wide = (double)(p->d + p->dv);
    double rows = (double)p->hout / (double)p->n_groups * (double)q, tiles = ceil(rows / (double)w);
    double passes = ceil(tiles * (double)w / (double)pass_rows(p, q));
    /* Keys computed per tile: what its rows see, and the edge of the tile. */
    double edge = p->n_pieces ? (double)w / (double)p->max_group / 2 + 2 : 0;
    double keys = attn__vis_share(p, q, k) * (double)k + edge;
    keys = keys > (double)k ? (double)k : keys;
    /* One vector of queries has few operands per product but where there are
     * 32 registers: there it keeps more of K in L1; a wide tile of wide heads
     * does not fit in that at all. */
    bool narrow = w == m->kern->lanes;
    double product = m->kern->lanes >= 16 ? narrow ? 1.03 : 1.05 : narrow ? 1.3 : 1.08;
    if (attn__flash_bf16_serves(p, m))
        product = narrow ? 0.58 : 0.52;
    if (w * width(p) * 4 > 24 << 10)
        product *= 1.2;
    double score = (m->kern->lanes >= 16 ? 9.5 : 14) + attn__score_cost(p) +
                   attn__norm_pass_cost(&p->norm) + (p->mask || p->segments ? 10 : 0);
    /* Pairs of bf16 are packed: for few rows that is most of the time. */
    double element = attn__flash_bf16_serves(p, m) ? 9 : p->kv_dtype == ATTN_DTYPE_F32 ? 0 : 3.4;
    double convert = element * wide / rate;
    convert += attn__qk_cost_k(p) * (double)p->d / rate;
    double lanes = tiles * (double)w / rate;
    return lanes * (keys * (product * wide + score) + 7.3 * wide) + tiles * 300 + rows * 15 +
           passes * (keys * convert + attn__stream_cost(p, q, k, keys, 4.5, 11) + 800) + 300;
}

struct attn__tiles attn__flash_tiles(const struct attn__problem *p, const struct attn__machine *m,
                                     int64_t q, int64_t k)
{
    int64_t lanes = m->kern->lanes;
    bool narrow = group_cost(p, m, q, k, lanes) < group_cost(p, m, q, k, 2 * lanes);
    int64_t w = narrow ? lanes : 2 * lanes;
    /* Long units for long sequences; short ones should still be several. */
    return (struct attn__tiles){.rows = (int32_t)w,
                                .keys = attn__block_keys(p),
                                .pass = (int32_t)attn__max_i64(pass_rows(p, q) / w, 1)};
}

int32_t attn__flash_more_tiles(const struct attn__problem *p, const struct attn__machine *m,
                               int64_t q, int64_t k, struct attn__tiles out[ATTN__MORE_TILES])
{
    struct attn__tiles t = attn__flash_tiles(p, m, q, k), other = t;
    int64_t rows = p->max_group * q, lanes = m->kern->lanes;
    int32_t most = ATTN__FLASH_ROWS, pass = pass_rows(p, q) == most ? most / 2 : most, n = 0;
    if (rows > lanes) {
        other.rows = t.rows == lanes ? 2 * t.rows : t.rows / 2;
        other.pass = (int32_t)attn__max_i64(pass_rows(p, q) / other.rows, 1);
        out[n++] = other;
    }
    if (rows > ATTN__FLASH_ROWS / 2 && pass >= 2 * lanes) {
        out[n] = t;
        out[n++].pass = pass / t.rows;
        out[n] = other;
        out[n++].pass = pass / other.rows;
    }
    return n;
}

double attn__flash_cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                        int64_t k)
{
    return (double)p->n_groups * group_cost(p, m, q, k, attn__flash_tiles(p, m, q, k).rows);
}
