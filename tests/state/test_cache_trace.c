/* SPDX-License-Identifier: MIT */
/*
 * Repeats the calls in cache_trace.gold, which make_cache_trace.py made with a
 * NumPy model: statuses, page counts and everything stored must be the same.
 * usage: test_cache_trace FILE
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

enum { IDS = 1000, HEADS = 3, GROUPS = 2, WIDTH = 2, TOKENS = 64, CELLS = 1024 };

struct world {
    attn_cache *cache;
    attn_step *step;
    int heads, layers, groups, pages, rules;
    int64_t limit, rule[GROUPS][4];
    int group_of[HEADS];
    int heads_in[GROUPS];
    int64_t id[IDS]; /* of the model's sequences, which count from 1 */
    int made;
    bool live[IDS];
    int n_items, tokens, serial;
};

static const struct {
    const char *word;
    int32_t status;
} words[] = {
    {"OK", ATTN_OK},
    {"INVALID", ATTN_ERR_INVALID},
    {"BAD_ID", ATTN_ERR_BAD_ID},
    {"BUSY", ATTN_ERR_BUSY},
    {"STATE", ATTN_ERR_STATE},
    {"FULL", ATTN_ERR_FULL},
    {"LIMIT", ATTN_ERR_LIMIT},
    {"UNAVAILABLE", ATTN_ERR_UNAVAILABLE},
    {"UNSUPPORTED", ATTN_ERR_UNSUPPORTED},
};

/* Takes the next number of the line. */
static int64_t number(char **at)
{
    return strtoll(*at, at, 10);
}

static void open_cache(struct world *w)
{
    static const char *const keys[] = {"cache_window", "cache_sink", "cache_slack", "cache_fold"};
    char text[512];
    attn_ctx *ctx = NULL;
    attn_desc *desc = NULL;
    int at = sprintf(text,
                     "cache h=%d d=%d cache_layers=%d cache_page=8 cache_pages=%d cache_keys=raw "
                     "cache_max_position=%" PRId64 " cache_group=[%d",
                     w->heads, WIDTH, w->layers, w->pages, w->limit, w->group_of[0]);
    for (int h = 1; h < w->heads; h++)
        at += sprintf(text + at, ",%d", w->group_of[h]);
    at += sprintf(text + at, "]");
    for (int k = 0; k < 4; k++) {
        at += sprintf(text + at, " %s=[", keys[k]);
        for (int g = 0; g < w->groups; g++) {
            at += sprintf(text + at, g ? "," : "");
            at += k == 0 && w->rule[g][0] == 0 ? sprintf(text + at, "inf")
                                               : sprintf(text + at, "%" PRId64, w->rule[g][k]);
        }
        at += sprintf(text + at, "]");
    }
    if (attn_ctx_create(NULL, &ctx) != ATTN_OK || attn_desc_parse(ctx, text, &desc) != ATTN_OK ||
        attn_cache_create(ctx, desc, &w->cache) != ATTN_OK) {
        attn_last_error(text, sizeof text);
        fprintf(stderr, "error: %s\n", text);
        exit(EXIT_FAILURE);
    }
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
}

static int32_t write_layer(struct world *w, int64_t layer)
{
    static double k[TOKENS * HEADS * WIDTH], v[TOKENS * HEADS * WIDTH];
    const int64_t shape[4] = {1, w->heads, w->tokens, WIDTH};
    attn_tensor tk, tv;
    attn_tensor_init(&tk, k, ATTN_DTYPE_F64, 4, shape);
    attn_tensor_init(&tv, v, ATTN_DTYPE_F64, 4, shape);
    for (int h = 0; h < w->heads; h++)
        for (int x = 0; x < w->tokens; x++)
            for (int e = 0; e < WIDTH; e++) {
                int at = (h * w->tokens + x) * WIDTH + e;
                k[at] = (x + w->serial) % 251 + h + (double)layer;
                v[at] = k[at] + 2 * e;
            }
    return attn_step_write(w->step, layer, &tk, &tv);
}

