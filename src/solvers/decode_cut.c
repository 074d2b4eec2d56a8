/* SPDX-License-Identifier: MIT */
/*
 * Jobs, items and units of decode, and their bytes. All that is not a sum over
 * jobs is found again when asked for, so that lists are as long as the batch.
 */
#include "solvers/decode_cut.h"

#include <attn/tensor.h>

#include "solvers/blocks.h"

enum { ROWS = ATTN__DECODE_ROWS };

struct job {
    struct attn__seq s;
    const struct attn__prefix *prefix;
};

void attn__decode_cut_take(struct attn__scratch *s, const struct attn__problem *p,
                           struct attn__decode_cut *cut)
{
    int64_t jobs = 0;
    /* prefixes are fewer than sequences times heads */
    s->ok = s->ok && attn__mul_i64(p->b, p->view.is ? attn__max_i64(p->hk, 1) : 1, &jobs) &&
            attn__add_i64(jobs, 1, &jobs);
    cut->start = ATTN__TAKE(s, jobs, int64_t);
    cut->bytes = ATTN__TAKE(s, jobs, double);
}

static struct job job_at(const struct attn__decode_cut *cut, int64_t n)
{
    const struct attn__prefix *prefix = cut->prefixes ? &cut->pre->prefix[n] : NULL;
    if (prefix)
        n = cut->pre->member[prefix->first].seq;
    return (struct job){attn__call_seq(cut->x->call, n), prefix};
}

int64_t attn__decode_cut_chunks(const struct attn__seq *s)
{
    return attn__max_i64((s->nk + ATTN__CHUNK - 1) / ATTN__CHUNK, 1);
}

/* Items of a head group: its heads go together as far as ROWS reaches, then as
 * many queries as still fit. */
static void group_shape(const struct attn__problem *p, int64_t g, int64_t *heads,
                        int64_t *head_parts, int64_t *queries)
{
    int64_t all = p->group[g + 1] - p->group[g];
    *heads = attn__min_i64(all, ROWS);
    *head_parts = (all + *heads - 1) / *heads;
    *queries = ROWS / *heads;
}

static int64_t seq_items(const struct attn__exec *x, const struct attn__seq *s, int64_t g)
{
    int64_t heads, parts, queries;
    if (x->active)
        return (attn__active_count(x, s, g) + ROWS - 1) / ROWS;
    group_shape(x->call->p, g, &heads, &parts, &queries);
    return parts * attn__max_i64((s->nq + queries - 1) / queries, 1);
}

static int64_t prefix_rows(const struct attn__exec *x, const struct attn__prefix *prefix, int64_t g)
{
    const struct attn__problem *p = x->call->p;
    return attn__prefixes_group(x, g) == prefix->group
               ? prefix->queries * (p->group[g + 1] - p->group[g])
               : 0;
}

static int64_t items_of(const struct attn__decode_cut *cut, const struct job *job, int64_t g)
{
    if (job->prefix)
        return (prefix_rows(cut->x, job->prefix, g) + ROWS - 1) / ROWS;
    return seq_items(cut->x, &job->s, g);
}

static const struct attn__prefix_member *member_of(const struct attn__decode_cut *cut,
                                                   const struct job *job, int64_t g)
{
    return cut->pre && !job->prefix
               ? attn__prefixes_member(cut->pre, cut->x, job->s.index, g)
               : NULL;
}

static void chunks_of(const struct attn__decode_cut *cut, const struct job *job, int64_t g,
                      int64_t *from, int64_t *to)
{
    const struct attn__prefix_member *member = member_of(cut, job, g);
    *from = member ? cut->pre->prefix[member->prefix].chunks : 0;
    *to = job->prefix ? job->prefix->chunks : attn__decode_cut_chunks(&job->s);
}

/* A job's head groups are all cut like the first. */
static bool cut_alike(const struct attn__decode_cut *cut)
{
    const struct attn__call *c = cut->x->call;
    return c->p->even_groups && !cut->x->active && !(c->view && c->view->row_tables > 1);
}

/* ... and see the same keys. */
static bool see_alike(const struct attn__decode_cut *cut)
{
    return cut_alike(cut) && cut->x->call->p->plain_pieces;
}

/* ---- bytes */

/* What items of a head group read. */
struct weight {
    struct attn__vis vis;
    int64_t rows, lo, hi; /* of all items together; keys in between at most */
    double key;           /* bytes of a key and its value */
};

