/* SPDX-License-Identifier: MIT */
/*
 * The structs of a cache and what its files share. Keys and values lie in
 * pages: a page has room for the same number of tokens of one head group. A
 * sequence has a table for each layer that owns keys and each group: which
 * cells it holds, in the order of their positions, and in which pages. Pages
 * are counted by the tables that list them; only a table that is alone on a
 * page writes there.
 *
 * Where keys are kivi a group has two kinds of pages: open ones of floats, which
 * new tokens go to, and closed ones. The cells of a table are closed ones and
 * then open ones; cache_close.c moves them from one to the other, 32 at a time.
 *
 * Every operation looks and computes first, then takes all the memory it will
 * need, and only then changes anything, which can no longer fail. What was
 * taken for nothing stays as spare room that nobody can see.
 */
#ifndef ATTN_STATE_CACHE_OBJECT_H
#define ATTN_STATE_CACHE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <attn/cache.h>

#include "base/ctx.h"
#include "base/dtype.h"
#include "problem/paged.h"

/* Keys from position - window + 1 on stay in view, and the first `sink`. */
struct attn__cache_rule {
    int64_t window; /* ATTN_UNBOUNDED: all keys stay */
    int64_t sink, slack;
    bool fold;
};

struct attn__cache_group {
    int64_t n_heads;
    const int32_t *head; /* KV heads, ascending */
    int32_t k_dtype, v_dtype;
    int32_t k_stored, v_stored; /* the same, or how slabs store them */
    int32_t scores;        /* ATTN_CACHE_SCORES_* */
    size_t k_row, v_row;   /* bytes of a row */
    size_t k_head, v_head; /* bytes of a head's rows in a page */
    size_t v_at;           /* of all heads' keys, behind which values begin; 0: among them */
    size_t v_bytes;        /* of a value that is stored besides its key, or 0 */
    size_t page_bytes;
};

/* What a descriptor says; lists live in one block of `bytes`. */
struct attn__cache_config {
    int64_t layers, heads, groups, d, dv;
    int64_t kinds;    /* of pages: groups, or twice as many if any keys are kivi */
    int64_t residual; /* newest tokens that stay floats then */
    int64_t rows; /* layers that own keys */
    int64_t page_size, pages, sequences, max_position;
    int64_t score_rows; /* of a run that WINDOW_SUM adds up, the last ones */
    bool v_prefix;      /* values are the first dv channels of keys */
    bool summary;       /* bounds of pages are kept */
    bool raw;           /* keys are not turned */
    bool local;         /* they are, and several sequences follow each other */
    int32_t pairing;    /* ATTN_ROPE_*: how they are; NONE: not known */
    int64_t rope_dim, rope_from; /* so many channels, from that one on */
    const double *freq;          /* [rope_dim / 2] */
    const float *k_scale, *v_scale; /* [rows][heads] of fp8, NULL: 1 for all */
    bool check_data; /* stored types refuse what has no code */
    const int32_t *row; /* [layers]: index of the owner among the owners */
    const bool *owns;   /* [layers] */
    /* [kinds]: groups as they store their rows, and then, of those with keys of
     * kivi, as the rows of open pages are */
    const struct attn__cache_group *group;
    const struct attn__cache_rule *rule;   /* [rows][groups] */
    void *block;
    size_t bytes;
};

/* Memory of several pages, and such of it as no page uses (cache_block.c). */
struct attn__cache_block;
struct attn__cache_slot;

struct attn__cache_page {
    struct attn__paged_memory at;
    struct attn__cache_block *block; /* that it is in */
    int32_t kind;
    int32_t refs;
    int32_t n_used; /* bits set in its map */
    int32_t marks;  /* scratch of a sweep */
    int32_t next;   /* in the list that the page is in, -1 at the end */
    bool stale;     /* the map may have slots of tables that left the page */
};

