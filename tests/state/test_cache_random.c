/* SPDX-License-Identifier: MIT */
/*
 * Random calls to a cache and to the model of one: the same statuses, and
 * after every call the same sequences, positions, rows and page counts. Some
 * calls run out of memory on the way and some are nonsense; what they leave
 * behind is compared byte by byte with what was there. Views are made on the
 * way and executed, at once or when they are old. Every call must have met
 * every status that it can have, and most calls must succeed.
 * usage: test_cache_random [--seed N|fresh] [--calls N]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache_world.h"

enum call {
    CREATE,
    FREE,
    FORK,
    TRUNCATE,
    REMOVE,
    SHIFT,
    PRUNE,
    REORDER,
    BEGIN,
    WRITE,
    COMMIT,
    ABORT,
    LOAD, /* of what was just saved */
    APPEND,
    VIEW,
    EXECUTE,
    CALLS
};

static const char *const call_name[CALLS] = {
    "create",  "free",  "fork",  "truncate", "remove", "shift", "prune",
    "reorder", "begin", "write", "commit",   "abort",  "load",  "append",
    "view",    "execute"};

/* What each call must have said. */
static const struct {
    enum call call;
    int32_t status;
} expected[] = {
    {CREATE, ATTN_ERR_FULL},      {CREATE, ATTN_ERR_NOMEM},      {FREE, ATTN_ERR_BAD_ID},
    {FREE, ATTN_ERR_BUSY},        {FORK, ATTN_ERR_BAD_ID},       {FORK, ATTN_ERR_BUSY},
    {FORK, ATTN_ERR_INVALID},     {FORK, ATTN_ERR_UNAVAILABLE},  {FORK, ATTN_ERR_FULL},
    {FORK, ATTN_ERR_NOMEM},       {TRUNCATE, ATTN_ERR_BAD_ID},   {TRUNCATE, ATTN_ERR_BUSY},
    {TRUNCATE, ATTN_ERR_INVALID}, {TRUNCATE, ATTN_ERR_UNAVAILABLE},
    {REMOVE, ATTN_ERR_BAD_ID},    {REMOVE, ATTN_ERR_BUSY},       {REMOVE, ATTN_ERR_INVALID},
    {REMOVE, ATTN_ERR_UNAVAILABLE}, {SHIFT, ATTN_ERR_BAD_ID},    {SHIFT, ATTN_ERR_BUSY},
    {SHIFT, ATTN_ERR_UNSUPPORTED}, {SHIFT, ATTN_ERR_INVALID},    {SHIFT, ATTN_ERR_UNAVAILABLE},
    {SHIFT, ATTN_ERR_FULL},       {SHIFT, ATTN_ERR_NOMEM},       {PRUNE, ATTN_ERR_BAD_ID},
    {PRUNE, ATTN_ERR_BUSY},       {PRUNE, ATTN_ERR_INVALID},     {PRUNE, ATTN_ERR_UNSUPPORTED},
    {REORDER, ATTN_ERR_BAD_ID},   {REORDER, ATTN_ERR_BUSY},      {REORDER, ATTN_ERR_INVALID},
    {REORDER, ATTN_ERR_NOMEM},    {BEGIN, ATTN_ERR_BAD_ID},      {BEGIN, ATTN_ERR_BUSY},
    {BEGIN, ATTN_ERR_INVALID},    {BEGIN, ATTN_ERR_LIMIT},       {BEGIN, ATTN_ERR_FULL},
    {BEGIN, ATTN_ERR_NOMEM},      {WRITE, ATTN_ERR_STATE},       {WRITE, ATTN_ERR_INVALID},
    {COMMIT, ATTN_ERR_STATE},     {COMMIT, ATTN_ERR_INVALID},    {ABORT, ATTN_ERR_STATE},
    {LOAD, ATTN_ERR_BAD_ID},      {LOAD, ATTN_ERR_BUSY},         {LOAD, ATTN_ERR_FULL},
    {LOAD, ATTN_ERR_NOMEM},       {APPEND, ATTN_ERR_BAD_ID},     {APPEND, ATTN_ERR_BUSY},
    {APPEND, ATTN_ERR_UNSUPPORTED}, {APPEND, ATTN_ERR_UNAVAILABLE},
    {APPEND, ATTN_ERR_FULL},      {APPEND, ATTN_ERR_NOMEM},      {VIEW, ATTN_ERR_BAD_ID},
    {VIEW, ATTN_ERR_INVALID},     {VIEW, ATTN_ERR_BUSY},         {VIEW, ATTN_ERR_UNSUPPORTED},
    {VIEW, ATTN_ERR_NOMEM},       {EXECUTE, ATTN_ERR_STATE},     {EXECUTE, ATTN_ERR_RANGE},
    {EXECUTE, ATTN_ERR_SHAPE},    {EXECUTE, ATTN_ERR_UNSUPPORTED},
    {EXECUTE, ATTN_ERR_UNAVAILABLE},
};

