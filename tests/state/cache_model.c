/* SPDX-License-Identifier: MIT */
/*
 * See cache_model.h.
 */
#include "cache_model.h"

#include <math.h>
#include <string.h>

#include "../oracle/stored_types.h"

static const double freq[2] = {1, 0.01};

static double plain_value(int serial, int row, int head, int channel)
{
    if (channel == 2)
        return serial % 251; /* tells tokens apart */
    return (serial * 7 + row * 3 + head * 5 + channel * 11) % 31 - 15;
}

double model_value(int width, int serial, int row, int head, int channel, int64_t turn)
{
    double x = plain_value(serial, row, head, channel);
    if (channel >= width || channel >= MODEL_TURNED || turn == 0)
        return x;
    double angle = (double)turn * freq[channel % 2];
    double y = plain_value(serial, row, head, channel ^ 2);
    return channel < 2 ? x * cos(angle) - y * sin(angle) : x * cos(angle) + y * sin(angle);
}

static int32_t idle(const struct model *m, int seq)
{
    if (seq < 0)
        return ATTN_ERR_BAD_ID;
    return m->seq[seq].open ? ATTN_ERR_BUSY : ATTN_OK;
}

static int free_slots(const struct model_page *p)
{
    int n = 0;
    for (int i = 0; i < MODEL_PAGE; i++)
        n += !p->used[i];
    return n;
}

static int new_page(struct model *m, struct model_table *t, bool closed)
{
    int p = 0;
    while (m->page[p].refs > 0)
        p++;
    memset(&m->page[p], 0, sizeof m->page[p]);
    m->page[p].refs = 1;
    m->page[p].closed = closed;
    m->used++;
    m->peak = m->used > m->peak ? m->used : m->peak;
    t->page[t->n_pages++] = p;
    return p;
}

static void unref(struct model *m, int p)
{
    if (--m->page[p].refs == 0)
        m->used--;
}

static void sweep(struct model *m, struct model_table *t)
{
    int kept = 0;
    for (int i = 0; i < t->n_pages; i++) {
        bool live[MODEL_PAGE] = {false}, any = false;
        int p = t->page[i];
        for (int c = 0; c < t->n_cells; c++)
            if (t->cell[c].page == p)
                any = live[t->cell[c].slot] = true;
        if (any && m->page[p].refs == 1)
            memcpy(m->page[p].used, live, sizeof live);
        if (any)
            t->page[kept++] = p;
        else
            unref(m, p);
    }
    t->n_pages = kept;
}

/* Can cells be put into the page, which is the table's? */
static bool takes(const struct model *m, int page)
{
    return m->page[page].refs == 1 && !m->page[page].closed;
}

static bool takes_block(const struct model *m, int page, int slot)
{
    bool used = m->page[page].refs > 1 || !m->page[page].closed;
    for (int i = 0; i < MODEL_BLOCK; i++)
        used = used || m->page[page].used[slot + i];
    return !used;
}

static int open_cells(const struct model *m, const struct model_table *t)
{
    int n = 0;
    while (n < t->n_cells && !m->page[t->cell[t->n_cells - 1 - n].page].closed)
        n++;
    return t->kivi ? n : 0;
}

/* Of so many open cells those that a commit closes. */
static int blocks_of(const struct model *m, int open)
{
    return open > m->residual ? (open - m->residual) / MODEL_BLOCK : 0;
}

static int pages_for(int slots)
{
    return slots > 0 ? (slots + MODEL_PAGE - 1) / MODEL_PAGE : 0;
}

/* Pages that n more cells need, and those that they are closed into. */
struct model_plan {
    int open, closed;
    bool copy;
};