/* Of the keys that a table has in a page. */
/* As struct attn__paged_bounds has it. */
struct attn__cache_bound {
    int64_t cells; /* how many they are; another number: to be made anew */
    float x[];     /* [heads][d] smallest numbers, then largest */
};

struct attn__cache_table {
    int64_t number; /* in its sequence */
    struct attn__cache_cell *cell;
    int64_t n_cells, cell_room;
    int32_t *page;
    int64_t n_pages, page_room;
    char *bounds;       /* of page n at n * bound_bytes; NULL, 0: none */
    size_t bound_bytes;
    int64_t bound_room;
    int64_t lost_end;  /* 1 + the last position a window dropped, 0: none */
    int64_t pruned_at; /* next at the last prune that took something, or 0 */
    int64_t n_folded;
    double *fold; /* sums of folded rows: K of all heads of the group, then V */
};

struct attn__cache_seq {
    int64_t next, last;
    bool lossy;
    bool marked; /* scratch of whoever looks for doubles */
    const struct attn_step *step; /* the open one */
    int64_t version;              /* how often it changed, for views */
    struct attn__cache_table *table; /* [rows][groups] */
};

struct attn__cache_item {
    struct attn__cache_seq *seq;
    int64_t count; /* tokens, from `start` on of all */
    int64_t start;
};

struct attn_step {
    uint64_t tag;
    attn_cache *cache; /* a reference */
    bool open;
    int64_t n, tokens, n_written;
    struct attn__cache_item *item; /* [n] */
    int32_t *parent;               /* [tokens], -1: none */
    int64_t *depth;                /* [tokens], ancestors */
    bool *written;                 /* [rows] */
    size_t bytes;                  /* of all of it */
};

struct attn_cache {
    uint64_t tag;
    size_t refs; /* the caller's and one of each step and view */
    bool closed; /* the caller's is gone */
    struct attn_ctx *ctx; /* a reference */
    struct attn__cache_config c;

    struct attn__cache_page *page; /* [pages] */
    uint64_t *map;                 /* [pages][words]: which slots are used */
    int64_t words;
    int32_t empty;   /* pages without memory */
    int32_t *spare;  /* [kinds]: pages with memory that nobody uses */
    int64_t *n_spare;
    struct attn__cache_slot **slot; /* [kinds]: memory of blocks that no page uses */
    int64_t *need;   /* [kinds]: scratch of whoever takes pages */

    struct attn__cache_seq **seq; /* [sequences], NULL: free */
    int32_t *generation;          /* of the last sequence in the slot */

    int64_t pages_used, pages_peak, n_seqs;
    int64_t appended, copies, evicted, pruned, refused;
};

#define ATTN__CACHE_TAG UINT64_C(0x6174746E63616368)
#define ATTN__STEP_TAG UINT64_C(0x6174746E73746570)

/* ---- cache_object.c */

/* The config becomes the cache's, and is freed on failure too. */
int32_t attn__cache_make(struct attn_ctx *ctx, struct attn__cache_config *c, attn_cache **cache);
void attn__cache_release(attn_cache *cache);

/* The sequence behind a handle; ATTN_ERR_BAD_ID, and ATTN_ERR_BUSY while a
 * step is open on it. `find` takes those too. */
int32_t attn__cache_find(const attn_cache *cache, const char *name, int64_t id,
                         struct attn__cache_seq **seq);
int32_t attn__cache_idle(const attn_cache *cache, const char *name, int64_t id,
                         struct attn__cache_seq **seq);

/* A sequence that is in no slot yet; NULL: no memory. */
struct attn__cache_seq *attn__cache_seq_make(attn_cache *cache);
/* Gives its pages back as well. */
void attn__cache_seq_drop(attn_cache *cache, struct attn__cache_seq *seq);
/* Puts it into a free slot, which there is, and returns its handle. */
int64_t attn__cache_seq_put(attn_cache *cache, struct attn__cache_seq *seq);
/* ATTN_ERR_FULL without a free slot. */
int32_t attn__cache_seq_room(const attn_cache *cache);