/* ---- memory that runs out */

static void *hook_alloc(void *user, size_t bytes, size_t align)
{
    struct memory *m = user;
    void *ptr = NULL;
    m->calls++;
    if (m->fail_at > 0 && (m->calls == m->fail_at || (m->for_good && m->calls > m->fail_at))) {
        m->hits++;
        return NULL;
    }
    if (posix_memalign(&ptr, align < sizeof(void *) ? sizeof(void *) : align, bytes + 1) != 0)
        return NULL;
    memset(ptr, 0xA5, bytes);
    m->live++;
    return ptr;
}

static void hook_free(void *user, void *ptr, size_t bytes)
{
    struct memory *m = user;
    (void)bytes;
    m->live--;
    free(ptr);
}

static int64_t counted[CALLS][64]; /* by -status */
static int64_t n_calls, n_ok, n_blocks, n_coded, n_ruled, n_branched;
int failures;

/* ---- calls */

/* One call with its arguments. */
struct args {
    enum call call;
    int seq, other, step, row, group, n;
    int64_t id, a, b;
    int32_t flags;
    int seqs[MODEL_SEQS];
    int64_t ids[MODEL_SEQS], counts[MODEL_SEQS];
    bool has_list, has_counts;
    int32_t list[MODEL_SEQS * MODEL_TOKENS];
    int64_t keep[MODEL_CELLS];
    int64_t made[MODEL_SEQS];
    int place, layer; /* of an execute */
    struct view_args view;
    int32_t want;
};

static int any_seq(struct world *w)
{
    int live[MODEL_SEQS], n = 0;
    for (int s = 0; s < MODEL_SEQS; s++)
        if (w->m.seq[s].live)
            live[n++] = s;
    return n > 0 ? live[rng_int(w->rng, 0, n - 1)] : -1;
}

/* Mostly one that has no open step. */
static int idle_seq(struct world *w)
{
    int s = any_seq(w);
    for (int tries = 0; tries < 16 && s >= 0 && w->m.seq[s].open; tries++)
        s = any_seq(w);
    return rng_percent(w->rng, 3) ? any_seq(w) : s;
}

/* The handle; sometimes of nothing. */
static int64_t handle(struct world *w, int *seq)
{
    if (*seq >= 0 && !rng_percent(w->rng, 3))
        return w->id[*seq];
    int64_t good = *seq >= 0 ? w->id[*seq] : 1;
    const int64_t bad[] = {0, -1, w->stale, good + 1000, good + (INT64_C(1) << 40), INT64_MIN,
                           INT64_MAX};
    *seq = -1;
    return bad[rng_int(w->rng, 0, 6)];
}

static int64_t some_end(struct world *w, int seq)
{
    int64_t next = seq >= 0 ? w->m.seq[seq].next : 5;
    if (rng_percent(w->rng, 8))
        return rng_percent(w->rng, 50) ? next + 1 : -2;
    return rng_percent(w->rng, 70) ? next - rng_int(w->rng, 0, next < 4 ? next : 4)
                                   : rng_int(w->rng, 0, next);
}

static void choose_remove(struct world *w, struct args *a)
{
    int64_t next = a->seq >= 0 ? w->m.seq[a->seq].next : 5;
    a->a = rng_int(w->rng, 0, next > 0 ? next - 1 : 0);
    a->b = a->a + rng_int(w->rng, rng_percent(w->rng, 10) ? -1 : 0, 4);
    if (a->b >= next && !rng_percent(w->rng, 15))
        a->b = a->a;
}