static struct model_plan plan(const struct model *m, const struct model_table *t, int n)
{
    int own = 0, c = 0, blocks = blocks_of(m, open_cells(m, t) + n), tail = -1;
    for (int i = 0; i < t->n_pages; i++)
        if (takes(m, t->page[i]))
            own += free_slots(&m->page[t->page[i]]);
    for (int i = 0; i < t->n_pages; i++)
        for (int s = 0; s + MODEL_BLOCK <= MODEL_PAGE; s += MODEL_BLOCK)
            blocks -= takes_block(m, t->page[i], s);
    if (t->n_cells > 0)
        tail = t->cell[t->n_cells - 1].page;
    for (int i = 0; i < t->n_cells && m->page[tail].refs > 1 && !m->page[tail].closed; i++)
        c += t->cell[i].page == tail;
    bool copy = c > 0 && c < MODEL_PAGE;
    return (struct model_plan){pages_for(n + (copy ? c : 0) - own),
                               t->kivi ? pages_for(blocks * MODEL_BLOCK) : 0, copy};
}

static struct model_cell take_slot(struct model *m, struct model_table *t)
{
    struct model_cell at = {.page = -1};
    for (int i = 0; i < t->n_pages && at.page < 0; i++)
        if (takes(m, t->page[i]) && free_slots(&m->page[t->page[i]]) > 0)
            at.page = t->page[i];
    if (at.page < 0)
        at.page = new_page(m, t, false);
    while (m->page[at.page].used[at.slot])
        at.slot++;
    m->page[at.page].used[at.slot] = true;
    return at;
}

static struct model_cell take_block(struct model *m, struct model_table *t)
{
    for (int i = 0; i < t->n_pages; i++)
        for (int s = 0; s < MODEL_PAGE; s += MODEL_BLOCK)
            if (takes_block(m, t->page[i], s))
                return (struct model_cell){.page = t->page[i], .slot = s};
    return (struct model_cell){.page = new_page(m, t, true)};
}

static void copy_row(struct model *m, struct model_cell from, struct model_cell to)
{
    const struct model_page *old = &m->page[from.page];
    struct model_page *made = &m->page[to.page];
    made->used[to.slot] = true;
    made->serial[to.slot] = old->serial[from.slot];
    made->turn[to.slot] = old->turn[from.slot];
    made->turned[to.slot] = old->turned[from.slot];
    memcpy(made->row[to.slot], old->row[from.slot], sizeof made->row[0]);
}

/* ---- closing */

/* n numbers `apart` floats from each other, 32 at a time. */
static void round_numbers(int kivi, float *x, int n, int apart)
{
    float some[MODEL_BLOCK];
    uint8_t bytes[MODEL_BLOCK];
    for (; n > 0; n -= MODEL_BLOCK, x += MODEL_BLOCK * apart) {
        for (int i = 0; i < MODEL_BLOCK; i++)
            some[i] = x[i * apart];
        stored_encode(kivi, some, MODEL_BLOCK, 1, bytes);
        stored_decode(kivi, bytes, MODEL_BLOCK, 1, some);
        for (int i = 0; i < MODEL_BLOCK; i++)
            x[i * apart] = some[i];
    }
}

/* What turned cannot be told to the bit, and neither what is rounded with it. */
static void spread_turns(bool *turned)
{
    bool any = false;
    for (int i = 0; i < MODEL_BLOCK; i++)
        any = any || turned[i];
    for (int i = 0; i < MODEL_BLOCK; i++)
        turned[i] = any;
}

static void close_cells(struct model *m, struct model_table *t)
{
    int open = open_cells(m, t), blocks = blocks_of(m, open);
    struct model_cell *cell = t->cell + t->n_cells - open;
    for (m->blocks += blocks; blocks > 0; blocks--) {
        struct model_cell to = take_block(m, t);
        struct model_page *p = &m->page[to.page];
        float(*row)[MODEL_HEADS][2 * MODEL_WIDTH] = p->row + to.slot;
        for (int i = 0; i < MODEL_BLOCK; i++, cell++, to.slot++) {
            copy_row(m, *cell, to);
            cell->page = to.page;
            cell->slot = to.slot;
        }
        spread_turns(p->turned + to.slot - MODEL_BLOCK);
        for (int h = 0; h < m->heads; h++) {
            for (int e = 0; e < m->width; e++)
                round_numbers(t->kivi, &row[0][h][e], MODEL_BLOCK, sizeof row[0] / sizeof(float));
            for (int i = 0; i < MODEL_BLOCK; i++)
                round_numbers(t->kivi, &row[i][h][m->width], m->width, 1);
        }
    }
}

