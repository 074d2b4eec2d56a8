/* SPDX-License-Identifier: MIT */
/*
 * Executes that read a cache through views, against the model's attention in
 * float64: who is seen follows from the positions, steps and rules of the
 * model; the rows are those that attn_cache_read gives, which world_compare has
 * looked at before.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cache_world.h"

enum {
    QUERY_SEQS = MODEL_SEQS,
    MOST_ROWS = QUERY_SEQS * MODEL_TOKENS,
    RATIO = 2, /* most query heads of a KV head */
    MOST_KEYS = MODEL_SEQS * MODEL_CELLS,
    MASK_ROOM = 1 << 16 /* pairs of a sequence */
};

struct world_view {
    attn_view *view;
    struct view_args is;
    int64_t changes[MODEL_SEQS]; /* of the segments, when it was made */
};

/* ---- views ---- */

static bool has_windows(const struct world *w)
{
    for (int r = 0; r < w->m.rows; r++)
        for (int g = 0; g < w->m.groups; g++)
            if (w->m.rule[r][g].window != ATTN_UNBOUNDED)
                return true;
    return false;
}

static int32_t segment_expected(const struct world *w, int seq, int64_t end, bool last)
{
    if (seq < 0)
        return ATTN_ERR_BAD_ID;
    if (end < -1 || end > w->m.seq[seq].next)
        return ATTN_ERR_INVALID;
    return w->m.seq[seq].open && (!last || end >= 0) ? ATTN_ERR_BUSY : ATTN_OK;
}

int32_t world_view_expected(const struct world *w, const struct view_args *a)
{
    bool several = false;
    for (int i = 0, k = 0; i < a->n; i++) {
        int64_t count = a->has_counts ? a->counts[i] : 1;
        if (count < 1)
            return ATTN_ERR_INVALID;
        several = several || count > 1;
        for (int64_t c = 0; c < count; c++, k++) {
            int64_t end = a->has_ends ? a->ends[k] : -1;
            int32_t status = segment_expected(w, a->seqs[k], end, c + 1 == count);
            if (status != ATTN_OK)
                return status;
        }
    }
    return several && has_windows(w) ? ATTN_ERR_UNSUPPORTED : ATTN_OK;
}

void world_view_destroy(struct world *w, int place)
{
    if (w->view[place])
        attn_view_destroy(w->view[place]->view);
    free(w->view[place]);
    w->view[place] = NULL;
}

int32_t world_view_create(struct world *w, int place, const struct view_args *a)
{
    attn_view *made;
    int32_t status =
        attn_view_create(w->cache, (size_t)a->n, a->has_counts ? a->counts : NULL, a->ids,
                         a->has_ends ? a->ends : NULL, &made);
    if (status != ATTN_OK) {
        if (made)
            FAIL("%s: a view that failed is not NULL", w->text);
        return status;
    }
    world_view_destroy(w, place);
    struct world_view *v = calloc(1, sizeof *v);
    if (!v)
        exit(EXIT_FAILURE);
    v->view = made;
    v->is = *a;
    for (int k = 0; k < a->segments; k++)
        v->changes[k] = a->seqs[k] < 0 ? 0 : w->m.seq[a->seqs[k]].changes;
    w->view[place] = v;
    return status;
}

bool world_view_is_old(const struct world *w, int place)
{
    const struct world_view *v = w->view[place];
    for (int k = 0; k < v->is.segments; k++) {
        int s = v->is.seqs[k];
        if (!w->m.seq[s].live || w->id[s] != v->is.ids[k] ||
            w->m.seq[s].changes != v->changes[k])
            return true;
    }
    return false;
}

/* ---- what a query sequence reads ---- */

struct key {
    int64_t at;         /* its number */
    int token;          /* of the open step; negative: from before */
    const float *k, *v; /* of the first head of the group */
    int64_t step;       /* floats from head to head */
};

/* One query sequence, layer and group. */
struct reads {
    const struct model_step *open; /* NULL: none */
    int item;
    int64_t total; /* numbers in front of the step, or all of them */
    int index;     /* of the query sequence */
    int n;
    struct key key[MOST_KEYS];
    float *room; /* of all rows */
};