static void choose_shift(struct world *w, struct args *a)
{
    int64_t next = a->seq >= 0 ? w->m.seq[a->seq].next : 5;
    a->a = rng_percent(w->rng, 5) ? next + 1 : rng_int(w->rng, 0, next);
    a->b = rng_int(w->rng, rng_percent(w->rng, 20) ? -4 : 0, 6);
    if (rng_percent(w->rng, 2))
        a->b = rng_percent(w->rng, 50) ? INT64_MAX : INT64_MIN;
}

static void choose_prune(struct world *w, struct args *a)
{
    a->row = (int)rng_int(w->rng, 0, w->m.rows - 1);
    a->group = (int)rng_int(w->rng, 0, w->m.groups - 1 + rng_percent(w->rng, 5));
    if (a->seq < 0 || a->group >= w->m.groups)
        return;
    const struct model_table *t = &w->m.seq[a->seq].table[a->row][a->group];
    for (int c = 0; c < t->n_cells; c++)
        if (rng_percent(w->rng, 80))
            a->keep[a->n++] = t->cell[c].pos;
    if (a->n > 0 && rng_percent(w->rng, 8))
        a->keep[rng_int(w->rng, 0, a->n - 1)] += rng_percent(w->rng, 50) ? 1 : 100;
}

/* Different sequences; their number. */
static int choose_seqs(struct world *w, struct args *a, int most)
{
    int want = (int)rng_int(w->rng, 1, most), n = 0;
    for (int tries = 0; tries < 20 && n < want; tries++) {
        int s = idle_seq(w);
        bool there = false;
        for (int i = 0; i < n; i++)
            there = there || a->seqs[i] == s;
        if (s < 0 || (there && !rng_percent(w->rng, 1)))
            continue;
        a->seqs[n] = s;
        a->ids[n] = handle(w, &a->seqs[n]);
        n++;
    }
    return n;
}

static bool closes(const struct world *w)
{
    return w->m.kivi[0] || w->m.kivi[1];
}

static void choose_begin(struct world *w, struct args *a)
{
    int start = 0;
    a->n = choose_seqs(w, a, 3);
    a->has_list = rng_percent(w->rng, 35);
    for (int i = 0; i < a->n; i++) {
        int most = rng_percent(w->rng, closes(w) ? 30 : 60) ? 3 : closes(w) ? MODEL_TOKENS : 12;
        a->counts[i] = rng_int(w->rng, rng_percent(w->rng, 98), most);
        for (int64_t t = 0; t < a->counts[i]; t++)
            a->list[start++] = rng_percent(w->rng, 1)
                                   ? (int32_t)t
                                   : (int32_t)rng_int(w->rng, t > 1 ? t - 2 : -1, t - 1);
    }
}

static void choose_commit(struct world *w, struct args *a)
{
    const struct model_step *s = &w->m.step[a->step];
    bool chain = true;
    int used = 0;
    for (int i = 0; i < s->n; i++)
        for (int t = 0; t < s->count[i]; t++)
            chain = chain && s->parent[i][t] == t - 1;
    a->has_counts = chain ? rng_percent(w->rng, 20) : !rng_percent(w->rng, 4);
    for (int i = 0; i < s->n && a->has_counts; i++) {
        int at = -1;
        for (int t = 0; t < s->count[i]; t++)
            if (s->parent[i][t] == at && rng_percent(w->rng, 75)) {
                a->list[used++] = at = t;
                a->counts[i]++;
            }
        if (rng_percent(w->rng, 2))
            a->counts[i] += used + 40 < MODEL_SEQS * MODEL_TOKENS ? 1 : -1;
    }
}

static void choose_view(struct world *w, struct args *a)
{
    struct view_args *v = &a->view;
    v->has_counts = rng_percent(w->rng, 25);
    v->has_ends = rng_percent(w->rng, 15);
    for (int want = (int)rng_int(w->rng, 1, 4); v->n < want; v->n++) {
        int64_t count = v->has_counts ? rng_int(w->rng, !rng_percent(w->rng, 2), 2) : 1;
        v->counts[v->n] = count;
        for (int64_t c = 0; c < count; c++) {
            int k = v->segments++;
            v->seqs[k] = any_seq(w);
            v->ids[k] = handle(w, &v->seqs[k]);
            v->ends[k] = rng_percent(w->rng, 50) ? -1 : some_end(w, v->seqs[k]);
        }
    }
}

static bool has_views(const struct world *w)
{
    for (int i = 0; i < WORLD_VIEWS; i++)
        if (w->view[i])
            return true;
    return false;
}