int32_t model_seq_create(struct model *m, int *seq)
{
    int live = 0, s = 0;
    for (int i = 0; i < MODEL_SEQS; i++)
        live += m->seq[i].live;
    if (live == m->seqs)
        return ATTN_ERR_FULL;
    while (m->seq[s].live)
        s++;
    memset(&m->seq[s], 0, sizeof m->seq[s]);
    m->seq[s].live = true;
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++)
            m->seq[s].table[r][g].kivi = m->kivi[g];
    *seq = s;
    return ATTN_OK;
}

int32_t model_seq_free(struct model *m, int seq)
{
    int32_t status = idle(m, seq);
    if (status != ATTN_OK)
        return status;
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++)
            for (int i = 0; i < m->seq[seq].table[r][g].n_pages; i++)
                unref(m, m->seq[seq].table[r][g].page[i]);
    m->seq[seq].live = false;
    return ATTN_OK;
}

static bool available(const struct model *m, const struct model_seq *s, int64_t p, bool lossy)
{
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++) {
            const struct model_rule *rule = &m->rule[r][g];
            const struct model_table *t = &s->table[r][g];
            if (rule->window != ATTN_UNBOUNDED && p > rule->sink) {
                int64_t least = p - (rule->window - 1);
                if (t->lost_end > (least > rule->sink ? least : rule->sink))
                    return false;
            }
            if (t->pruned_at > p && !lossy)
                return false;
        }
    return true;
}

static void forget(const struct model_rule *rule, struct model_table *t, int64_t p)
{
    if (p > rule->sink)
        return;
    t->lost_end = t->folded = 0;
    memset(t->fold, 0, sizeof t->fold);
}

static int64_t least_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void cut(struct model_table *t, int64_t from, int64_t to)
{
    int kept = 0;
    for (int i = 0; i < t->n_cells; i++)
        if (t->cell[i].pos < from || t->cell[i].pos >= to)
            t->cell[kept++] = t->cell[i];
    t->n_cells = kept;
}

/* s may be in no slot of its own yet. */
static void fork_into(struct model *m, const struct model_seq *s, int64_t p, struct model_seq *d)
{
    *d = *s;
    d->next = p;
    d->last = least_of(s->last, p);
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++) {
            struct model_table *t = &d->table[r][g];
            int kept = 0;
            cut(t, p, INT64_MAX);
            for (int i = 0; i < t->n_pages; i++) {
                bool live = false;
                for (int c = 0; c < t->n_cells; c++)
                    live = live || t->cell[c].page == t->page[i];
                if (!live)
                    continue;
                m->page[t->page[i]].refs++;
                t->page[kept++] = t->page[i];
            }
            t->n_pages = kept;
            t->pruned_at = least_of(t->pruned_at, p);
            forget(&m->rule[r][g], t, p);
        }
}

int32_t model_fork(struct model *m, int seq, int64_t upto, int32_t flags, int *fork)
{
    int32_t status = idle(m, seq);
    if (status != ATTN_OK)
        return status;
    int64_t p = upto == -1 ? m->seq[seq].next : upto;
    if (p < 0 || p > m->seq[seq].next || (flags & ~ATTN_CACHE_LOSSY))
        return ATTN_ERR_INVALID;
    if (!available(m, &m->seq[seq], p, flags & ATTN_CACHE_LOSSY))
        return ATTN_ERR_UNAVAILABLE;
    status = model_seq_create(m, fork);
    if (status == ATTN_OK)
        fork_into(m, &m->seq[seq], p, &m->seq[*fork]);
    return status;
}