static int32_t begin(struct world *w, char **at)
{
    int64_t n = number(at), ids[HEADS] = {0}, counts[HEADS] = {0};
    int32_t parents[TOKENS];
    attn_step *made;
    int tokens = 0;
    for (int i = 0; i < n; i++) {
        ids[i] = w->id[number(at)];
        counts[i] = number(at);
        for (int t = 0; t < counts[i]; t++)
            parents[tokens++] = (int32_t)number(at);
    }
    int32_t status = attn_step_begin(w->cache, (size_t)n, ids, counts, parents, &made);
    if (status == ATTN_OK) {
        attn_step_destroy(w->step);
        w->step = made;
        w->n_items = (int)n;
        w->tokens = tokens;
    }
    return status;
}

static int32_t commit(struct world *w, char **at)
{
    int64_t n_keep[HEADS];
    int32_t keep[TOKENS];
    int kept = 0;
    if (**at == '=')
        return attn_step_commit(w->step, NULL, NULL);
    for (int i = 0; i < w->n_items; i++) {
        n_keep[i] = number(at);
        for (int t = 0; t < n_keep[i]; t++)
            keep[kept++] = (int32_t)number(at);
    }
    return attn_step_commit(w->step, n_keep, keep);
}

static void enter(struct world *w, int64_t id)
{
    w->live[++w->made] = true;
    w->id[w->made] = id;
}

static int32_t reorder(struct world *w, char **at)
{
    int64_t n = number(at), old[IDS], made[IDS];
    int32_t parent[IDS];
    for (int i = 0; i < n; i++) {
        int64_t sid = number(at);
        old[i] = w->id[sid];
        parent[i] = i;
        w->live[sid] = false;
    }
    int32_t status = attn_cache_reorder(w->cache, (size_t)n, old, parent, made);
    for (int i = 0; i < n && status == ATTN_OK; i++)
        enter(w, made[i]);
    return status;
}

static int32_t prune(struct world *w, int64_t id, char **at)
{
    int64_t keep[CELLS], layer = number(at), group = number(at), n = number(at);
    for (int i = 0; i < n; i++)
        keep[i] = number(at);
    return attn_cache_prune(w->cache, id, layer, group, keep, (size_t)n);
}

static int32_t call(struct world *w, const char *name, char **at)
{
    int64_t made, sid, a, b;
    int32_t status;
    w->serial += 37;
    if (strcmp(name, "create") == 0) {
        status = attn_cache_seq_create(w->cache, &made);
        if (status == ATTN_OK)
            enter(w, made);
        return status;
    }
    if (strcmp(name, "begin") == 0)
        return begin(w, at);
    if (strcmp(name, "write") == 0)
        return write_layer(w, number(at));
    if (strcmp(name, "commit") == 0)
        return commit(w, at);
    if (strcmp(name, "abort") == 0)
        return attn_step_abort(w->step);
    if (strcmp(name, "reorder") == 0)
        return reorder(w, at);
    sid = number(at);
    if (strcmp(name, "prune") == 0)
        return prune(w, w->id[sid], at);
    if (strcmp(name, "free") == 0) {
        status = attn_cache_seq_free(w->cache, w->id[sid]);
        w->live[sid] = w->live[sid] && status != ATTN_OK;
        return status;
    }
    a = number(at);
    b = number(at);
    if (strcmp(name, "trunc") == 0)
        return attn_cache_truncate(w->cache, w->id[sid], a, (int32_t)b);
    if (strcmp(name, "remove") == 0)
        return attn_cache_remove(w->cache, w->id[sid], a, b);
    if (strcmp(name, "shift") == 0)
        return attn_cache_shift(w->cache, w->id[sid], a, b);
    status = attn_cache_fork(w->cache, w->id[sid], a, (int32_t)b, &made);
    if (status == ATTN_OK)
        enter(w, made);
    return status;
}

static void add(uint32_t *h, int64_t x)
{
    *h = *h * 31 + (uint32_t)x;
}