static const struct model_step *step_of(const struct world *w, int seq, int *item)
{
    for (int s = 0; s < MODEL_STEPS; s++)
        for (int i = 0; w->m.step[s].open && i < w->m.step[s].n; i++)
            if (w->m.step[s].seq[i] == seq) {
                *item = i;
                return &w->m.step[s];
            }
    return NULL;
}

/* Segment k, whose numbers begin at `base`. */
static void read_segment(struct world *w, const struct world_view *v, int k, int row, int g,
                         int64_t base, float **room, struct reads *r)
{
    const int s = v->is.seqs[k], width = w->m.width;
    const struct model_table *t = &w->m.seq[s].table[row][g];
    const int64_t end = v->is.has_ends && v->is.ends[k] >= 0 ? v->is.ends[k] : INT64_MAX;
    const int64_t shape[4] = {1, w->heads_in[g], t->n_cells, width};
    const int64_t rows = (int64_t)w->heads_in[g] * t->n_cells * width;
    int item = 0;
    const struct model_step *open = step_of(w, s, &item);
    int fresh = open && open->written[row] ? open->count[item] : 0;
    attn_tensor tk, tv;
    attn_tensor_init(&tk, *room, ATTN_DTYPE_F32, 4, shape);
    attn_tensor_init(&tv, *room + rows, ATTN_DTYPE_F32, 4, shape);
    if (attn_cache_read(w->cache, w->id[s], w->layer_of[row], g, &tk, &tv) != ATTN_OK)
        FAIL("%s: read for an execute", w->text);
    for (int c = 0; c < t->n_cells && t->cell[c].pos < end; c++)
        r->key[r->n++] = (struct key){.at = base + t->cell[c].pos,
                                      .token = c - (t->n_cells - fresh),
                                      .k = *room + (int64_t)c * width,
                                      .v = *room + rows + (int64_t)c * width,
                                      .step = (int64_t)t->n_cells * width};
    *room += 2 * rows;
}

static int64_t length_of(const struct world *w, const struct world_view *v, int k)
{
    int64_t end = v->is.has_ends ? v->is.ends[k] : -1;
    return end >= 0 ? end : w->m.seq[v->is.seqs[k]].next;
}

/* Segments first to last are what the query sequence reads. */
static void read_keys(struct world *w, const struct world_view *v, int first, int last, int row,
                      int g, struct reads *r)
{
    float *room = r->room;
    r->n = 0;
    r->total = 0;
    for (int k = first; k <= last; k++) {
        read_segment(w, v, k, row, g, r->total, &room, r);
        r->total += length_of(w, v, k);
    }
    r->open = step_of(w, v->is.seqs[last], &r->item);
}

static int64_t depth_of(const struct reads *r, int token)
{
    int64_t depth = 0;
    for (int t = r->open->parent[r->item][token]; t >= 0; t = r->open->parent[r->item][t])
        depth++;
    return depth;
}

static bool descends(const struct reads *r, int token, int from)
{
    while (token > from)
        token = r->open->parent[r->item][token];
    return token == from;
}

static bool branches(const struct reads *r)
{
    for (int t = 0; r->open && t < r->open->count[r->item]; t++)
        if (r->open->parent[r->item][t] != t - 1)
            return true;
    return false;
}

/* ---- attention in float64 ---- */

/* Whom the plan hides, besides what stands behind. */
struct own_pieces {
    bool are;
    int64_t left, sink, prefix; /* -1: none */
    int64_t unit, stride, phase;
};

struct run {
    const char *solver;
    struct own_pieces own;
    int64_t mask[2]; /* queries and keys of MASK; 0: there is none */
    bool turns_q, turns_k;
    bool codes; /* queries are rounded to codes */
    int ratio, rows[QUERY_SEQS];
    int64_t total, offset[QUERY_SEQS + 1];
    float *q, *out, *lse;
    float *meant; /* q; with codes, what it is rounded to */
};