static void choose_execute(struct world *w, struct args *a)
{
    /* mostly one that is not old */
    for (int n = 0; !w->view[a->place] || (n < 8 && world_view_is_old(w, a->place)); n++)
        a->place = (int)rng_int(w->rng, 0, WORLD_VIEWS - 1);
    a->layer = (int)rng_int(w->rng, 0, w->layers - 1 + rng_percent(w->rng, 2));
}

static int missing_layers(const struct world *w, int step)
{
    int missing = 0;
    for (int r = 0; r < w->m.rows; r++)
        missing += !w->m.step[step].written[r];
    return missing;
}

static void choose(struct world *w, struct args *a)
{
    static const int weight[CALLS] = {7, 4, 9, 7, 6, 7, 6, 3, 22, 60, 14, 2, 6, 4, 16, 16};
    int live = 0, pick, open[MODEL_STEPS], n_open = 0;
    memset(a, 0, sizeof *a);
    for (int s = 0; s < MODEL_STEPS; s++)
        if (w->m.step[s].open)
            open[n_open++] = s;
    for (int s = 0; s < MODEL_SEQS; s++)
        live += w->m.seq[s].live;
    do {
        pick = (int)rng_int(w->rng, 0, 188);
        for (a->call = 0; pick >= weight[a->call]; a->call++)
            pick -= weight[a->call];
        /* a step is for what has begun, nearly always */
        if (a->call >= WRITE && a->call <= ABORT && n_open == 0 &&
            !(w->step[0] && rng_percent(w->rng, 6)))
            continue;
        if (a->call == BEGIN && n_open == MODEL_STEPS)
            continue;
        if (a->call == EXECUTE && !has_views(w))
            continue;
        bool makes = a->call == CREATE || a->call == FORK || a->call == LOAD;
        if (makes && live == w->m.seqs && !rng_percent(w->rng, 10))
            continue;
        break;
    } while (true);
    a->seq = idle_seq(w);
    a->id = handle(w, &a->seq);
    a->step = n_open > 0 ? open[rng_int(w->rng, 0, n_open - 1)] : 0;
    if ((a->call == WRITE || a->call == COMMIT) && !rng_percent(w->rng, 4))
        a->call = missing_layers(w, a->step) > 0 ? WRITE : COMMIT;
    a->flags = rng_percent(w->rng, 25) ? ATTN_CACHE_LOSSY : rng_percent(w->rng, 2) ? 6 : 0;
    a->a = a->call == FORK && rng_percent(w->rng, 50) ? -1 : some_end(w, a->seq);
    if (a->call == REMOVE)
        choose_remove(w, a);
    if (a->call == SHIFT)
        choose_shift(w, a);
    if (a->call == PRUNE)
        choose_prune(w, a);
    a->other = rng_percent(w->rng, 30) ? a->seq : idle_seq(w);
    a->ids[0] = handle(w, &a->other);
    if (a->call == REORDER) {
        a->n = choose_seqs(w, a, MODEL_SEQS);
        for (int i = 0; i < a->n; i++)
            a->list[i] = (int32_t)rng_int(w->rng, 0, a->n - 1 + rng_percent(w->rng, 2));
    }
    if (a->call == BEGIN) {
        choose_begin(w, a);
        a->step = w->m.step[0].open ? 1 : 0;
    }
    if (a->call == WRITE) {
        /* mostly a layer that is missing */
        const struct model_step *s = &w->m.step[a->step];
        a->row = (int)rng_int(w->rng, 0, w->m.rows - 1);
        for (int r = 0; r < w->m.rows && s->written[a->row] && !rng_percent(w->rng, 3); r++)
            a->row = (a->row + 1) % w->m.rows;
        if (rng_percent(w->rng, 1))
            a->row = -1;
    }
    if (a->call == COMMIT)
        choose_commit(w, a);
    a->place = (int)rng_int(w->rng, 0, WORLD_VIEWS - 1);
    if (a->call == VIEW)
        choose_view(w, a);
    if (a->call == EXECUTE)
        choose_execute(w, a);
}