static inline int64_t attn__cache_tables(const attn_cache *cache)
{
    return cache->c.rows * cache->c.groups;
}

static inline const struct attn__cache_group *attn__cache_group_of(const attn_cache *cache,
                                                                   int64_t table)
{
    return &cache->c.group[table % cache->c.groups];
}

static inline bool attn__cache_closes(const attn_cache *cache, int64_t table)
{
    return attn__dtype_kivi(attn__cache_group_of(cache, table)->k_dtype) != 0;
}

/* The kind of the pages that new cells of a table go to. */
static inline int32_t attn__cache_open_kind(const attn_cache *cache, int64_t table)
{
    int64_t group = table % cache->c.groups;
    return (int32_t)(group + (attn__cache_closes(cache, table) ? cache->c.groups : 0));
}

/* ---- cache_block.c */

/* Memory for a page that has none; ATTN_ERR_NOMEM. And the way back. */
int32_t attn__cache_block_take(attn_cache *cache, int64_t kind, struct attn__cache_page *page);
void attn__cache_block_give(attn_cache *cache, struct attn__cache_page *page);
/* All rows of a page, used or not, to another one of its kind. */
void attn__cache_block_copy(const attn_cache *cache, const struct attn__cache_page *to,
                            const struct attn__cache_page *from);

/* ---- cache_pool.c */

static inline bool attn__cache_sole(const attn_cache *cache, int32_t page)
{
    return cache->page[page].refs == 1;
}

static inline uint64_t *attn__cache_map(const attn_cache *cache, int32_t page)
{
    return cache->map + page * cache->words;
}

/* Memory for need[n] pages of each kind besides those in use. The sum has
 * been found to fit. */
int32_t attn__cache_pool_reserve(attn_cache *cache);
/* ATTN_ERR_FULL if the sum of need[] does not fit. */
int32_t attn__cache_pool_fits(attn_cache *cache, const char *what);
/* A page that was reserved, with one reference and no slot used. */
int32_t attn__cache_pool_take(attn_cache *cache, int64_t kind);
void attn__cache_pool_give(attn_cache *cache, int32_t page);

/* How the rows of a cell are stored. */
static inline const struct attn__cache_group *attn__cache_stored(const attn_cache *cache,
                                                                 struct attn__cache_cell at)
{
    return &cache->c.group[cache->page[at.page].kind];
}

/* The rows of a cell, of the head with this index in the group. */
static inline char *attn__cache_k(const attn_cache *cache, struct attn__cache_cell at,
                                  int64_t head)
{
    const struct attn__cache_group *g = attn__cache_stored(cache, at);
    const struct attn__paged_memory *m = &cache->page[at.page].at;
    return m->k + head * (int64_t)g->k_head * m->beside +
           attn__dtype_row_at(g->k_stored, (int64_t)g->k_row, at.slot);
}

static inline char *attn__cache_v(const attn_cache *cache, struct attn__cache_cell at,
                                  int64_t head)
{
    const struct attn__cache_group *g = attn__cache_stored(cache, at);
    const struct attn__paged_memory *m = &cache->page[at.page].at;
    return m->v + head * (int64_t)g->v_head * m->beside +
           attn__dtype_row_at(g->v_stored, (int64_t)g->v_row, at.slot);
}

/* ---- cache_table.c */

/* Room for so many further cells and pages. */
int32_t attn__cache_table_grow(attn_cache *cache, struct attn__cache_table *t, int64_t cells,
                               int64_t pages);
void attn__cache_table_free(attn_cache *cache, int64_t table, struct attn__cache_table *t);
/* What n more cells need: pages that they go to, and closed ones for those that
 * their commit closes. copy: the tail page is shared and has room, so its cells
 * move first. */
struct attn__cache_plan {
    int64_t pages, closed;
    bool copy;
};

struct attn__cache_plan attn__cache_table_plan(const attn_cache *cache,
                                               const struct attn__cache_table *t, int64_t n);