static void turn(double *x, int64_t pos)
{
    static const double freq[2] = {1, 0.01};
    for (int c = 0; c < 2; c++) {
        double a = (double)pos * freq[c], u = x[c], y = x[c + 2];
        x[c] = u * cos(a) - y * sin(a);
        x[c + 2] = u * sin(a) + y * cos(a);
    }
}

/* A row's sums, as they grow. */
struct row_sums {
    double max, sum, top; /* of scores; top: the largest absolute one */
    double o[MODEL_WIDTH], size[MODEL_WIDTH];
};

static void add_key(const struct world *w, double score, const double *v, struct row_sums *x)
{
    double max = fmax(x->max, score), old = exp(x->max - max), now = exp(score - max);
    x->max = max;
    x->sum = x->sum * old + now;
    x->top = fmax(x->top, fabs(score));
    for (int e = 0; e < w->m.width; e++) {
        x->o[e] = x->o[e] * old + now * v[e];
        x->size[e] = x->size[e] * old + now * fabs(v[e]);
    }
}

static double product(const struct world *w, const double *q, const double *k)
{
    double sum = 0;
    for (int e = 0; e < w->m.width; e++)
        sum += q[e] * k[e];
    return sum / sqrt(w->m.width);
}

/* The sums of what the cache dropped: of keys and of values; returns how many. */
static double folded(struct world *w, int seq, int row, int g, int in, double *k, double *v)
{
    double keys[MODEL_HEADS * MODEL_WIDTH], values[MODEL_HEADS * MODEL_WIDTH];
    const int width = w->m.width;
    const int64_t shape[4] = {1, w->heads_in[g], 1, width};
    attn_tensor tk, tv;
    int64_t n = 0;
    attn_tensor_init(&tk, keys, ATTN_DTYPE_F64, 4, shape);
    attn_tensor_init(&tv, values, ATTN_DTYPE_F64, 4, shape);
    if (attn_cache_read_fold(w->cache, w->id[seq], w->layer_of[row], g, &n, &tk, &tv) != ATTN_OK)
        FAIL("%s: read_fold for an execute", w->text);
    for (int e = 0; e < width; e++) {
        k[e] = (double)n * keys[in * width + e];
        v[e] = (double)n * values[in * width + e];
    }
    return (double)n;
}

static bool sees(const struct model_rule *rule, int64_t own, int64_t at)
{
    return rule->window == ATTN_UNBOUNDED || at < rule->sink || own - at < rule->window;
}

static bool plan_shows(const struct own_pieces *p, int64_t own, int64_t at)
{
    bool near = own - at <= p->left, any = near;
    if (!p->are)
        return true;
    if (p->sink > 0)
        any = near || at < p->sink || at < p->prefix;
    else if (p->prefix >= 0)
        any = near && at < p->prefix;
    return any && (at / p->unit + p->phase) % p->stride == 0;
}

/* By numbers: of a step that branches, too. */
static bool mask_shows(int64_t seq, int64_t row, int64_t key)
{
    return (seq * 5 + row * 3 + key * 7) % 11 > 2;
}

/* Query token t, at `own`, of head `in` of group g. */
static struct row_sums attend(struct world *w, const struct run *run, const struct reads *r,
                              int seq, int row, int g, int in, int t, int64_t own,
                              const double *q)
{
    const struct model_rule *rule = &w->m.rule[row][g];
    const int width = w->m.width;
    struct row_sums x = {.max = -INFINITY};
    double k_sum[MODEL_WIDTH], v_sum[MODEL_WIDTH], n = 0;
    if (rule->fold)
        n = folded(w, seq, row, g, in, k_sum, v_sum);
    for (int c = 0; c < r->n; c++) {
        const struct key *key = &r->key[c];
        double k[MODEL_WIDTH], v[MODEL_WIDTH];
        if (key->token >= 0 ? !descends(r, t, key->token) : key->at > own)
            continue;
        if (!plan_shows(&run->own, own, key->at))
            continue;
        if (run->mask[0] && !mask_shows(r->index, t, key->token >= 0 ? r->total + key->token
                                                                     : key->at))
            continue;
        for (int e = 0; e < width; e++) {
            k[e] = (double)key->k[in * key->step + e];
            v[e] = (double)key->v[in * key->step + e];
        }
        if (run->turns_k)
            turn(k, key->at);
        if (sees(rule, own, key->at)) {
            add_key(w, product(w, q, k), v, &x);
            continue;
        }
        for (int e = 0; e < width && rule->fold; e++) {
            k_sum[e] += k[e];
            v_sum[e] += v[e];
        }
        n++;
    }
    if (!rule->fold || n == 0 || own < rule->sink)
        return x;
    for (int e = 0; e < width; e++) {
        k_sum[e] /= n;
        v_sum[e] /= n;
    }
    add_key(w, product(w, q, k_sum) + log(n), v_sum, &x);
    return x;
}

