/* SPDX-License-Identifier: MIT */
/*
 * A task is a chunk of the keys of one sequence and group of the cache: it
 * adds to the scores of its own tokens, heads and rows always in the same
 * order, so that scores do not hang on threads.
 */
#include "solvers/observe.h"

#include "solvers/blocks.h"
#include "state/cache_view.h"

enum { MAX_ROWS = 32 };

struct job {
    const struct attn__call *c;
    const struct attn__machine *m;
    const struct attn__row_room *room;
    const attn_view *view;
    int64_t workers, tasks, chunks; /* tasks: [sequences][groups][chunks] */
};

/* The table that a task adds to. */
struct scored {
    const attn_cache *cache;
    const struct attn__paged *paged;
    struct attn__cache_table *table;
    int64_t number;
};

struct attn__row_room *attn__observe_take(struct attn__scratch *s, const struct attn__problem *p,
                                          int64_t threads)
{
    int64_t n = p->view.observe ? threads : 0;
    struct attn__row_room *room = ATTN__TAKE(s, n, struct attn__row_room);
    for (int64_t i = 0; i < n; i++) {
        struct attn__row_room one;
        attn__row_room_take(s, p, MAX_ROWS, &one);
        if (room)
            room[i] = one;
    }
    return room;
}

static struct scored table_of(const struct job *j, int64_t seq, int64_t group)
{
    const struct attn__paged_view *v = &j->view->paged;
    int64_t number = j->c->view_row * v->row_tables + group;
    return (struct scored){.cache = j->view->cache,
                           .paged = &v->table[seq * v->seq_tables + number],
                           .table = &j->view->segment[j->view->last[seq]].seq->table[number],
                           .number = number};
}

/* Weights p of keys j0 to j0 + n - 1. */
static void add(const struct scored *to, int64_t j0, int64_t n, const float *p)
{
    for (int64_t k = 0, run; k < n; k += run) {
        int64_t cell;
        run = attn__paged_cells(to->paged, j0 + k, n - k, &cell);
        if (cell >= 0)
            attn__cache_score_add(to->cache, to->number, to->table, cell, p + k, run);
    }
}

/* What a pass's rows give to keys j0 to j1 - 1, a span. */
static void add_span(const struct job *j, const struct scored *to, struct attn__row_pass *ps,
                     int64_t j0, int64_t j1)
{
    static const float none[ATTN__ROW_SPAN];
    bool seen = attn__row_pass_scores(ps, j0, j1);
    for (int64_t r = 0; r < ps->rows; r++) {
        int64_t head = attn__vis_head(&ps->vis, ps->r0 + r);
        struct attn__rows lse = attn__call_per_row(j->c, ATTN__SLOT_LSE, ps->s, head);
        double e = attn__rows_load(&lse, attn__vis_query(&ps->vis, ps->r0 + r), 0);
        float m = (float)(e * M_LOG2E);
        float *s = ps->room->s + r * ps->lds, l = 0;
        if (seen) /* no score is above the lse */
            (void)ps->kern->row_softmax(s, j1 - j0, &m, &l);
        add(to, j0, j1 - j0, seen ? s : none);
    }
}

/* Keys of a chunk, by rows i0 on of heads h0 to h0 + heads - 1. */
static void add_rows(const struct job *j, const struct attn__row_room *room,
                     const struct scored *to, const struct attn__seq *s, int64_t chunk,
                     int64_t h0, int64_t heads, int64_t i0, int64_t queries)
{
    struct attn__row_pass ps = {.c = j->c, .kern = j->m->kern, .s = s, .room = room, .h0 = h0,
                                .heads = heads, .i0 = i0, .rows = heads * queries};
    int64_t end = attn__min_i64(s->nk, (chunk + 1) * ATTN__CHUNK);
    attn__row_pass_begin(&ps);
    for (int64_t j0 = chunk * ATTN__CHUNK; j0 < end; j0 += ATTN__ROW_SPAN)
        add_span(j, to, &ps, j0, attn__min_i64(end, j0 + ATTN__ROW_SPAN));
}

static void observe(const struct job *j, const struct attn__row_room *room, int64_t seq,
                    int64_t group, int64_t chunk)
{
    const struct attn__problem *p = j->c->p;
    struct attn__seq s = attn__call_seq(j->c, seq);
    struct scored to = table_of(j, seq, group);
    if (chunk * ATTN__CHUNK >= s.nk || !attn__cache_tracks(to.cache, to.number))
        return;
    int64_t from = s.nq - attn__cache_scored_rows(to.cache, to.number, s.nq);
    for (int64_t g = 0; g < p->n_groups; g++) {
        if (p->view.group[p->k_head[p->group[g]]] != group)
            continue;
        int64_t heads = attn__min_i64(p->group[g + 1] - p->group[g], MAX_ROWS), some;
        int64_t queries = MAX_ROWS / heads;
        for (int64_t h = p->group[g]; h < p->group[g + 1]; h += heads) {
            some = attn__min_i64(heads, p->group[g + 1] - h);
            for (int64_t i = from; i < s.nq; i += queries)
                add_rows(j, room, &to, &s, chunk, h, some, i, attn__min_i64(queries, s.nq - i));
        }
    }
}

static void work(void *arg, int64_t worker)
{
    const struct job *j = arg;
    int64_t groups = j->view->cache->c.groups;
    for (int64_t n = worker; n < j->tasks; n += j->workers)
        observe(j, &j->room[worker], n / j->chunks / groups, n / j->chunks % groups,
                n % j->chunks);
}

void attn__observe(const struct attn__call *c, const struct attn__machine *m,
                   struct attn__threads *threads, const struct attn__row_room *room)
{
    struct job j = {.c = c, .m = m, .room = room, .view = c->object[ATTN__SLOT_VIEW]};
    int64_t keys = 0, groups = j.view->cache->c.groups;
    const attn_tensor *layer = &c->t[ATTN__SLOT_LAYER];
    if (!j.view->cache->c.owns[attn__load_i64(layer->data, 0, layer->dtype)])
        return;
    for (int64_t n = 0; n < c->n_seq; n++) {
        keys = attn__max_i64(keys, j.view->paged.keys[n]);
        for (int64_t g = 0; g < groups; g++) {
            struct scored to = table_of(&j, n, g);
            if (attn__cache_tracks(to.cache, to.number))
                attn__cache_score_begin(to.cache, to.number, to.table);
        }
    }
    j.chunks = (keys + ATTN__CHUNK - 1) / ATTN__CHUNK;
    j.tasks = c->n_seq * groups * j.chunks;
    j.workers = attn__min_i64(m->threads, j.tasks);
    attn__threads_run(threads, j.workers, work, &j);
}
