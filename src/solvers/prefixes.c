/* SPDX-License-Identifier: MIT */
/*
 * Finding common prefixes. Two sequences share a chunk if each of its keys is
 * the same slot of the same page for both, or there for neither.
 */
#include "solvers/prefixes.h"

#include <attn/attn.h>

#include "problem/norm.h"
#include "solvers/blocks.h"

/* Rows of a sequence that there is room for on average: with more of them a
 * pass of its own has enough to do. */
enum { QUERIES = 4 };

/* What a row does with a key must not hang on which sequence it is of (weights
 * of other normalisers than those with powers of e may hang on its length), and
 * all rows do something. */
static bool can_share(const struct attn__problem *p)
{
    bool skips = p->epilogue.head_factor || p->epilogue.head_gate;
    bool by_length = p->rope.on_k && p->rope.scaling == ATTN_ROPE_SCALING_DYNAMIC_NTK;
    return p->view.is && !p->view.local && !p->view.by_number && !p->view.own_pieces &&
           !p->mask && !p->bias && !p->score.own_rows && !by_length && !skips &&
           attn__norm_traits(p->norm.kind)->base2 &&
           !(p->want & (ATTN_WANT_ROWMAX | ATTN_WANT_ARGMAX));
}

static int64_t cache_groups(const struct attn__problem *p)
{
    int64_t groups = 1;
    for (int64_t h = 0; h < p->hk; h++)
        groups = attn__max_i64(groups, p->view.group[h] + 1);
    return groups;
}

void attn__prefixes_take(struct attn__scratch *s, const struct attn__problem *p,
                         struct attn__prefixes *out)
{
    bool can = can_share(p);
    int64_t groups = can ? cache_groups(p) : 0, b = can ? p->b : 0;
    int64_t members = 0, rows = 0, nodes = 0, wide = 0;
    s->ok = s->ok && attn__mul_i64(b, groups, &members) &&
            attn__mul_i64(b, attn__min_i64(p->q, QUERIES), &rows) &&
            attn__mul_i64(rows, p->hout, &rows) &&
            attn__mul_i64(rows, ATTN__PREFIX_NODES, &nodes) &&
            attn__mul_i64(nodes, p->dv, &wide);
    *out = (struct attn__prefixes){.groups = groups, .rows = rows};
    out->prefix = ATTN__TAKE(s, members / 2, struct attn__prefix);
    out->member = ATTN__TAKE(s, members, struct attn__prefix_member);
    out->of = ATTN__TAKE(s, members, int64_t);
    out->key = ATTN__TAKE(s, b, int64_t);
    out->same = ATTN__TAKE(s, b, int64_t);
    out->m = ATTN__TAKE(s, nodes, float);
    out->l = ATTN__TAKE(s, nodes, float);
    out->o = ATTN__TAKE(s, wide, float);
}

static const struct attn__paged *table_of(const struct attn__call *c, int64_t seq, int64_t group)
{
    const struct attn__paged_view *v = c->view;
    return &v->table[seq * v->seq_tables + c->view_row * v->row_tables + group];
}

/* Chunks in front of all that the first query of a sequence may see or not. */
static int64_t whole_chunks(const struct attn__call *c, int64_t seq)
{
    struct attn__seq s = attn__call_seq(c, seq);
    return s.off / ATTN__CHUNK;
}

static bool same_chunk(const struct attn__paged *a, const struct attn__paged *b, int64_t chunk)
{
    int64_t j = chunk * ATTN__CHUNK, end = j + ATTN__CHUNK, run;
    for (; j < end; j += run) {
        struct attn__paged_place x, y;
        run = attn__paged_find(a, j, end - j, &x);
        run = attn__paged_find(b, j, run, &y);
        if (x.page != y.page || x.slot != y.slot)
            return false;
    }
    return true;
}

static int64_t same_chunks(const struct attn__call *c, int64_t group, int64_t a, int64_t b)
{
    const struct attn__paged *x = table_of(c, a, group), *y = table_of(c, b, group);
    int64_t most = attn__min_i64(whole_chunks(c, a), whole_chunks(c, b)), n = 0;
    while (n < most && same_chunk(x, y, n))
        n++;
    return n;
}

/* Not more ones than there are nodes. */
static int64_t few_nodes(int64_t chunks)
{
    int64_t rounded = 0;
    for (int32_t n = 0; n < ATTN__PREFIX_NODES && chunks > rounded; n++) {
        int64_t bit = 1;
        while (bit <= (chunks - rounded) / 2)
            bit *= 2;
        rounded += bit;
    }
    return rounded;
}

/* Fills key. A window hides most of what is shared. */
static void find_keys(const struct attn__exec *x, struct attn__prefixes *out, int64_t group)
{
    const struct attn__call *c = x->call;
    for (int64_t n = 0; n < c->n_seq; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        const struct attn__paged *t = table_of(c, n, group);
        struct attn__paged_place first;
        out->key[n] = -1;
        if (s.nq == 0 || s.off < ATTN__CHUNK || t->window != ATTN_UNBOUNDED ||
            !attn__exec_mine(x, &s))
            continue;
        (void)attn__paged_find(t, 0, 1, &first);
        if (first.page >= 0)
            out->key[n] = (int64_t)first.page << 32 | first.slot;
    }
}

/* How many chunks `seq` is best shared with others for: as many keys as
 * possible should be left unread. */