/* The first free slot of pages for new cells that are the table's alone, from
 * the page with index *from on, which becomes that of its page; takes a page if
 * there is none. */
struct attn__cache_cell attn__cache_table_slot(attn_cache *cache, struct attn__cache_table *t,
                                               int64_t *from);
/* Appends a page, which was reserved. */
void attn__cache_table_add(attn_cache *cache, struct attn__cache_table *t, int32_t kind);
/* Copies the rows of one cell to another, which is of the same kind or open. */
void attn__cache_table_copy(const attn_cache *cache, int64_t table, struct attn__cache_cell from,
                            struct attn__cache_cell to);
/* Gives pages without cells back and frees the slots of those that went.
 * changed: cells or pages were taken from the lists. */
void attn__cache_table_sweep(attn_cache *cache, struct attn__cache_table *t, bool changed);
/* Keeps the cells below pos, or those outside of [from, to). */
bool attn__cache_table_cut(struct attn__cache_table *t, int64_t from, int64_t to);

/* ---- cache_bounds.c: nothing happens in caches without cache_summary */

/* Bytes of the bounds of a page, 0 without; false if that does not fit. */
bool attn__cache_bound_size(const attn_cache *cache, int64_t table, size_t *bytes);
/* Those of the page at an index of the list: of no cells; copied from another
 * list or place; with one cell more. */
void attn__cache_bounds_clear(const attn_cache *cache, struct attn__cache_table *t, int64_t page);
void attn__cache_bounds_copy(struct attn__cache_table *t, int64_t page,
                             const struct attn__cache_table *from, int64_t from_page);
void attn__cache_bounds_add(const attn_cache *cache, struct attn__cache_table *t, int64_t page,
                            struct attn__cache_cell at);
/* The pages of cells from `first` on are to be looked at anew: keys change. */
void attn__cache_bounds_touch(const attn_cache *cache, struct attn__cache_table *t, int64_t first);
/* Makes those anew that are of other cells than the table has. */
void attn__cache_bounds_refresh(const attn_cache *cache, struct attn__cache_table *t);
/* Does every key lie within? */
bool attn__cache_bounds_hold(const attn_cache *cache, const struct attn__cache_table *t);
int32_t attn__cache_page_bounds(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                                const attn_tensor *low, const attn_tensor *high, int64_t *page_of,
                                size_t room, size_t *n);

/* ---- cache_rows.c */

/* The form of a head's rows: their type, and what fp8 is divided by. */
struct attn__cache_form {
    int32_t dtype;
    float scale;
};

/* Of a cell of a table, and the head with this index in its group. */
struct attn__cache_form attn__cache_k_form(const attn_cache *cache, int64_t table,
                                           struct attn__cache_cell at, int64_t head);
struct attn__cache_form attn__cache_v_form(const attn_cache *cache, int64_t table,
                                           struct attn__cache_cell at, int64_t head);

/* n numbers of a row to floats, and from floats to any but keys of kivi. */
void attn__cache_row_widen(const attn_cache *cache, struct attn__cache_form form, const void *row,
                           int64_t n, float *dst);
void attn__cache_row_narrow(const attn_cache *cache, struct attn__cache_form form, void *row,
                            const float *src, int64_t n);

/* n elements between a stored row and a caller's, `step` elements apart from
 * `at` on. */
void attn__cache_row_put(const attn_cache *cache, char *row, struct attn__cache_form form,
                         const attn_tensor *t, int64_t at, int64_t step, int64_t n);
void attn__cache_row_get(const attn_cache *cache, const char *row, struct attn__cache_form form,
                         const attn_tensor *t, int64_t at, int64_t step, int64_t n);
/* ATTN_ERR_INVALID if the row has a number without a code in a stored type. */
int32_t attn__cache_row_check(const char *name, int32_t dtype, const attn_tensor *t, int64_t at,
                              int64_t step, int64_t n);