/* ---- executes ---- */

/* A window has dropped what a row at first to last would see. */
static bool is_lost(const struct model_rule *rule, const struct model_table *t, int64_t first,
                    int64_t last)
{
    for (int64_t i = first; i <= last && rule->window != ATTN_UNBOUNDED; i++)
        for (int64_t j = i; j > i - rule->window && j >= rule->sink; j--)
            if (j < t->lost_end)
                return true;
    return false;
}

/* What the rows of query sequence i must be told, r being read for group 0. */
static int32_t rows_expected(const struct world *w, const struct reads *r, int seq, int rows,
                             int row)
{
    int64_t first = r->open ? r->total : r->total - rows;
    if (rows == 0)
        return ATTN_OK;
    if (r->open ? rows != r->open->count[r->item] : rows > r->total)
        return ATTN_ERR_SHAPE;
    if (r->open && !r->open->written[row])
        return ATTN_ERR_STATE;
    for (int g = 0; g < w->m.groups; g++) {
        if (w->m.rule[row][g].fold && branches(r))
            return ATTN_ERR_UNSUPPORTED;
        if (is_lost(&w->m.rule[row][g], &w->m.seq[seq].table[row][g], first, first + rows - 1))
            return ATTN_ERR_UNAVAILABLE;
    }
    return ATTN_OK;
}

static int row_of(const struct world *w, int layer)
{
    int row = 0;
    while (w->layer_of[row] != w->owner_of[layer])
        row++;
    return row;
}

static bool folds(const struct world *w, int row)
{
    for (int g = 0; g < w->m.groups; g++)
        if (w->m.rule[row][g].fold)
            return true;
    return false;
}

static void put_pieces(const struct own_pieces *p, char *text)
{
    text += sprintf(text, " window=%d,0", (int)p->left);
    if (p->sink > 0)
        text += sprintf(text, " sink_tokens=%d", (int)p->sink);
    if (p->prefix >= 0)
        text += sprintf(text, " any=prefix[%d]", (int)p->prefix);
    if (p->stride > 1)
        sprintf(text, " must=stride[%d,%d,%d]", (int)p->unit, (int)p->stride, (int)p->phase);
}