static void add_table(const struct world *w, int64_t id, int layer, int g, uint32_t *h)
{
    static double k[HEADS * CELLS * WIDTH], v[HEADS * CELLS * WIDTH];
    int64_t pos[CELLS], folded = 0, shape[4] = {1, w->heads_in[g], 0, WIDTH};
    size_t n = 0;
    attn_tensor tk, tv;
    attn_cache_positions(w->cache, id, layer, g, pos, CELLS, &n);
    shape[2] = (int64_t)n;
    attn_tensor_init(&tk, k, ATTN_DTYPE_F64, 4, shape);
    attn_tensor_init(&tv, v, ATTN_DTYPE_F64, 4, shape);
    attn_cache_read(w->cache, id, layer, g, &tk, &tv);
    size_t last = ((size_t)w->heads_in[g] - 1) * n * WIDTH;
    for (size_t i = 0; i < n; i++) {
        add(h, pos[i]);
        add(h, (int64_t)k[i * WIDTH]);
        add(h, (int64_t)v[last + i * WIDTH + 1]);
    }
    if (w->rule[g][3]) {
        shape[2] = 1;
        attn_tensor_init(&tk, k, ATTN_DTYPE_F64, 4, shape);
        attn_tensor_init(&tv, v, ATTN_DTYPE_F64, 4, shape);
        attn_cache_read_fold(w->cache, id, layer, g, &folded, &tk, &tv);
    }
    add(h, folded);
    if (folded > 0) {
        /* sums of whole numbers */
        add(h, (int64_t)(k[0] * (double)folded + 0.5));
        add(h, (int64_t)(v[(w->heads_in[g] - 1) * WIDTH + 1] * (double)folded + 0.5));
    }
}

static uint32_t digest(const struct world *w)
{
    uint32_t h = 1;
    for (int s = 1; s <= w->made; s++) {
        int64_t next = 0, last = 0;
        if (!w->live[s])
            continue;
        attn_cache_seq_get_i64(w->cache, w->id[s], ATTN_CACHE_SEQ_NEXT, &next);
        attn_cache_seq_get_i64(w->cache, w->id[s], ATTN_CACHE_SEQ_LAST, &last);
        add(&h, next);
        add(&h, last);
        for (int layer = 0; layer < w->layers; layer++)
            for (int g = 0; g < w->groups; g++)
                add_table(w, w->id[s], layer, g, &h);
    }
    return h;
}

static bool same_figures(const struct world *w, char **at)
{
    static const int32_t figures[] = {ATTN_CACHE_PAGES_USED, ATTN_CACHE_PAGES_PEAK,
                                      ATTN_CACHE_COPIES, ATTN_CACHE_SEQUENCES, ATTN_CACHE_CELLS};
    bool same = true;
    for (int i = 0; i < 5; i++) {
        int64_t value = -1;
        attn_cache_get_i64(w->cache, figures[i], &value);
        same = number(at) == value && same;
    }
    return same && number(at) == digest(w) && attn_cache_check(w->cache) == ATTN_OK;
}

static void close_cache(struct world *w)
{
    attn_step_destroy(w->step);
    attn_cache_destroy(w->cache);
}

static void start(struct world *w, char *at)
{
    close_cache(w);
    memset(w, 0, sizeof *w);
    w->heads = (int)number(&at);
    w->layers = (int)number(&at);
    w->groups = (int)number(&at);
    w->pages = (int)number(&at);
    w->limit = number(&at);
    for (int h = 0; h < w->heads; h++) {
        w->group_of[h] = (int)number(&at);
        w->heads_in[w->group_of[h]]++;
    }
}

/* 0: fine. */
static int line_of(struct world *w, char *line)
{
    char *at = strchr(line, ' '), *equals = strchr(line, '='), word[32] = "", name[32] = "";
    int32_t want = 1;
    sscanf(line, "%31s", name);
    at++;
    if (strcmp(name, "world") == 0) {
        start(w, at);
        return 0;
    }
    if (strcmp(name, "rule") == 0) {
        for (int k = 0; k < 4; k++)
            w->rule[w->rules][k] = number(&at);
        if (++w->rules == w->groups)
            open_cache(w);
        return 0;
    }
    int32_t status = call(w, name, &at);
    sscanf(equals + 1, "%31s", word);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].word, word) == 0)
            want = words[i].status;
    at = equals + 2 + strlen(word);
    if (status == want && same_figures(w, &at))
        return 0;
    fprintf(stderr, "got %s, or other figures\n", attn_status_name(status));
    return 1;
}

int main(int argc, char **argv)
{
    static struct world w;
    static char line[4096];
    int n = 0, failed = 0;
    FILE *f = argc > 1 ? fopen(argv[1], "r") : NULL;
    while (f && !failed && fgets(line, sizeof line, f)) {
        n++;
        failed = line_of(&w, line);
    }
    close_cache(&w);
    if (f)
        fclose(f);
    if (failed || n < 100) {
        fprintf(stderr, "error: line %d of the trace\n", n);
        return EXIT_FAILURE;
    }
    printf("%d lines\n", n);
    return EXIT_SUCCESS;
}