/* A row as the bytes that it has by itself, and from them: so it is saved, and goes
 * from slab to slab. `bytes` of them. */
void attn__cache_row_pack(int32_t stored, const char *row, void *packed, size_t bytes);
void attn__cache_row_unpack(int32_t stored, char *row, const void *packed, size_t bytes);
/* Copies a row of so many bytes to another one stored alike. */
void attn__cache_row_copy(int32_t stored, char *to, const char *from, size_t bytes);
/* Adds the rows of a cell to the sums of its table. */
void attn__cache_row_fold(const attn_cache *cache, int64_t table, struct attn__cache_cell from,
                          double *sums);
/* Turns the keys of a cell by `turn`: cosines [dim / 2], then sines. room: for
 * the numbers that attn__cache_turn_room says, of stored types. */
void attn__cache_row_turn(const attn_cache *cache, int64_t table, struct attn__cache_cell at,
                          const double *turn, float *room);
/* The same of a key of a type that tensors have, from channel `first` on. */
void attn__cache_turn(const attn_cache *cache, void *key, int32_t dtype, int64_t first,
                      const double *turn);
/* The numbers that turning changes, up to the end of a block. */
int64_t attn__cache_turn_room(const attn_cache *cache);

/* Cosines and sines of a turn by `delta` positions, and behind them that room:
 * *bytes from the allocator; NULL: no memory. */
double *attn__cache_turn_make(const attn_cache *cache, int64_t delta, size_t *bytes);

/* ---- cache_close.c: tables whose keys are kivi */

/* How many cells at the end of a table are in open pages; 0 of other tables. */
int64_t attn__cache_open_cells(const attn_cache *cache, const struct attn__cache_table *t);
/* Pages for the blocks that a commit of n more cells closes at most. */
int64_t attn__cache_close_plan(const attn_cache *cache, const struct attn__cache_table *t,
                               int64_t n);
/* Closes the oldest open cells; false if there were too few. */
bool attn__cache_close(attn_cache *cache, struct attn__cache_table *t);
/* The first slot of a block without a cell, in a closed page that is the table's
 * alone; it takes a page if there is none. *from as for attn__cache_table_slot. */
struct attn__cache_cell attn__cache_close_block(attn_cache *cache, struct attn__cache_table *t,
                                                int64_t *from);
/* How many of the closed cells n..end-1 are in the same block as cell n. */
int64_t attn__cache_block_cells(const struct attn__cache_table *t, int64_t n, int64_t end);
/* Turns the keys of closed cells from index `at` on, whose blocks are rounded
 * anew. Returns the index of the first cell behind `at` that is open. */
int64_t attn__cache_close_turn(attn_cache *cache, struct attn__cache_table *t, int64_t at,
                               const double *turn, float *room);

/*
 * The functions of <attn/cache.h> with pointers checked and the cache open.
 */

/* ---- cache_seq.c */
int32_t attn__cache_seq_create(attn_cache *cache, int64_t *seq);
int32_t attn__cache_seq_free(attn_cache *cache, int64_t seq);
int32_t attn__cache_fork(attn_cache *cache, int64_t seq, int64_t upto, int32_t flags,
                         int64_t *fork);
int32_t attn__cache_reorder(attn_cache *cache, size_t n, const int64_t *old,
                            const int32_t *parent, int64_t *seq);

/* ---- cache_edit.c */
int32_t attn__cache_truncate(attn_cache *cache, int64_t seq, int64_t next, int32_t flags);
int32_t attn__cache_remove(attn_cache *cache, int64_t seq, int64_t p0, int64_t p1);
int32_t attn__cache_prune(attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                          const int64_t *keep, size_t n);
/* ATTN_ERR_UNAVAILABLE if the sequence cannot end at p; *loses: only with
 * ATTN_CACHE_LOSSY. */
int32_t attn__cache_available(const attn_cache *cache, const struct attn__cache_seq *s, int64_t p,
                              int32_t flags, bool *loses);