static int32_t execute(struct world *w, const struct world_view *v, const struct run *run,
                       int64_t layer)
{
    const int64_t heads = (int64_t)w->m.heads * run->ratio, seqs = v->is.n + 1, one = 1;
    const int64_t rows[4] = {1, heads, run->total, w->m.width};
    char text[512], pieces[128] = "";
    static uint8_t pairs[QUERY_SEQS * MASK_ROOM];
    const int64_t shape[4] = {v->is.n, 1, run->mask[0], run->mask[1]};
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    attn_tensor q, out, lse, off, at, mask;
    if (run->own.are)
        put_pieces(&run->own, pieces);
    sprintf(text, "softmax b=%d h=%d/%d q=%d k=inf d=%d packed view causal%s%s%s%s%s", QUERY_SEQS,
            (int)heads, w->m.heads, MODEL_TOKENS + 1, w->m.width, w->told, run->solver,
            pieces, run->mask[0] ? " mask" : "",
            !run->turns_q  ? ""
            : run->turns_k ? " rope=half rope_dim=4"
                           : " rope=half rope_dim=4 rope_apply=q");
    attn_tensor_init(&q, run->q, ATTN_DTYPE_F32, 4, rows);
    attn_tensor_init(&out, run->out, ATTN_DTYPE_F32, 4, rows);
    attn_tensor_init(&lse, run->lse, ATTN_DTYPE_F32, 3, rows);
    attn_tensor_init(&off, (void *)(uintptr_t)run->offset, ATTN_DTYPE_I64, 1, &seqs);
    attn_tensor_init(&at, &layer, ATTN_DTYPE_I64, 1, &one);
    for (int64_t n = 0; n < v->is.n * run->mask[0] * run->mask[1]; n++)
        pairs[n] = mask_shows(n / (run->mask[0] * run->mask[1]), n / run->mask[1] % run->mask[0],
                              n % run->mask[1]);
    if (run->mask[0])
        attn_tensor_init(&mask, pairs, ATTN_DTYPE_BOOL, 4, shape);
    int32_t status = attn_desc_parse(w->ctx, text, &desc);
    if (status == ATTN_OK)
        status = attn_plan_create(w->ctx, desc, &plan);
    attn_desc_destroy(desc);
    if (status != ATTN_OK) {
        attn_last_error(text, sizeof text);
        FAIL("%s: plan: %s", w->text, text);
        return status;
    }
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &q},          {ATTN_ROLE_Q_OFFSETS, 0, &off},
                             {ATTN_ROLE_VIEW, 0, v->view},  {ATTN_ROLE_LAYER, 0, &at},
                             {ATTN_ROLE_OUT, 0, &out},      {ATTN_ROLE_LSE, 0, &lse},
                             {ATTN_ROLE_MASK, 0, &mask}};
    status = attn_plan_execute(plan, args, run->mask[0] ? 7 : 6, NULL, 0);
    attn_plan_destroy(plan);
    return status;
}

/* Errors of an execute, and what they are relative to: as compare.c has it of
 * few rows. */
struct errors {
    double error, reference, size, top, lse;
};

static void compare_row(const struct world *w, const struct row_sums *x, const float *out,
                        float lse, struct errors *f)
{
    for (int e = 0; e < w->m.width; e++) {
        double want = x->sum > 0 ? x->o[e] / x->sum : 0, off = (double)out[e] - want;
        f->error += off * off;
        f->reference += want * want;
        f->size += x->sum > 0 ? x->size[e] * x->size[e] / (x->sum * x->sum) : 0;
    }
    double want = x->sum > 0 ? x->max + log(x->sum) : -INFINITY;
    double off = want == (double)lse ? 0 : fabs((double)lse - want) / fmax(1, fabs(want));
    f->lse = off <= f->lse ? f->lse : off; /* NaN too */
    f->top = fmax(f->top, x->top);
}

static void compare_rows(struct world *w, const struct run *run, const struct reads *r, int seq,
                         int i, int row, int g, struct errors *f)
{
    const int width = w->m.width;
    for (int h = 0, in = 0; h < w->m.heads; h++) {
        if (w->m.group_of[h] != g)
            continue;
        for (int n = 0; n < run->ratio * run->rows[i]; n++) {
            int t = n / run->ratio;
            int64_t at = (h * run->ratio + n % run->ratio) * run->total + run->offset[i] + t;
            int64_t own = r->open ? r->total + depth_of(r, t) : r->total - run->rows[i] + t;
            double q[MODEL_WIDTH];
            for (int e = 0; e < width; e++)
                q[e] = (double)run->meant[at * width + e];
            if (run->turns_q)
                turn(q, own);
            struct row_sums x = attend(w, run, r, seq, row, g, in, t, own, q);
            compare_row(w, &x, run->out + at * width, run->lse[at], f);
        }
        in++;
    }
}