static int64_t best_chunks(const struct attn__exec *x, struct attn__prefixes *out, int64_t group,
                           int64_t seq)
{
    int64_t n_seq = x->call->n_seq, best = 0, most = 0;
    for (int64_t n = seq + 1; n < n_seq; n++)
        out->same[n] = out->key[n] == out->key[seq] ? same_chunks(x->call, group, seq, n) : 0;
    for (int64_t n = seq + 1; n < n_seq; n++) {
        int64_t chunks = few_nodes(out->same[n]), others = 0;
        for (int64_t i = seq + 1; i < n_seq && chunks > 0; i++)
            others += out->same[i] >= chunks;
        if (others * chunks > most) {
            most = others * chunks;
            best = chunks;
        }
    }
    return best;
}

/* The prefix of seq and of all that share as many chunks with it, as long as
 * there is room for their rows. */
static void add_prefix(const struct attn__exec *x, struct attn__prefixes *out, int64_t group,
                       int64_t seq, int64_t chunks, int64_t *members, int64_t *rows)
{
    struct attn__prefix *to = &out->prefix[out->n];
    *to = (struct attn__prefix){
        .first = *members, .chunks = chunks, .group = group, .at = *rows};
    out->same[seq] = chunks;
    for (int64_t n = seq; n < x->call->n_seq; n++) {
        int64_t queries = attn__call_seq(x->call, n).nq, more = queries * x->call->p->hout;
        if (out->key[n] != out->key[seq] || out->same[n] < chunks || more > out->rows - *rows)
            continue;
        out->member[to->first + to->n++] =
            (struct attn__prefix_member){n, to->queries, out->n};
        to->queries += queries;
        *rows += more;
    }
    if (to->n < 2) {
        *rows = to->at;
        return;
    }
    for (int64_t n = to->first; n < to->first + to->n; n++) {
        int64_t member = out->member[n].seq;
        out->of[member * out->groups + group] = n;
        out->key[member] = -1;
    }
    *members += to->n;
    out->n++;
}

bool attn__prefixes_find(const struct attn__exec *x, struct attn__prefixes *out)
{
    int64_t members = 0, rows = 0, n_seq = x->call->n_seq;
    out->n = 0;
    if (out->groups == 0)
        return false;
    for (int64_t n = 0; n < n_seq * out->groups; n++)
        out->of[n] = -1;
    for (int64_t group = 0; group < out->groups; group++) {
        find_keys(x, out, group);
        for (int64_t n = 0; n < n_seq; n++) {
            int64_t chunks = out->key[n] < 0 ? 0 : best_chunks(x, out, group, n);
            if (chunks > 0)
                add_prefix(x, out, group, n, chunks, &members, &rows);
        }
    }
    return out->n > 0;
}

int64_t attn__prefixes_group(const struct attn__exec *x, int64_t g)
{
    const struct attn__problem *p = x->call->p;
    return p->view.group[p->k_head[p->group[g]]];
}

const struct attn__prefix_member *attn__prefixes_member(const struct attn__prefixes *pre,
                                                        const struct attn__exec *x, int64_t s,
                                                        int64_t g)
{
    int64_t n = pre->of[s * pre->groups + attn__prefixes_group(x, g)];
    return n < 0 ? NULL : &pre->member[n];
}

/* Node 0 of row n of the prefix, which has rows for all heads. */
static int64_t node_of(const struct attn__exec *x, const struct attn__prefix *of, int64_t g,
                       int64_t n)
{
    return (of->at + of->queries * x->call->p->group[g] + n) * ATTN__PREFIX_NODES;
}

void attn__prefixes_keep(const struct attn__prefixes *pre, const struct attn__exec *x,
                         const struct attn__prefix *of, int64_t g, int64_t n,
                         const struct attn__tree *t)
{
    for (int64_t r = 0; r < t->rows; r++)
        for (int32_t i = 0; i < t->n; i++) {
            int64_t at = node_of(x, of, g, n + r) + i;
            pre->m[at] = attn__tree_m(t, i)[r];
            pre->l[at] = attn__tree_l(t, i)[r];
            memcpy(pre->o + at * t->dv, attn__tree_o(t, i) + r * t->dv,
                   (size_t)t->dv * sizeof *pre->o);
        }
}

void attn__prefixes_load(const struct attn__prefixes *pre, const struct attn__exec *x,
                         const struct attn__prefix *of, int64_t g, int64_t n,
                         struct attn__tree *t, int64_t r)
{
    int32_t i = 0;
    for (int64_t left = of->chunks; left > 0; left &= left - 1, i++) {
        int64_t at = node_of(x, of, g, n) + i;
        attn__tree_m(t, i)[r] = pre->m[at];
        attn__tree_l(t, i)[r] = pre->l[at];
        memcpy(attn__tree_o(t, i) + r * t->dv, pre->o + at * t->dv,
               (size_t)t->dv * sizeof *pre->o);
    }
}

/* Chunks 0 to n - 1 are the nodes that n has ones for, the largest in front. */
void attn__prefixes_resume(const struct attn__prefix *of, struct attn__tree *t)
{
    int64_t from = 0;
    t->n = 0;
    while (from < of->chunks) {
        int32_t level = 0;
        while ((INT64_C(2) << level) <= of->chunks - from)
            level++;
        t->node[t->n++] = (struct attn__tree_node){level, from >> level};
        from += INT64_C(1) << level;
    }
}