static int32_t write_layer(struct world *w, const struct args *a)
{
    static double data[2][MODEL_SEQS * MODEL_TOKENS * MODEL_HEADS * MODEL_WIDTH];
    static float narrow[2][MODEL_SEQS * MODEL_TOKENS * MODEL_HEADS * MODEL_WIDTH];
    const struct model_step *s = &w->m.step[a->step];
    const int width = w->m.width;
    int64_t tokens = 0;
    attn_tensor t[2];
    for (int i = 0; i < s->n; i++)
        tokens += s->count[i];
    /* tokens x heads in memory, and for odd serials f64 */
    bool wide = w->serial % 2;
    for (int e = 0; e < 2 * width; e++)
        for (int x = 0; x < tokens; x++)
            for (int h = 0; h < w->m.heads; h++) {
                int64_t at = ((int64_t)x * w->m.heads + h) * width + e % width;
                double value = model_value(width, w->serial + x, a->row < 0 ? 0 : a->row, h, e, 0);
                data[e / width][at] = value;
                narrow[e / width][at] = (float)value;
            }
    for (int i = 0; i < 2; i++) {
        const int64_t shape[4] = {1, w->m.heads, tokens, width};
        attn_tensor_init(&t[i], wide ? (void *)data[i] : (void *)narrow[i],
                         wide ? ATTN_DTYPE_F64 : ATTN_DTYPE_F32, 4, shape);
        t[i].stride[1] = width;
        t[i].stride[2] = width * w->m.heads;
    }
    int64_t layer = a->row < 0 ? -1 : w->layer_of[a->row];
    return attn_step_write(w->step[a->step], layer, &t[0], w->prefix ? NULL : &t[1]);
}

static int32_t save_and_load(struct world *w, int64_t id, int64_t *made)
{
    static char buf[1 << 20];
    size_t bytes = 0;
    int32_t status = attn_cache_save(w->cache, id, buf, sizeof buf, &bytes);
    return status == ATTN_OK ? attn_cache_load(w->cache, buf, bytes, made) : status;
}

static int32_t call_cache(struct world *w, struct args *a)
{
    attn_step *made;
    int32_t status;
    switch (a->call) {
    case CREATE:
        return attn_cache_seq_create(w->cache, a->made);
    case FREE:
        return attn_cache_seq_free(w->cache, a->id);
    case FORK:
        return attn_cache_fork(w->cache, a->id, a->a, a->flags, a->made);
    case TRUNCATE:
        return attn_cache_truncate(w->cache, a->id, a->a, a->flags);
    case REMOVE:
        return attn_cache_remove(w->cache, a->id, a->a, a->b);
    case SHIFT:
        return attn_cache_shift(w->cache, a->id, a->a, a->b);
    case APPEND:
        return attn_cache_append(w->cache, a->id, a->ids[0]);
    case PRUNE:
        return attn_cache_prune(w->cache, a->id, w->layer_of[a->row], a->group, a->keep,
                                (size_t)a->n);
    case REORDER:
        return attn_cache_reorder(w->cache, (size_t)a->n, a->ids, a->list, a->made);
    case BEGIN:
        status = attn_step_begin(w->cache, (size_t)a->n, a->ids, a->counts,
                                 a->has_list ? a->list : NULL, &made);
        if (status == ATTN_OK) {
            attn_step_destroy(w->step[a->step]);
            w->step[a->step] = made;
        }
        return status;
    case WRITE:
        return write_layer(w, a);
    case COMMIT:
        return attn_step_commit(w->step[a->step], a->has_counts ? a->counts : NULL, a->list);
    case LOAD:
        return save_and_load(w, a->id, a->made);
    case VIEW:
        return world_view_create(w, a->place, &a->view);
    case EXECUTE:
        return world_execute(w, a->place, a->layer, &a->want);
    default:
        return attn_step_abort(w->step[a->step]);
    }
}