/* What a window dropped is forgotten once the end is among its sinks. */
void attn__cache_forget(const attn_cache *cache, int64_t table, struct attn__cache_table *t,
                        int64_t p);
/* The table of a layer and group of a sequence; idle: without open step. */
int32_t attn__cache_locate(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                           bool idle, struct attn__cache_seq **s, int64_t *table);

/* The first `kept` cells are what a prune has left. */
void attn__cache_pruned(attn_cache *cache, struct attn__cache_seq *s,
                        struct attn__cache_table *t, int64_t kept);

/* ---- cache_scores.c */

/* Whether the cells of a table have scores. */
static inline bool attn__cache_tracks(const attn_cache *cache, int64_t table)
{
    return attn__cache_group_of(cache, table)->scores != ATTN_CACHE_SCORES_NONE &&
           cache->c.rule[table].window == ATTN_UNBOUNDED;
}

/* For who runs queries and tells the weights that they gave, of a table that
 * tracks: how many of `rows` query rows count, the last ones; the beginning of
 * a run; and the weights of one row of one query head for n cells from
 * `first` on. */
int64_t attn__cache_scored_rows(const attn_cache *cache, int64_t table, int64_t rows);
void attn__cache_score_begin(const attn_cache *cache, int64_t table, struct attn__cache_table *t);
void attn__cache_score_add(const attn_cache *cache, int64_t table, struct attn__cache_table *t,
                           int64_t first, const float *p, int64_t n);

int32_t attn__cache_observe(attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                            const attn_tensor *weights);
int32_t attn__cache_scores(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                           float *scores, size_t room, size_t *n);
int32_t attn__cache_prune_scores(attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                                 const int32_t *rule, const int64_t *value, size_t n);

/* ---- cache_shift.c */
int32_t attn__cache_shift(attn_cache *cache, int64_t seq, int64_t p0, int64_t delta);

/* ---- cache_append.c */
int32_t attn__cache_append(attn_cache *cache, int64_t seq, int64_t from);

/* ---- cache_info.c */
int32_t attn__cache_get_i64(const attn_cache *cache, int32_t what, int64_t *value);
int32_t attn__cache_seq_get_i64(const attn_cache *cache, int64_t seq, int32_t what,
                                int64_t *value);
int32_t attn__cache_positions(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                              int64_t *positions, size_t room, size_t *n);
int32_t attn__cache_read(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                         const attn_tensor *k, const attn_tensor *v);
int32_t attn__cache_read_fold(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                              int64_t *n, const attn_tensor *k, const attn_tensor *v);

/* ---- cache_save.c */
int32_t attn__cache_save(const attn_cache *cache, int64_t seq, void *buf, size_t len,
                         size_t *needed);
int32_t attn__cache_load(attn_cache *cache, const void *buf, size_t len, int64_t *seq);

/* ---- cache_check.c */
int32_t attn__cache_check(const attn_cache *cache);

/* ---- cache_step.c */
int32_t attn__cache_step_begin(attn_cache *cache, size_t n, const int64_t *seqs,
                               const int64_t *counts, const int32_t *parents, attn_step **step);
int32_t attn__cache_step_write(attn_step *step, int64_t layer, const attn_tensor *k,
                               const attn_tensor *v);
int32_t attn__cache_step_commit(attn_step *step, const int64_t *n_keep, const int32_t *keep);
int32_t attn__cache_step_abort(attn_step *step);
void attn__cache_step_free(attn_step *step);
/* Weights [1,H,R,n] of queries, any H and R from 1 and 0 on. */
int32_t attn__cache_weights(const char *name, const attn_tensor *t, int64_t n);
/* The tensors of a write or read have heads, n tokens and the right widths. */
int32_t attn__cache_tensor(const char *name, const attn_tensor *t, int64_t heads, int64_t n,
                           int64_t d);

#endif /* ATTN_STATE_CACHE_OBJECT_H */