int32_t model_truncate(struct model *m, int seq, int64_t next, int32_t flags)
{
    int32_t status = idle(m, seq);
    if (status != ATTN_OK)
        return status;
    struct model_seq *s = &m->seq[seq];
    if (next < 0 || next > s->next || (flags & ~ATTN_CACHE_LOSSY))
        return ATTN_ERR_INVALID;
    if (!available(m, s, next, flags & ATTN_CACHE_LOSSY))
        return ATTN_ERR_UNAVAILABLE;
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++) {
            struct model_table *t = &s->table[r][g];
            cut(t, next, INT64_MAX);
            t->pruned_at = least_of(t->pruned_at, next);
            forget(&m->rule[r][g], t, next);
            sweep(m, t);
        }
    s->next = next;
    s->last = least_of(s->last, next);
    s->changes++;
    return ATTN_OK;
}

int32_t model_remove(struct model *m, int seq, int64_t p0, int64_t p1)
{
    int32_t status = idle(m, seq);
    if (status != ATTN_OK)
        return status;
    struct model_seq *s = &m->seq[seq];
    if (p0 < 0 || p0 > p1 || p1 >= s->next)
        return ATTN_ERR_INVALID;
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++)
            if (s->table[r][g].folded > 0 && p0 < s->table[r][g].lost_end)
                return ATTN_ERR_UNAVAILABLE;
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++) {
            struct model_table *t = &s->table[r][g];
            cut(t, p0, p1);
            if (p0 < t->lost_end && t->lost_end <= p1)
                t->lost_end = p0;
            sweep(m, t);
        }
    s->changes++;
    return ATTN_OK;
}

static bool first_use(const struct model_table *t, int c, int64_t p0)
{
    for (int i = 0; i < c; i++)
        if (t->cell[i].pos >= p0 && t->cell[i].page == t->cell[c].page)
            return false;
    return true;
}

static void copy_page(struct model *m, struct model_table *t, int old)
{
    int made = new_page(m, t, m->page[old].closed), at = 0;
    t->n_pages--;
    while (t->page[at] != old)
        at++;
    t->page[at] = made;
    for (int c = 0; c < t->n_cells; c++) {
        struct model_cell *cell = &t->cell[c];
        if (cell->page != old)
            continue;
        cell->page = made;
        copy_row(m, (struct model_cell){.page = old, .slot = cell->slot}, *cell);
    }
    unref(m, old);
    m->copies++;
}

static int32_t check_shift(const struct model *m, const struct model_seq *s, int64_t p0,
                           int64_t delta)
{
    int need = 0;
    if (m->turns && !m->knows_turn)
        return ATTN_ERR_UNSUPPORTED;
    if (p0 < 0 || p0 > s->next || delta > m->max_position - s->next)
        return ATTN_ERR_INVALID;
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++) {
            const struct model_table *t = &s->table[r][g];
            int64_t below = -1;
            for (int c = 0; c < t->n_cells && t->cell[c].pos < p0; c++)
                below = t->cell[c].pos;
            if (p0 + delta <= below)
                return ATTN_ERR_INVALID;
            for (int c = 0; c < t->n_cells; c++)
                need += t->cell[c].pos >= p0 && m->page[t->cell[c].page].refs > 1 &&
                        first_use(t, c, p0);
        }
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++) {
            const struct model_table *t = &s->table[r][g];
            if (t->lost_end > p0 && (t->folded > 0 || p0 + delta < m->rule[r][g].sink))
                return ATTN_ERR_UNAVAILABLE;
        }
    return m->turns && delta != 0 && m->used + need > m->pages ? ATTN_ERR_FULL : ATTN_OK;
}