static int32_t call_model(struct world *w, struct args *a)
{
    struct model *m = &w->m;
    int seq[MODEL_SEQS] = {0};
    int32_t status;
    switch (a->call) {
    case CREATE:
        status = model_seq_create(m, seq);
        break;
    case FREE:
        status = model_seq_free(m, a->seq);
        if (status == ATTN_OK)
            w->stale = w->id[a->seq];
        return status;
    case FORK:
        status = model_fork(m, a->seq, a->a, a->flags, seq);
        break;
    case TRUNCATE:
        return model_truncate(m, a->seq, a->a, a->flags);
    case REMOVE:
        return model_remove(m, a->seq, a->a, a->b);
    case SHIFT:
        return model_shift(m, a->seq, a->a, a->b);
    case APPEND:
        return model_append(m, a->seq, a->other);
    case PRUNE:
        return model_prune(m, a->seq, a->row, a->group, a->keep, a->n);
    case REORDER:
        status = model_reorder(m, a->n, a->seqs, a->list, seq);
        break;
    case BEGIN:
        return model_begin(m, a->n, a->seqs, a->counts, a->has_list ? a->list : NULL, a->step);
    case WRITE:
        return model_write(m, a->step, a->row, w->serial);
    case COMMIT:
        return model_commit(m, a->step, a->has_counts ? a->counts : NULL, a->list);
    case ABORT:
        return model_abort(m, a->step);
    case VIEW:
        return world_view_expected(w, &a->view);
    case EXECUTE:
        return a->want;
    default:
        status = model_load(m, a->seq, seq);
        break;
    }
    for (int i = 0; status == ATTN_OK && i < (a->call == REORDER ? a->n : 1); i++)
        w->id[seq[i]] = a->made[i];
    return status;
}

static bool allocates(enum call call)
{
    return call == CREATE || call == FORK || call == REORDER || call == BEGIN || call == SHIFT ||
           call == LOAD || call == APPEND || call == VIEW;
}

static void one_call(struct world *w)
{
    struct args a;
    choose(w, &a);
    snprintf(strrchr(w->text, '#'), 64, "# call %lld %s", (long long)n_calls, call_name[a.call]);
    w->serial += a.call == WRITE ? 3 * MODEL_TOKENS + 4 : 0;
    if (allocates(a.call) && rng_percent(w->rng, 20)) {
        w->memory.fail_at = w->memory.calls + rng_int(w->rng, 1, 8);
        w->memory.for_good = rng_percent(w->rng, 30);
    }
    int32_t status = call_cache(w, &a);
    w->memory.fail_at = 0;
    for (int tries = 0; status == ATTN_ERR_NOMEM && tries < 2; tries++) {
        counted[a.call][-ATTN_ERR_NOMEM]++;
        n_calls++;
        if (w->memory.hits == 0)
            FAIL("%s: no memory, but the allocator gave some", w->text);
        if (world_compare(w) != w->hash)
            FAIL("%s: running out of memory changed the cache", w->text);
        w->memory.hits = 0;
        status = call_cache(w, &a);
    }
    w->memory.hits = 0;
    int32_t want = call_model(w, &a);
    if (status != want) {
        char text[512];
        attn_last_error(text, sizeof text);
        FAIL("%s: gives %s, expected %s (last error: %s)", w->text, attn_status_name(status),
             attn_status_name(want), text);
        exit(EXIT_FAILURE);
    }
    counted[a.call][-status < 64 ? -status : 63]++;
    n_calls++;
    n_ok += status == ATTN_OK;
    uint64_t hash = world_compare(w);
    if (status != ATTN_OK && hash != w->hash)
        FAIL("%s: a call that failed changed the cache", w->text);
    w->hash = hash;
}

/* ---- worlds */

static int put_list(char *text, const char *key, const int64_t *values, int n)
{
    int at = sprintf(text, " %s=[", key);
    for (int i = 0; i < n; i++)
        at += values[i] == ATTN_UNBOUNDED ? sprintf(text + at, "%sinf", i ? "," : "")
                                          : sprintf(text + at, "%s%lld", i ? "," : "",
                                                    (long long)values[i]);
    return at + sprintf(text + at, "]");
}

static void choose_rules(struct world *w)
{
    for (int r = 0; r < w->m.rows; r++)
        for (int g = 0; g < w->m.groups; g++) {
            struct model_rule *rule = &w->m.rule[r][g];
            rule->window = ATTN_UNBOUNDED;
            if (rng_percent(w->rng, 40))
                continue;
            rule->window = rng_int(w->rng, 1, 20);
            rule->sink = rng_int(w->rng, 0, 4);
            rule->fold = !w->stored[g] && rng_percent(w->rng, 40);
            rule->slack = rule->fold ? 0 : rng_int(w->rng, 0, 5);
        }
}