static double key_bytes(const struct attn__call *c, int64_t g)
{
    const struct attn__problem *p = c->p;
    if (!c->view)
        return (double)(p->d + p->dv) * attn__dtype_bytes(p->kv_dtype);
    const struct attn__paged_head *head = &c->view->head[p->k_head[p->group[g]]];
    return (double)attn__dtype_row(head->k_stored, p->d) +
           (double)attn__dtype_row(head->v_stored, p->dv);
}

static struct weight weigh(const struct attn__decode_cut *cut, const struct job *job, int64_t g)
{
    const struct attn__problem *p = cut->x->call->p;
    int64_t heads = p->group[g + 1] - p->group[g];
    struct weight w = {.vis = attn__call_vis(cut->x->call, &job->s, p->group[g], heads),
                       .rows = heads * job->s.nq,
                       .key = key_bytes(cut->x->call, g)};
    if (w.rows > 0)
        attn__vis_hull(&w.vis, 0, w.rows, &w.lo, &w.hi);
    return w;
}

static double chunk_bytes(const struct weight *w, int64_t chunk)
{
    int64_t j0 = attn__max_i64(w->lo, chunk * ATTN__CHUNK);
    int64_t j1 = attn__min_i64(w->hi, (chunk + 1) * ATTN__CHUNK);
    if (j0 >= j1 || attn__vis_tile(&w->vis, 0, w->rows, j0, j1) == ATTN__TILE_EMPTY)
        return 0;
    return (double)(j1 - j0) * w->key;
}

static double chunks_bytes(const struct weight *w, int64_t from, int64_t to)
{
    double sum = 0;
    for (int64_t n = attn__max_i64(from, w->lo / ATTN__CHUNK); n < to && n * ATTN__CHUNK < w->hi;
         n++)
        sum += chunk_bytes(w, n);
    return sum;
}

static double group_bytes(const struct attn__decode_cut *cut, const struct job *job, int64_t g)
{
    struct weight w = weigh(cut, job, g);
    int64_t from, to;
    chunks_of(cut, job, g, &from, &to);
    return (double)items_of(cut, job, g) * chunks_bytes(&w, from, to);
}

/* ---- units */

static int64_t group_units(const struct attn__decode_cut *cut, const struct job *job, int64_t g)
{
    int64_t from, to;
    chunks_of(cut, job, g, &from, &to);
    return items_of(cut, job, g) * (to - from);
}

static void add_job(struct attn__decode_cut *cut, const struct job *job, int64_t *units,
                    double *bytes)
{
    int64_t groups = cut->x->call->p->n_groups;
    bool weighs = cut->x->machine->threads > 1;
    if (cut_alike(cut))
        *units += groups * group_units(cut, job, 0);
    else
        for (int64_t g = 0; g < groups; g++)
            *units += group_units(cut, job, g);
    if (weighs && see_alike(cut))
        *bytes += (double)groups * group_bytes(cut, job, 0);
    else
        for (int64_t g = 0; g < groups && weighs; g++)
            *bytes += group_bytes(cut, job, g);
}

int64_t attn__decode_cut_begin(struct attn__decode_cut *cut)
{
    int64_t units = 0;
    double bytes = 0;
    cut->jobs = cut->prefixes ? cut->pre->n : cut->x->call->n_seq;
    for (int64_t n = 0; n < cut->jobs; n++) {
        struct job job = job_at(cut, n);
        cut->start[n] = units;
        cut->bytes[n] = bytes;
        if (attn__exec_mine(cut->x, &job.s))
            add_job(cut, &job, &units, &bytes);
    }
    cut->start[cut->jobs] = units;
    cut->bytes[cut->jobs] = bytes;
    return units;
}