int32_t model_shift(struct model *m, int seq, int64_t p0, int64_t delta)
{
    int32_t status = idle(m, seq);
    struct model_seq *s = &m->seq[seq < 0 ? 0 : seq];
    if (status == ATTN_OK)
        status = check_shift(m, s, p0, delta);
    if (status != ATTN_OK)
        return status;
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++) {
            struct model_table *t = &s->table[r][g];
            for (int c = 0; c < t->n_cells; c++) {
                if (t->cell[c].pos < p0)
                    continue;
                if (m->turns && delta != 0) {
                    if (m->page[t->cell[c].page].refs > 1)
                        copy_page(m, t, t->cell[c].page);
                    m->page[t->cell[c].page].turn[t->cell[c].slot] += delta;
                    m->page[t->cell[c].page].turned[t->cell[c].slot] = true;
                    if (m->page[t->cell[c].page].closed)
                        spread_turns(m->page[t->cell[c].page].turned +
                                     t->cell[c].slot / MODEL_BLOCK * MODEL_BLOCK);
                }
            }
            for (int c = 0; c < t->n_cells; c++)
                t->cell[c].pos += t->cell[c].pos >= p0 ? delta : 0;
            t->lost_end += t->lost_end > p0 ? delta : 0;
            t->pruned_at += t->pruned_at > p0 ? delta : 0;
        }
    s->last += s->last >= p0 ? delta : 0;
    s->next += delta;
    s->changes++;
    return ATTN_OK;
}

int32_t model_prune(struct model *m, int seq, int row, int group, const int64_t *keep, int n)
{
    int32_t status = idle(m, seq);
    int kept = 0;
    if (status != ATTN_OK)
        return status;
    if (row < 0 || row >= m->rows || group < 0 || group >= m->groups)
        return ATTN_ERR_INVALID;
    if (m->rule[row][group].window != ATTN_UNBOUNDED)
        return ATTN_ERR_UNSUPPORTED;
    struct model_table *t = &m->seq[seq].table[row][group];
    for (int i = 0; i < n; i++) {
        bool there = false;
        for (int c = 0; c < t->n_cells; c++)
            there = there || t->cell[c].pos == keep[i];
        if (!there || (i > 0 && keep[i] <= keep[i - 1]))
            return ATTN_ERR_INVALID;
    }
    if (n == t->n_cells)
        return ATTN_OK;
    for (int c = 0; c < t->n_cells; c++)
        if (kept < n && t->cell[c].pos == keep[kept])
            t->cell[kept++] = t->cell[c];
    t->n_cells = kept;
    t->pruned_at = m->seq[seq].next;
    sweep(m, t);
    m->seq[seq].changes++;
    return ATTN_OK;
}