static void compare_all(struct world *w, const struct world_view *v, const struct run *run,
                        int row, struct reads *r)
{
    struct errors f = {0};
    for (int g = 0; g < w->m.groups; g++)
        for (int i = 0, first = 0; i < v->is.n; i++) {
            int last = first + (v->is.has_counts ? (int)v->is.counts[i] : 1) - 1;
            if (run->rows[i] > 0) {
                read_keys(w, v, first, last, row, g, r);
                r->index = i;
                compare_rows(w, run, r, v->is.seqs[last], i, row, g, &f);
            }
            first = last + 1;
        }
    double bound = 2 * 8 * 0x1p-23 * (1 + f.top / 4), scale = sqrt(fmax(f.reference, f.size));
    double most = bound + (run->codes ? 0x1p-12 : 0); /* weights have fewer bits then */
    if (!(sqrt(f.error) <= most * scale) || !(f.lse <= bound))
        FAIL("%s:%s%s%s: relative error %.3g, of lse %.3g, expected at most %.3g and %.3g", w->text,
             run->solver, run->turns_q ? " rope" : "", run->own.are ? " pieces" : "",
             sqrt(f.error) / scale, f.lse, most, bound);
}

/* How many rows: a step has as many as tokens, others mostly few. */
static void choose_rows(struct world *w, const struct world_view *v, struct run *run)
{
    for (int i = 0, last = -1; i < v->is.n; i++) {
        last += v->is.has_counts ? (int)v->is.counts[i] : 1;
        int item = 0, seq = v->is.seqs[last];
        const struct model_step *open = step_of(w, seq, &item);
        int64_t all = length_of(w, v, last), most = rng_percent(w->rng, 50) ? 1 : MODEL_TOKENS;
        int64_t rows = open ? open->count[item] : rng_int(w->rng, 0, all < most ? all : most);
        run->rows[i] = (int)(rng_percent(w->rng, 10) ? 0 : rows + rng_percent(w->rng, 1));
        run->total += run->rows[i];
        run->offset[i + 1] = run->total;
    }
}

/* MASK has as many queries and keys as the largest sequences. */
static void choose_mask(struct world *w, const struct world_view *v, struct run *run)
{
    int64_t most[2] = {0};
    if (!rng_percent(w->rng, 30))
        return;
    for (int i = 0, k = 0; i < v->is.n; i++) {
        int64_t keys = 0;
        int item = 0, count = v->is.has_counts ? (int)v->is.counts[i] : 1;
        for (int n = 0; n < count; n++, k++)
            keys += length_of(w, v, k);
        const struct model_step *open = step_of(w, v->is.seqs[k - 1], &item);
        keys += open ? open->count[item] : 0;
        most[0] = run->rows[i] > most[0] ? run->rows[i] : most[0];
        most[1] = keys > most[1] ? keys : most[1];
    }
    if (most[0] * most[1] > 0 && most[0] * most[1] <= MASK_ROOM)
        memcpy(run->mask, most, sizeof most);
}

static int32_t expected(struct world *w, const struct world_view *v, const struct run *run,
                        int layer, struct reads *r)
{
    if (layer < 0 || layer >= w->layers)
        return ATTN_ERR_RANGE;
    const int row = row_of(w, layer);
    if ((run->turns_k || run->own.are || run->mask[0]) && folds(w, row))
        return ATTN_ERR_UNSUPPORTED;
    for (int i = 0, first = 0; i < v->is.n; i++) {
        int last = first + (v->is.has_counts ? (int)v->is.counts[i] : 1) - 1;
        read_keys(w, v, first, last, row, 0, r);
        int32_t status = rows_expected(w, r, v->is.seqs[last], run->rows[i], row);
        if (status != ATTN_OK)
            return status;
        first = last + 1;
    }
    return ATTN_OK;
}

/* Are all keys of types that compute=int8 is for? */
static bool knows_codes(const struct world *w)
{
    for (int g = 0; g < w->m.groups; g++)
        if (w->dtype[g] != ATTN_DTYPE_Q8_0 && w->dtype[g] != ATTN_DTYPE_Q4_0)
            return false;
    return true;
}

/* Queries, and what they are rounded to: the largest of each block is 127 times
 * a power of two, and no other lies near the middle between two codes. */