static void describe(struct world *w)
{
    static const char *const keys[] = {"cache_window", "cache_sink", "cache_slack", "cache_fold"};
    int64_t values[MODEL_ROWS * MODEL_GROUPS];
    struct model *m = &w->m;
    char *text = w->text;
    int at = sprintf(text,
                     "cache h=%d d=%d cache_layers=%d cache_pages=%d "
                     "cache_sequences=%d cache_max_position=%lld",
                     m->heads, m->width, w->layers, m->pages, m->seqs,
                     (long long)m->max_position);
    for (int l = 0; l < w->layers; l++)
        values[l] = w->owner_of[l];
    at += put_list(text + at, "cache_owner", values, w->layers);
    char *told = w->told + sprintf(w->told, " cache_page=%d%s%s", MODEL_PAGE,
                                   m->turns ? "" : " cache_keys=raw",
                                   w->prefix ? " cache_v_prefix" : "");
    for (int h = 0; h < m->heads; h++)
        values[h] = m->group_of[h];
    told += put_list(told, "cache_group", values, m->heads);
    for (int g = 0; g < m->groups; g++)
        values[g] = w->dtype[g];
    told += put_list(told, "cache_k_dtype", values, m->groups);
    (void)put_list(told, "cache_v_dtype", values, m->groups);
    at += sprintf(text + at, "%s", w->told);
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < m->rows * m->groups; i++) {
            const struct model_rule *rule = &m->rule[i / m->groups][i % m->groups];
            const int64_t all[] = {rule->window, rule->sink, rule->slack, rule->fold};
            values[i] = all[k];
        }
        at += put_list(text + at, keys[k], values, m->rows * m->groups);
    }
    if (m->knows_turn)
        at += sprintf(text + at, " rope=half rope_dim=%d", MODEL_TURNED);
    for (int g = 0; g < m->groups; g++)
        if (w->dtype[g] == ATTN_DTYPE_FP8_E4M3 || w->dtype[g] == ATTN_DTYPE_FP8_E5M2) {
            at += sprintf(text + at, " cache_k_scale=[%g]", (double)MODEL_SCALE);
            if (!w->prefix)
                at += sprintf(text + at, " cache_v_scale=[%g]", (double)MODEL_SCALE);
            break;
        }
    if (w->bounds)
        at += sprintf(text + at, " cache_summary=minmax");
    if (closes(w))
        at += sprintf(text + at, " cache_residual=%d", m->residual);
    sprintf(text + at, " #");
}

static void choose_world(struct world *w)
{
    /* the first three are of tensors, from q8_0 on they need wide rows, from kivi on pages of
     * whole blocks and values of their own */
    static const int types[] = {ATTN_DTYPE_F32,      ATTN_DTYPE_F16,      ATTN_DTYPE_BF16,
                                ATTN_DTYPE_FP8_E4M3, ATTN_DTYPE_FP8_E5M2, ATTN_DTYPE_Q8_0,
                                ATTN_DTYPE_Q4_0,     ATTN_DTYPE_KIVI4,    ATTN_DTYPE_KIVI2};
    const bool blocks = MODEL_BLOCK == 32;
    struct model *m = &w->m;
    m->heads = (int)rng_int(w->rng, 1, MODEL_HEADS);
    m->groups = m->heads > 1 ? (int)rng_int(w->rng, 1, MODEL_GROUPS) : 1;
    m->pages = (int)rng_int(w->rng, 4, MODEL_PAGES);
    m->seqs = (int)rng_int(w->rng, 2, MODEL_SEQS - 1);
    m->max_position = rng_percent(w->rng, 30) ? 40 : 100000;
    m->turns = rng_percent(w->rng, 60);
    m->knows_turn = m->turns && rng_percent(w->rng, 70);
    w->prefix = !m->turns && rng_percent(w->rng, 30);
    w->bounds = rng_percent(w->rng, 30);
    for (int h = 0; h < m->heads; h++) {
        m->group_of[h] = h < m->groups ? h : (int)rng_int(w->rng, 0, m->groups - 1);
        w->heads_in[m->group_of[h]]++;
    }
    m->width = rng_percent(w->rng, blocks ? 70 : 15) ? MODEL_WIDTH : MODEL_TURNED;
    m->residual = blocks ? MODEL_BLOCK * (int)rng_int(w->rng, 0, 1) : 0;
    for (int g = 0; g < m->groups; g++) {
        int most = blocks && !w->prefix ? 8 : 6;
        int64_t type = m->width == MODEL_WIDTH ? rng_int(w->rng, 2, most) : rng_int(w->rng, 0, 4);
        m->kivi[g] = type > 6 ? types[type] : 0;
        w->dtype[g] = types[type];
        w->stored[g] = type > 2;
    }
    /* layers that own their keys and some that share */
    int rows = (int)rng_int(w->rng, 1, MODEL_ROWS);
    while (m->rows < rows) {
        w->layer_of[m->rows] = w->layers;
        w->owner_of[w->layers] = w->layers;
        w->layers++;
        m->rows++;
        if (rng_percent(w->rng, 20)) {
            w->owner_of[w->layers] = w->layer_of[rng_int(w->rng, 0, m->rows - 1)];
            w->layers++;
        }
    }
    choose_rules(w);
    describe(w);
}