int32_t model_reorder(struct model *m, int n, const int *old, const int32_t *parent, int *seq)
{
    static struct model_seq beam[MODEL_SEQS];
    for (int i = 0; i < n; i++) {
        int32_t status = idle(m, old[i]);
        if (status != ATTN_OK)
            return status;
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (old[i] == old[j])
                return ATTN_ERR_INVALID;
    for (int i = 0; i < n; i++)
        if (parent[i] < 0 || parent[i] >= n)
            return ATTN_ERR_INVALID;
    for (int i = 0; i < n; i++)
        if (!available(m, &m->seq[old[parent[i]]], m->seq[old[parent[i]]].next, false))
            return ATTN_ERR_UNAVAILABLE;
    for (int i = 0; i < n; i++)
        fork_into(m, &m->seq[old[parent[i]]], m->seq[old[parent[i]]].next, &beam[i]);
    for (int i = 0; i < n; i++)
        model_seq_free(m, old[i]);
    for (int i = 0; i < n; i++) {
        model_seq_create(m, &seq[i]);
        m->seq[seq[i]] = beam[i];
    }
    return ATTN_OK;
}

static void copy_tail(struct model *m, struct model_table *t)
{
    int old = t->cell[t->n_cells - 1].page, kept = 0;
    for (int i = 0; i < t->n_pages; i++)
        if (t->page[i] != old)
            t->page[kept++] = t->page[i];
    t->n_pages = kept;
    unref(m, old);
    m->copies++;
    for (int c = 0; c < t->n_cells; c++) {
        struct model_cell *cell = &t->cell[c];
        if (cell->page != old)
            continue;
        struct model_cell at = take_slot(m, t);
        copy_row(m, *cell, at);
        cell->page = at.page;
        cell->slot = at.slot;
    }
}

static int32_t check_begin(const struct model *m, int n, const int *seq, const int64_t *counts,
                           const int32_t *parents)
{
    int need = 0, start = 0;
    for (int i = 0; i < n; i++) {
        int32_t status = idle(m, seq[i]);
        if (status != ATTN_OK)
            return status;
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (seq[i] == seq[j])
                return ATTN_ERR_INVALID;
    for (int i = 0; i < n; i++)
        if (counts[i] < 1)
            return ATTN_ERR_INVALID;
    for (int i = 0; i < n && parents; start += (int)counts[i++])
        for (int t = 0; t < counts[i]; t++)
            if (parents[start + t] < -1 || parents[start + t] >= t)
                return ATTN_ERR_INVALID;
    for (int i = 0; i < n; i++)
        if (m->seq[seq[i]].next + counts[i] > m->max_position)
            return ATTN_ERR_LIMIT;
    for (int i = 0; i < n; i++)
        for (int r = 0; r < m->rows; r++)
            for (int g = 0; g < m->groups; g++) {
                struct model_plan p = plan(m, &m->seq[seq[i]].table[r][g], (int)counts[i]);
                need += p.open + p.closed;
            }
    return n == 0 ? ATTN_ERR_INVALID : m->used + need > m->pages ? ATTN_ERR_FULL : ATTN_OK;
}

static void make_room(struct model *m, struct model_table *t, int cells)
{
    struct model_plan p = plan(m, t, cells);
    if (p.copy) {
        copy_tail(m, t);
        p = plan(m, t, cells);
    }
    while (p.open-- > 0)
        new_page(m, t, false);
    while (p.closed-- > 0)
        new_page(m, t, true);
}

int32_t model_begin(struct model *m, int n, const int *seq, const int64_t *counts,
                    const int32_t *parents, int step)
{
    int32_t status = check_begin(m, n, seq, counts, parents);
    struct model_step *s = &m->step[step];
    if (status != ATTN_OK)
        return status;
    memset(s, 0, sizeof *s);
    s->open = true;
    s->n = n;
    for (int i = 0, start = 0; i < n; start += (int)counts[i++]) {
        s->seq[i] = seq[i];
        s->count[i] = (int)counts[i];
        for (int t = 0; t < counts[i]; t++)
            s->parent[i][t] = parents ? parents[start + t] : t - 1;
        for (int r = 0; r < m->rows; r++)
            for (int g = 0; g < m->groups; g++)
                make_room(m, &m->seq[seq[i]].table[r][g], s->count[i]);
        m->seq[seq[i]].open = true;
        m->seq[seq[i]].changes++;
    }
    return ATTN_OK;
}

static void fill_row(struct model *m, int row, struct model_cell at)
{
    struct model_page *p = &m->page[at.page];
    for (int h = 0; h < m->heads; h++)
        for (int e = 0; e < 2 * m->width; e++)
            p->row[at.slot][h][e] =
                (float)model_value(m->width, p->serial[at.slot], row, h, e, 0);
}

int32_t model_write(struct model *m, int step, int row, int serial)
{
    struct model_step *s = &m->step[step];
    if (!s->open)
        return ATTN_ERR_STATE;
    if (row < 0 || row >= m->rows)
        return ATTN_ERR_INVALID;
    if (s->written[row])
        return ATTN_ERR_STATE;
    for (int i = 0; i < s->n; i++) {
        for (int x = 0; x < s->count[i]; x++, serial++) {
            int depth = 0;
            for (int a = s->parent[i][x]; a >= 0; a = s->parent[i][a])
                depth++;
            for (int g = 0; g < m->groups; g++) {
                struct model_table *t = &m->seq[s->seq[i]].table[row][g];
                struct model_cell at = take_slot(m, t);
                at.pos = m->seq[s->seq[i]].next + depth;
                m->page[at.page].serial[at.slot] = serial;
                m->page[at.page].turn[at.slot] = 0;
                m->page[at.page].turned[at.slot] = false;
                fill_row(m, row, at);
                t->cell[t->n_cells++] = at;
            }
        }
    }
    s->written[row] = true;
    return ATTN_OK;
}

static void drop(struct model *m, int row, int group, struct model_table *t, int64_t last)
{
    const struct model_rule *rule = &m->rule[row][group];
    int64_t lo = last - (rule->window - 1) - rule->slack;
    int kept = 0;
    for (int c = 0; c < t->n_cells; c++) {
        struct model_cell at = t->cell[c];
        if (at.pos < rule->sink || at.pos >= lo) {
            t->cell[kept++] = at;
            continue;
        }
        t->lost_end = at.pos + 1 > t->lost_end ? at.pos + 1 : t->lost_end;
        if (!rule->fold)
            continue;
        t->folded++;
        for (int h = 0; h < m->heads; h++)
            for (int e = 0; e < 2 * m->width; e++)
                t->fold[h][e] += model_value(m->width, m->page[at.page].serial[at.slot], row, h, e,
                                             m->page[at.page].turn[at.slot]);
    }
    t->n_cells = kept;
}

int32_t model_commit(struct model *m, int step, const int64_t *n_keep, const int32_t *keep)
{
    struct model_step *s = &m->step[step];
    const int32_t *path = keep;
    for (int r = 0; r < m->rows; r++)
        if (!s->open || !s->written[r])
            return ATTN_ERR_STATE;
    for (int i = 0; i < s->n; i++) {
        int64_t n = n_keep ? n_keep[i] : s->count[i];
        int at = -1;
        if (n < 0 || n > s->count[i])
            return ATTN_ERR_INVALID;
        for (int x = 0; x < n; x++) {
            int token = n_keep ? path[x] : x;
            if (token < 0 || token >= s->count[i] || s->parent[i][token] != at)
                return ATTN_ERR_INVALID;
            at = token;
        }
        path = n_keep ? path + n : path;
    }
    for (int i = 0; i < s->n; i++) {
        struct model_seq *q = &m->seq[s->seq[i]];
        int64_t n = n_keep ? n_keep[i] : s->count[i];
        q->last = q->next;
        q->next += n;
        q->open = false;
        q->changes++;
        for (int r = 0; r < m->rows; r++)
            for (int g = 0; g < m->groups; g++) {
                struct model_table *t = &q->table[r][g];
                int first = t->n_cells - s->count[i];
                for (int x = 0; x < n; x++)
                    t->cell[first + x] = t->cell[first + (n_keep ? keep[x] : x)];
                t->n_cells = first + (int)n;
                if (m->rule[r][g].window != ATTN_UNBOUNDED)
                    drop(m, r, g, t, q->last);
                close_cells(m, t);
                sweep(m, t);
            }
        keep = n_keep ? keep + n : keep;
    }
    s->open = false;
    return ATTN_OK;
}

int32_t model_abort(struct model *m, int step)
{
    struct model_step *s = &m->step[step];
    if (!s->open)
        return ATTN_ERR_STATE;
    for (int i = 0; i < s->n; i++) {
        m->seq[s->seq[i]].open = false;
        m->seq[s->seq[i]].changes++;
        for (int r = 0; r < m->rows; r++)
            for (int g = 0; g < m->groups; g++) {
                struct model_table *t = &m->seq[s->seq[i]].table[r][g];
                t->n_cells -= s->written[r] ? s->count[i] : 0;
                sweep(m, t);
            }
    }
    s->open = false;
    return ATTN_OK;
}

static void append_table(struct model *m, const struct model_table *from, struct model_table *t,
                         int64_t n, int64_t next)
{
    for (int64_t i = 0; i < n; i++) {
        struct model_cell old = from->cell[i], at = take_slot(m, t);
        bool turns = m->turns && next > 0;
        copy_row(m, old, at);
        m->page[at.page].turn[at.slot] += turns ? next : 0;
        m->page[at.page].turned[at.slot] |= turns;
        at.pos = next + i;
        t->cell[t->n_cells++] = at;
    }
}

int32_t model_append(struct model *m, int seq, int from)
{
    int32_t status = idle(m, seq);
    if (status == ATTN_OK)
        status = idle(m, from);
    if (status != ATTN_OK)
        return status;
    struct model_seq *to = &m->seq[seq];
    const int64_t n = m->seq[from].next;
    if (m->turns && !m->knows_turn)
        return ATTN_ERR_UNSUPPORTED;
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++)
            if (m->seq[from].table[r][g].n_cells != n)
                return ATTN_ERR_UNAVAILABLE;
    status = n > 0 ? check_begin(m, 1, &seq, &n, NULL) : ATTN_OK;
    if (status != ATTN_OK || n == 0)
        return status;
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++)
            make_room(m, &to->table[r][g], (int)n);
    to->last = to->next;
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++) {
            struct model_table *t = &to->table[r][g];
            append_table(m, &m->seq[from].table[r][g], t, n, to->next);
            if (m->rule[r][g].window != ATTN_UNBOUNDED)
                drop(m, r, g, t, to->last);
            close_cells(m, t);
            sweep(m, t);
        }
    to->next += n;
    to->changes++;
    return ATTN_OK;
}