static void fill_queries(struct world *w, const struct run *run, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double code = (double)rng_int(w->rng, -16, 16), off = 0;
        if (run->codes) {
            code = i % 32 == 5 ? 127 : (double)rng_int(w->rng, -127, 127);
            off = i % 32 == 5 ? 0 : (double)rng_int(w->rng, -4, 4) / 16;
        }
        run->meant[i] = (float)(code / (run->codes ? 1024 : 128));
        run->q[i] = (float)((code + off * (fabs(code) < 127)) / (run->codes ? 1024 : 128));
    }
}

/* Executes that have pieces of the plan and a rule, or a step that branches. */
static void count_pieces(struct world *w, const struct world_view *v, const struct run *run,
                         int row)
{
    static struct reads r;
    bool ruled = false;
    for (int g = 0; g < w->m.groups; g++)
        ruled = ruled || w->m.rule[row][g].window != ATTN_UNBOUNDED;
    w->ruled += run->own.are && ruled;
    for (int i = 0, last = -1; i < v->is.n; i++) {
        last += v->is.has_counts ? (int)v->is.counts[i] : 1;
        r.open = step_of(w, v->is.seqs[last], &r.item);
        w->branched += run->own.are && run->rows[i] > 0 && branches(&r);
    }
}

static struct own_pieces choose_pieces(struct world *w)
{
    struct own_pieces p = {.are = rng_percent(w->rng, 40), .left = rng_int(w->rng, 0, 20)};
    p.sink = rng_percent(w->rng, 40) ? rng_int(w->rng, 1, 5) : -1;
    p.prefix = rng_percent(w->rng, 20) ? rng_int(w->rng, 0, 30) : -1;
    p.unit = rng_int(w->rng, 1, 3);
    p.stride = rng_percent(w->rng, 30) ? rng_int(w->rng, 2, 3) : 1;
    p.phase = p.stride > 1 ? rng_int(w->rng, 0, p.stride - 1) : 0;
    return p;
}

int32_t world_execute(struct world *w, int place, int layer, int32_t *want)
{
    static const char *const solvers[] = {"", " solver=reference", " solver=decode",
                                          " solver=flash", " solver=flash invariant=chunk",
                                          " solver=decode invariant=chunk"};
    static float q[MODEL_HEADS * RATIO * (MOST_ROWS + QUERY_SEQS) * MODEL_WIDTH];
    static float meant[sizeof q / sizeof *q];
    static float out[sizeof q / sizeof *q], lse[sizeof q / sizeof *q];
    static float room[2 * MODEL_HEADS * MOST_KEYS * MODEL_WIDTH];
    static struct reads r = {.room = room};
    const struct world_view *v = w->view[place];
    struct run run = {.solver = solvers[rng_int(w->rng, 0, 5)],
                      .turns_q = !w->prefix && rng_percent(w->rng, 40),
                      .ratio = (int)rng_int(w->rng, 1, RATIO),
                      .own = choose_pieces(w),
                      .q = q, .out = out, .lse = lse, .meant = meant};
    if (knows_codes(w) && rng_percent(w->rng, 60)) {
        /* it is for the first one, and changes nothing in the others */
        static const char *const int8[] = {" solver=decode compute=int8",
                                           " solver=flash compute=int8",
                                           " solver=decode invariant=chunk compute=int8"};
        int n = (int)rng_int(w->rng, 0, 5);
        run.codes = n > 1;
        run.solver = int8[run.codes ? 0 : n + 1];
        /* codes are made of turned queries, which are not known to the bit */
        run.turns_q = run.turns_q && !run.codes;
    }
    run.turns_k = run.turns_q && !w->m.turns;
    choose_rows(w, v, &run);
    if (!world_view_is_old(w, place))
        choose_mask(w, v, &run);
    fill_queries(w, &run, sizeof q / sizeof *q);
    *want = world_view_is_old(w, place) ? ATTN_ERR_STATE : expected(w, v, &run, layer, &r);
    int32_t status = execute(w, v, &run, layer);
    if (status == ATTN_OK && *want == ATTN_OK) {
        compare_all(w, v, &run, row_of(w, layer), &r);
        w->coded += run.codes;
        count_pieces(w, v, &run, row_of(w, layer));
    }
    return status;
}