static void run_world(struct rng *rng, int calls)
{
    static struct world w;
    attn_desc *desc = NULL;
    char text[1024];
    memset(&w, 0, sizeof w);
    w.rng = rng;
    choose_world(&w);
    const attn_allocator hook = {sizeof hook, &w.memory, hook_alloc, hook_free};
    memcpy(text, w.text, sizeof text);
    *strrchr(text, '#') = '\0';
    int32_t status = attn_ctx_create(&hook, &w.ctx);
    if (status == ATTN_OK)
        status = attn_desc_parse(w.ctx, text, &desc);
    if (status == ATTN_OK)
        status = attn_cache_create(w.ctx, desc, &w.cache);
    attn_desc_destroy(desc);
    if (status != ATTN_OK) {
        attn_last_error(text, sizeof text);
        FAIL("%s: %s", w.text, text);
        exit(EXIT_FAILURE);
    }
    w.hash = world_compare(&w);
    for (int i = 0; i < calls && failures == 0; i++)
        one_call(&w);
    n_blocks += w.m.blocks;
    n_coded += w.coded;
    n_ruled += w.ruled;
    n_branched += w.branched;
    attn_cache_destroy(w.cache);
    for (int s = 0; s < MODEL_STEPS; s++) {
        if (w.step[s] && attn_step_abort(w.step[s]) != ATTN_ERR_STATE)
            FAIL("%s: a step outlived its cache", w.text);
        attn_step_destroy(w.step[s]);
    }
    for (int i = 0; i < WORLD_VIEWS; i++)
        world_view_destroy(&w, i);
    attn_ctx_destroy(w.ctx);
    if (w.memory.live != 0)
        FAIL("%s: %lld blocks were not given back", w.text, (long long)w.memory.live);
}

int main(int argc, char **argv)
{
    struct rng rng = {1};
    int64_t calls = 30000;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            rng.state = strcmp(argv[i + 1], "fresh") == 0 ? (uint64_t)time(NULL)
                                                          : strtoull(argv[i + 1], NULL, 10);
        else
            calls = strtoll(argv[i + 1], NULL, 10);
    }
    printf("seed %llu\n", (unsigned long long)rng.state);
    while (n_calls < calls && failures == 0)
        run_world(&rng, 400);
    for (int c = 0; c < CALLS; c++) {
        printf("%-9s", call_name[c]);
        for (int s = 0; s < 64; s++)
            if (counted[c][s] > 0)
                printf(" %s %lld", s == 0 ? "OK" : attn_status_name(-s) + 9,
                       (long long)counted[c][s]);
        printf("\n");
        if (counted[c][0] == 0)
            FAIL("%s never succeeded", call_name[c]);
    }
    /* The rarest errors come once in some thousand calls: a short run may miss one. */
    const int is_long = calls >= 20000;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0] && is_long; i++)
        if (counted[expected[i].call][-expected[i].status] == 0 && failures == 0)
            FAIL("%s never gave %s", call_name[expected[i].call],
                 attn_status_name(expected[i].status));
    printf("%lld calls, %lld succeeded, %lld blocks closed\n", (long long)n_calls,
           (long long)n_ok, (long long)n_blocks);
    printf("%lld executes by codes, %lld with two rules, %lld with pieces of a tree\n",
           (long long)n_coded, (long long)n_ruled, (long long)n_branched);
    if (n_blocks == 0 && MODEL_BLOCK == 32 && failures == 0)
        FAIL("no block of kivi was closed");
    if (is_long && (n_coded == 0 || n_ruled == 0 || n_branched == 0) && failures == 0)
        FAIL("a kind of executes never was");
    if (n_ok * 2 < n_calls)
        FAIL("less than half of the calls succeeded");
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