/* Cell c is of the same block as the one before. */
static bool same_block(const struct model *m, const struct model_table *t, int c)
{
    return c > 0 && m->page[t->cell[c].page].closed && t->cell[c].page == t->cell[c - 1].page &&
           t->cell[c].slot / MODEL_BLOCK == t->cell[c - 1].slot / MODEL_BLOCK;
}

static int load_need(const struct model *m, const struct model_table *t)
{
    int open = open_cells(m, t), blocks = 0;
    for (int c = 0; c < t->n_cells - open && t->kivi; c++)
        blocks += !same_block(m, t, c);
    return pages_for(t->kivi ? open : t->n_cells) + pages_for(blocks * MODEL_BLOCK);
}

/* The cells of `from` again, in pages of the table's own; blocks stay as they are. */
static void load_table(struct model *m, const struct model_table *from, struct model_table *t)
{
    struct model_cell block = {0};
    t->n_pages = 0;
    for (int c = 0; c < t->n_cells; c++) {
        struct model_cell old = from->cell[c], at = {0};
        bool closed = m->page[old.page].closed;
        if (closed && !same_block(m, from, c))
            block = take_block(m, t);
        at = closed ? block : take_slot(m, t);
        at.slot += closed ? old.slot % MODEL_BLOCK : 0;
        copy_row(m, old, at);
        t->cell[c].page = at.page;
        t->cell[c].slot = at.slot;
    }
}

int32_t model_load(struct model *m, int seq, int *made)
{
    int32_t status = idle(m, seq);
    int need = 0;
    if (status == ATTN_OK)
        status = model_seq_create(m, made);
    if (status != ATTN_OK)
        return status;
    const struct model_seq *s = &m->seq[seq];
    struct model_seq *d = &m->seq[*made];
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++)
            need += load_need(m, &s->table[r][g]);
    if (m->used + need > m->pages) {
        d->live = false;
        return ATTN_ERR_FULL;
    }
    *d = *s;
    for (int r = 0; r < m->rows; r++)
        for (int g = 0; g < m->groups; g++)
            load_table(m, &s->table[r][g], &d->table[r][g]);
    return ATTN_OK;
}