/* The last job that begins at unit n or in front of it: one that has units. */
static int64_t find_job(const struct attn__decode_cut *cut, int64_t n)
{
    int64_t lo = 0, hi = cut->jobs;
    while (hi - lo > 1) {
        int64_t mid = lo + (hi - lo) / 2;
        if (cut->start[mid] <= n)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* The head group that unit *index of a job is in; *index is then counted within
 * it. */
static int64_t find_group(const struct attn__decode_cut *cut, const struct job *job,
                          int64_t *index)
{
    int64_t g = 0, units = group_units(cut, job, 0);
    if (cut_alike(cut)) {
        g = *index / units;
        *index %= units;
        return g;
    }
    for (; *index >= units; units = group_units(cut, job, ++g))
        *index -= units;
    return g;
}

struct attn__decode_item attn__decode_cut_item(const struct attn__decode_cut *cut, int64_t n)
{
    const struct attn__problem *p = cut->x->call->p;
    int64_t at = find_job(cut, n), index = n - cut->start[at], heads, parts, queries;
    struct job job = job_at(cut, at);
    struct attn__decode_item it = {.s = job.s, .prefix = job.prefix};
    it.g = find_group(cut, &job, &index);
    it.member = member_of(cut, &job, it.g);
    chunks_of(cut, &job, it.g, &it.from, &it.to);
    it.unit = n - index % (it.to - it.from);
    index /= it.to - it.from;
    it.h0 = p->group[it.g];
    it.heads = p->group[it.g + 1] - it.h0;
    it.first = index * ROWS;
    if (job.prefix) {
        it.rows = attn__min_i64(prefix_rows(cut->x, job.prefix, it.g) - it.first, ROWS);
        return it;
    }
    if (cut->x->active) {
        it.rows = attn__min_i64(attn__active_count(cut->x, &it.s, it.g) - it.first, ROWS);
        return it;
    }
    group_shape(p, it.g, &heads, &parts, &queries);
    it.h0 += index % parts * heads;
    it.heads = attn__min_i64(heads, p->group[it.g + 1] - it.h0);
    it.i0 = index / parts * queries;
    it.rows = it.heads * attn__min_i64(queries, it.s.nq - it.i0);
    return it;
}

/* ---- workers */

/* Of the units of a head group's items those that `bytes` are read by, to the
 * next end of a chunk. */
static int64_t units_of_bytes(const struct attn__decode_cut *cut, const struct job *job, int64_t g,
                              double bytes)
{
    struct weight w = weigh(cut, job, g);
    int64_t from, to;
    chunks_of(cut, job, g, &from, &to);
    double item = chunks_bytes(&w, from, to);
    if (!(item > 0))
        return 0;
    int64_t items = (int64_t)(bytes / item), n = from;
    bytes -= (double)items * item;
    for (double next; n < to && bytes > (next = chunk_bytes(&w, n)) / 2; n++)
        bytes -= next;
    return items * (to - from) + (n - from);
}

int64_t attn__decode_cut_worker(const struct attn__decode_cut *cut, int64_t n, int64_t workers)
{
    int64_t units = cut->start[cut->jobs], lo = 0, hi = cut->jobs, g = 0;
    double all = cut->bytes[cut->jobs], left = all * (double)n / (double)workers, more = 0;
    if (n <= 0 || n >= workers)
        return n <= 0 ? 0 : units;
    if (!(all > 0)) /* nobody sees anything */
        return units / workers * n + attn__min_i64(n, units % workers);
    while (hi - lo > 1) { /* to a job that reads something */
        int64_t mid = lo + (hi - lo) / 2;
        if (cut->bytes[mid] <= left)
            lo = mid;
        else
            hi = mid;
    }
    struct job job = job_at(cut, lo);
    int64_t unit = cut->start[lo], last = cut->x->call->p->n_groups - 1;
    left -= cut->bytes[lo];
    if (see_alike(cut)) {
        more = group_bytes(cut, &job, 0);
        g = attn__min_i64((int64_t)(left / more), last);
        left -= (double)g * more;
        unit += g * group_units(cut, &job, 0);
    } else {
        for (; g < last && left >= (more = group_bytes(cut, &job, g)); g++) {
            left -= more;
            unit += group_units(cut, &job, g);
        }
    }
    return attn__min_i64(unit + units_of_bytes(cut, &job, g, left), cut->start[lo + 1]);
}

double attn__decode_cut_bytes(const struct attn__decode_cut *cut, int64_t n0, int64_t n1)
{
    double sum = 0;
    while (n0 < n1) {
        struct attn__decode_item it = attn__decode_cut_item(cut, n0);
        struct job job = {it.s, it.prefix};
        struct weight w = weigh(cut, &job, it.g);
        int64_t c0 = it.from + n0 - it.unit;
        int64_t c1 = attn__min_i64(it.to, c0 + (n1 - n0));
        sum += chunks_bytes(&w, c0, c1);
        n0 += c1 - c0;
    }
    return sum;
}

int64_t attn__decode_cut_items(const struct attn__exec *x, const struct attn__seq *s)
{
    int64_t sum = 0;
    for (int64_t g = 0; g < x->call->p->n_groups; g++)
        sum += seq_items(x, s, g);
    return sum;
}
