/* SPDX-License-Identifier: MIT */
/*
 * `attn map`: draws which tiles of a head a problem computes, or its
 * probabilities. For the first no data is needed but what visibility comes
 * from; for the second it computes.
 */
#include "outfile.h"
#include "picture.h"
#include "png.h"
#include "run_arrays.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPT_HELP,
    OPT_OUT,
    OPT_HEAD,
    OPT_SEQ,
    OPT_TILE,
    OPT_SCALE,
    OPT_PROBS,
    OPT_LAYOUT,
    OPT_THREADS,
    OPT_ISA,
    FIXED_OPTIONS
};

/* Cells a side: what a picture is for. */
enum { PROBS_MAX_SIDE = 4096, DEFAULT_SIDE = 640, DEFAULT_TILE = 64, FEWEST_TILES = 32 };

struct map {
    attn_ctx *ctx;
    attn_desc *desc;
    attn_plan *plan;
    run_arrays arrays;
    outfile file;
    bool svg, probs;
    int64_t head, seq, q_tile, k_tile, scale;
    uint8_t *cell;
    picture picture;
    char *title;
    char legend[PICTURE_LEGEND][64];
    char summary[200]; /* printed once the picture is there */
};

static int64_t get(const attn_desc *desc, int32_t param, int64_t fallback)
{
    int64_t value;
    return attn_desc_get_i64(desc, param, &value) == ATTN_OK ? value : fallback;
}

static int set_if_unset(attn_desc *desc, int32_t param, int64_t value)
{
    int32_t set = 0, status = attn_desc_is_set(desc, param, &set);
    if (status == ATTN_OK && !set)
        status = attn_desc_set_i64(desc, param, value);
    return status == ATTN_OK ? 0 : tool_library(status);
}

/* Sizes that a picture of tiles does not hang on. */
static int default_sizes(struct map *m)
{
    const struct {
        int32_t param;
        int64_t value;
    } sizes[] = {{ATTN_PARAM_B, m->seq + 1}, {ATTN_PARAM_HQ, m->head + 1}, {ATTN_PARAM_D, 64},
                 {ATTN_PARAM_K, get(m->desc, ATTN_PARAM_Q, 1)}};
    int rc = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && rc == 0; i++)
        rc = set_if_unset(m->desc, sizes[i].param, sizes[i].value);
    if (rc == 0 && get(m->desc, ATTN_PARAM_K, 1) == ATTN_UNBOUNDED)
        rc = tool_usage("k is inf, expected a number: a picture has edges");
    return rc;
}

/* An input that nothing of the picture hangs on: one element, which all of it
 * is. */
static void stand_in(attn_tensor *t)
{
    static const float f32 = 1;
    static const double f64 = 1;
    static const uint16_t f16 = 0x3C00, bf16 = 0x3F80;
    const struct {
        int32_t dtype;
        const void *one;
    } ones[] = {{ATTN_DTYPE_F32, &f32}, {ATTN_DTYPE_F64, &f64}, {ATTN_DTYPE_F16, &f16},
                {ATTN_DTYPE_BF16, &bf16}};
    for (size_t i = 0; i < sizeof ones / sizeof ones[0]; i++)
        if (t->dtype == ones[i].dtype)
            t->data = (void *)(uintptr_t)ones[i].one;
    memset(t->stride, 0, sizeof t->stride);
}

static size_t inputs(const run_slots *slots, attn_arg *args)
{
    size_t n = 0;
    for (size_t i = 0; i < slots->n; i++)
        if (!attn_role_is_output(slots->slot[i].role))
            args[n++] = (attn_arg){slots->slot[i].role, 0, &slots->slot[i].view};
    return n;
}

static int32_t dtype_of(const attn_desc *desc, int32_t param, int32_t fallback)
{
    static const int32_t types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64, ATTN_DTYPE_F16,
                                    ATTN_DTYPE_BF16};
    char name[16];
    if (attn_desc_get_text(desc, param, name, sizeof name, NULL) == ATTN_OK)
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
            if (strcmp(name, attn_dtype_name(types[i])) == 0)
                return types[i];
    return fallback;
}

/* Q and K tell the lengths; the library knows the shape of everything else. */
static int add_stand_in(struct map *m, int32_t role)
{
    run_slots *slots = &m->arrays.slots;
    run_slot *s = &slots->slot[slots->n];
    int64_t hq = get(m->desc, ATTN_PARAM_HQ, 1), hk = get(m->desc, ATTN_PARAM_HK, hq);
    bool q = role == ATTN_ROLE_Q, k = role == ATTN_ROLE_K;
    int32_t status, type = dtype_of(m->desc, ATTN_PARAM_DTYPE, ATTN_DTYPE_F32);
    const int64_t shape[4] = {get(m->desc, ATTN_PARAM_B, 1), q ? hq : hk,
                              get(m->desc, q ? ATTN_PARAM_Q : ATTN_PARAM_K, 1),
                              get(m->desc, ATTN_PARAM_D, 1)};
    attn_arg args[RUN_MAX_SLOTS];
    *s = (run_slot){.role = role};
    if ((q || k) && get(m->desc, ATTN_PARAM_PACKED, 0))
        return tool_usage("--q FILE and --k FILE are needed: the problem is packed");
    if (q || k)
        status = attn_tensor_init(&s->view, NULL,
                                  q ? type : dtype_of(m->desc, ATTN_PARAM_KV_DTYPE, type), 4,
                                  shape);
    else
        status = attn_plan_shape(m->plan, args, inputs(slots, args), role, &s->view);
    if (status != ATTN_OK && status != ATTN_ERR_ROLE)
        return tool_library(status);
    if (status == ATTN_OK)
        stand_in(&s->view);
    if (!s->view.data)
        return tool_usage("--%s FILE is needed", attn_role_name(role));
    slots->n++;
    return 0;
}

/* Everything that execute requires and no file was given for. */
static int complete_inputs(struct map *m)
{
    int32_t role, required;
    for (size_t i = 0; (role = attn_plan_role_at(m->plan, i, &required)) != 0; i++) {
        if (!required || attn_role_is_output(role) || run_find(&m->arrays.slots, role))
            continue;
        if (m->probs && role != ATTN_ROLE_V)
            return tool_usage("--%s FILE is needed: probabilities are of data",
                              attn_role_name(role));
        int rc = add_stand_in(m, role);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int make_cells(struct map *m, int64_t rows, int64_t columns, int64_t most)
{
    picture *p = &m->picture;
    if (rows < 1 || columns < 1)
        return tool_failed("there is nothing to draw: %" PRId64 " queries or tiles of them, %"
                           PRId64 " keys", rows, columns);
    int64_t scale = m->scale > 0 ? m->scale : picture_scale(rows, columns, DEFAULT_SIDE);
    if (rows > most || columns > most || scale > most / (rows > columns ? rows : columns))
        return tool_failed("the picture would have %" PRId64 " x %" PRId64 " cells of %" PRId64
                           " pixels, expected at most %" PRId64 " a side%s",
                           rows, columns, scale, most,
                           m->probs ? "" : ": say a larger --tile or a smaller --scale");
    if (m->svg && rows * columns > PICTURE_SVG_CELLS)
        return tool_failed("the picture would have %" PRId64 " x %" PRId64
                           " cells, expected at most %d in an SVG: take PNG",
                           rows, columns, (int)PICTURE_SVG_CELLS);
    m->cell = malloc((size_t)(rows * columns));
    if (!m->cell)
        return tool_failed("no memory for %" PRId64 " x %" PRId64 " cells", rows, columns);
    p->rows = rows;
    p->columns = columns;
    p->scale = (int32_t)scale;
    p->cell = m->cell;
    p->beside = "queries";
    p->below = "keys";
    return 0;
}

static void legend(struct map *m, int32_t color, const char *text, int64_t count)
{
    picture *p = &m->picture;
    char *to = m->legend[p->legends];
    snprintf(to, sizeof m->legend[0], count < 0 ? "%s" : "%s: %" PRId64, text, count);
    p->legend[p->legends].color = color;
    p->legend[p->legends++].text = to;
}

static int draw_tiles(struct map *m)
{
    static const uint8_t palette[4][3] = {
        {0xF4, 0xF4, 0xF4}, {0xF0, 0xA0, 0x30}, {0x30, 0x60, 0xA0}, {0x80, 0x80, 0x80}};
    picture *p = &m->picture;
    attn_arg args[RUN_MAX_SLOTS];
    size_t n = inputs(&m->arrays.slots, args);
    int64_t rows, columns, count[3] = {0};
    int32_t status = attn_plan_tiles(m->plan, args, n, m->seq, m->head, m->q_tile, m->k_tile,
                                     NULL, 0, &rows, &columns);
    int rc = status == ATTN_OK ? make_cells(m, rows, columns, PNG_MAX_SIDE - 2)
                               : tool_library(status);
    if (rc != 0)
        return rc;
    size_t cells = (size_t)(rows * columns);
    status = attn_plan_tiles(m->plan, args, n, m->seq, m->head, m->q_tile, m->k_tile, m->cell,
                             cells, &rows, &columns);
    if (status != ATTN_OK)
        return tool_library(status);
    for (size_t i = 0; i < cells; i++)
        count[m->cell[i]]++;
    memcpy(p->palette, palette, sizeof palette);
    p->colors = 4;
    legend(m, ATTN_TILE_FULL, "computed", count[ATTN_TILE_FULL]);
    legend(m, ATTN_TILE_PARTIAL, "computed and masked", count[ATTN_TILE_PARTIAL]);
    legend(m, ATTN_TILE_EMPTY, "skipped", count[ATTN_TILE_EMPTY]);
    snprintf(m->summary, sizeof m->summary,
             "%" PRId64 " full, %" PRId64 " partial, %" PRId64 " empty of %zu tiles of %" PRId64
             " x %" PRId64 "; %.1f %% computed",
             count[ATTN_TILE_FULL], count[ATTN_TILE_PARTIAL], count[ATTN_TILE_EMPTY], cells,
             m->q_tile, m->k_tile,
             100 - 100 * (double)count[ATTN_TILE_EMPTY] / (double)cells);
    return 0;
}

/* Colours of probabilities: 0 none, the ramp, then NaN and the frame. */
enum { RAMP = 253, NOT_A_NUMBER = 254, FRAME = 255 };

static void make_ramp(picture *p)
{
    static const int at[4][3] = {
        {0xE4, 0xEE, 0xFA}, {0x50, 0x98, 0xD0}, {0x1C, 0x44, 0x88}, {0x08, 0x0C, 0x30}};
    static const uint8_t fixed[3][3] = {
        {0xFF, 0xFF, 0xFF}, {0xE0, 0x20, 0xA0}, {0x80, 0x80, 0x80}};
    for (int i = 0; i < RAMP; i++)
        for (int c = 0; c < 3; c++) {
            int part = i < RAMP - 1 ? 3 * i / (RAMP - 1) : 2, along = 3 * i - part * (RAMP - 1);
            p->palette[1 + i][c] =
                (uint8_t)(at[part][c] + (at[part + 1][c] - at[part][c]) * along / (RAMP - 1));
        }
    memcpy(p->palette[0], fixed[0], 3);
    memcpy(p->palette[NOT_A_NUMBER], fixed[1], 3);
    memcpy(p->palette[FRAME], fixed[2], 3);
    p->colors = PICTURE_COLORS;
}

static double value(const attn_tensor *t, int64_t i)
{
    return t->dtype == ATTN_DTYPE_F64 ? ((const double *)t->data)[i]
                                      : (double)((const float *)t->data)[i];
}

static int check_index(const char *name, int64_t found, int64_t n)
{
    if (found < n)
        return 0;
    return tool_failed("--%s is %" PRId64 ", expected 0 to %" PRId64, name, found, n - 1);
}

/* Sequence and head of PROBS. */
static int draw_probs(struct map *m, const attn_tensor *t)
{
    picture *p = &m->picture;
    int rc = check_index("seq", m->seq, t->shape[0]);
    if (rc == 0)
        rc = check_index("head", m->head, t->shape[1]);
    if (rc == 0)
        rc = make_cells(m, t->shape[2], t->shape[3], PNG_MAX_SIDE - 2);
    if (rc != 0)
        return rc;
    int64_t n = p->rows * p->columns, first = (m->seq * t->shape[1] + m->head) * n, at = 0;
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        if (value(t, first + i) > most) {
            most = value(t, first + i);
            at = i;
        }
    for (int64_t i = 0; i < n; i++) {
        double x = value(t, first + i);
        m->cell[i] = isnan(x)  ? NOT_A_NUMBER
                     : x > 0 ? (uint8_t)(1 + (int)(sqrt(x / most) * (RAMP - 1) + 0.5))
                             : 0;
    }
    make_ramp(p);
    char text[48];
    snprintf(text, sizeof text, "%.4g, the largest", most);
    legend(m, RAMP, text, -1);
    snprintf(text, sizeof text, "%.4g", most / 4);
    legend(m, 1 + RAMP / 2, text, -1);
    legend(m, 0, "0", -1);
    snprintf(m->summary, sizeof m->summary,
             "largest probability %.6g: query %" PRId64 ", key %" PRId64, most, at / p->columns,
             at % p->columns);
    return 0;
}

static int compute_probs(struct map *m)
{
    run_slots *slots = &m->arrays.slots;
    attn_arg args[RUN_MAX_SLOTS];
    const int32_t outputs[] = {ATTN_ROLE_OUT, ATTN_ROLE_PROBS};
    int rc = 0;
    for (size_t i = 0; i < 2; i++)
        slots->slot[slots->n++] = (run_slot){.role = outputs[i]};
    rc = run_shape_outputs(m->plan, slots);
    const attn_tensor *t = &slots->slot[slots->n - 1].view;
    if (rc == 0 && (t->shape[2] > PROBS_MAX_SIDE || t->shape[3] > PROBS_MAX_SIDE))
        return tool_failed("there are %" PRId64 " queries and %" PRId64
                           " keys, expected at most %d each for --probs",
                           t->shape[2], t->shape[3], (int)PROBS_MAX_SIDE);
    for (size_t i = slots->n - 2; i < slots->n && rc == 0; i++)
        rc = run_allocate(&m->arrays, i);
    for (size_t i = 0; i < slots->n && rc == 0; i++)
        args[i] = (attn_arg){slots->slot[i].role, 0, &slots->slot[i].view};
    int32_t status = rc == 0 ? attn_plan_execute(m->plan, args, slots->n, NULL, 0) : ATTN_OK;
    if (status != ATTN_OK)
        rc = tool_library(status);
    return rc == 0 ? draw_probs(m, t) : rc;
}

static int32_t write_desc(const void *desc, char *buf, size_t len, size_t *needed)
{
    return attn_desc_print(desc, buf, len, needed);
}

static int make_title(struct map *m)
{
    int32_t status;
    char *text = tool_text(write_desc, m->desc, &status);
    if (!text)
        return tool_library(status);
    size_t room = strlen(text) + 96;
    m->title = malloc(room);
    if (m->title)
        snprintf(m->title, room, "%s (sequence %" PRId64 ", head %" PRId64 ")", text, m->seq,
                 m->head);
    free(text);
    m->picture.title = m->title;
    return m->title ? 0 : tool_failed("no memory for a title");
}

static int write_picture(struct map *m, const char *path)
{
    int rc = outfile_open(&m->file, path);
    if (rc == 0)
        rc = m->svg ? picture_svg(m->file.file, &m->picture)
                    : picture_png(m->file.file, &m->picture);
    if (rc || outfile_finish(&m->file) || outfile_commit(&m->file))
        return tool_failed("--out: %s cannot be written: %s", path, strerror(errno));
    printf("%s\n", m->summary);
    return 0;
}

static void default_tile(struct map *m)
{
    int64_t q = get(m->desc, ATTN_PARAM_Q, 1), k = get(m->desc, ATTN_PARAM_K, 1);
    int64_t tile = DEFAULT_TILE;
    while (tile > 1 && (q > k ? q : k) / tile < FEWEST_TILES)
        tile /= 2;
    m->q_tile = m->k_tile = tile;
}

static int map(struct map *m, const char *problem, const char *path)
{
    int32_t status = attn_desc_parse(m->ctx, problem, &m->desc);
    int rc = status == ATTN_OK ? 0 : tool_library(status);
    for (size_t i = 0; i < m->arrays.slots.n && rc == 0; i++)
        rc = run_load(&m->arrays, i);
    if (rc == 0)
        rc = run_complete(m->desc, &m->arrays.slots);
    if (rc == 0)
        rc = default_sizes(m);
    if (rc == 0 && m->probs) {
        int64_t want = get(m->desc, ATTN_PARAM_WANT, 0) | ATTN_WANT_PROBS;
        status = attn_desc_set_i64(m->desc, ATTN_PARAM_WANT, want);
        rc = status == ATTN_OK ? 0 : tool_library(status);
    }
    if (rc == 0) {
        status = attn_plan_create(m->ctx, m->desc, &m->plan);
        rc = status == ATTN_OK ? 0 : tool_library(status);
    }
    if (rc == 0)
        rc = complete_inputs(m);
    if (rc == 0 && m->q_tile == 0)
        default_tile(m);
    if (rc == 0)
        rc = make_title(m);
    if (rc == 0)
        rc = m->probs ? compute_probs(m) : draw_tiles(m);
    return rc == 0 ? write_picture(m, path) : rc;
}

static void release(struct map *m)
{
    outfile_release(&m->file);
    run_release(&m->arrays);
    free(m->cell);
    free(m->title);
    attn_plan_destroy(m->plan);
    attn_desc_destroy(m->desc);
    attn_ctx_destroy(m->ctx);
}

static int read_number(const tool_option *o, int64_t least, int64_t most, int64_t *to)
{
    if (!o->value || (tool_number(o->value, to) && *to >= least && *to <= most))
        return 0;
    return tool_usage("--%s is '%s', expected a number from %" PRId64 " to %" PRId64, o->name,
                      o->value, least, most);
}

/* N or Q,K */
static int read_tile(const char *text, struct map *m)
{
    enum { DIGITS = 24 };
    char first[DIGITS] = "";
    if (!text)
        return 0;
    size_t n = strcspn(text, ",");
    if (n < DIGITS)
        memcpy(first, text, n);
    const char *second = text[n] ? text + n + 1 : first;
    if (tool_number(first, &m->q_tile) && tool_number(second, &m->k_tile) && m->q_tile > 0 &&
        m->k_tile > 0)
        return 0;
    return tool_usage("--tile is '%s', expected a number from 1 on, or two: queries,keys", text);
}

static int read_options(struct map *m, const tool_option *options)
{
    const char *path = options[OPT_OUT].value, *layout = options[OPT_LAYOUT].value;
    const char *ending = path ? strrchr(path, '.') : NULL;
    m->svg = ending && strcmp(ending, ".svg") == 0;
    m->probs = options[OPT_PROBS].value != NULL;
    m->arrays.bnhd = layout && strcmp(layout, "bnhd") == 0;
    if (!path)
        return tool_usage("--out FILE is needed, a .png or .svg");
    if (!ending || (!m->svg && strcmp(ending, ".png") != 0))
        return tool_usage("--out is '%s', expected a name that ends in .png or .svg", path);
    if (layout && !m->arrays.bnhd && strcmp(layout, "bhnd") != 0)
        return tool_usage("--layout is '%s', expected bhnd or bnhd", layout);
    if (m->probs && options[OPT_TILE].value)
        return tool_usage("--tile is given, but with --probs every pair is a cell");
    int rc = read_number(&options[OPT_HEAD], 0, 65535, &m->head);
    if (rc == 0)
        rc = read_number(&options[OPT_SEQ], 0, INT32_MAX, &m->seq);
    if (rc == 0)
        rc = read_number(&options[OPT_SCALE], 1, 1024, &m->scale);
    return rc == 0 ? read_tile(options[OPT_TILE].value, m) : rc;
}

static void print_help(const tool_option *fixed)
{
    printf("usage: attn map PROBLEM --out FILE.png|FILE.svg ...\n\n"
           "Draws which tiles of queries (down) and keys (across) one head computes, by the\n"
           "library's own classes: blue all of it, orange some of it, light none. For example\n"
           "attn map softmax q=2048 causal window=255,0 sink_tokens=64 --out map.png\n"
           "b, h, d and k may be left out. With --probs, --q and --k: a heat map of the\n"
           "probabilities, shaded by the root of each over the largest.\n\n");
    tool_print_options(fixed, FIXED_OPTIONS);
    printf("\nInputs that visibility comes from are .npy files, as in attn run: --mask, --q-len,\n"
           "--seg-q, --list-offsets, --list-index, --gate ... The file appears whole or not\n"
           "at all.\n");
}

int cmd_map(int argc, char **argv)
{
    const tool_option fixed[FIXED_OPTIONS] = {
        [OPT_HELP] = {"help", NULL, "print this", NULL},
        [OPT_OUT] = {"out", "FILE", "the picture: .png or .svg", NULL},
        [OPT_HEAD] = {"head", "N", "output head (0)", NULL},
        [OPT_SEQ] = {"seq", "N", "sequence of the batch (0)", NULL},
        [OPT_TILE] = {"tile", "N|Q,K", "queries and keys of a tile (64, fewer if short); 1: pairs",
                      NULL},
        [OPT_SCALE] = {"scale", "N", "pixels a side of a cell", NULL},
        [OPT_PROBS] = {"probs", NULL, "draw probabilities", NULL},
        [OPT_LAYOUT] = {"layout", "bhnd|bnhd", "as in attn run", NULL},
        [OPT_THREADS] = {"threads", "N", "as in attn run", NULL},
        [OPT_ISA] = {"isa", "NAME", "as in attn run", NULL},
    };
    tool_option options[FIXED_OPTIONS + RUN_MAX_SLOTS];
    memcpy(options, fixed, sizeof fixed);
    size_t n = run_role_options(options + FIXED_OPTIONS, false);
    struct map m = {.ctx = NULL};
    char *problem = NULL;
    int rc = tool_parse("map", argc, argv, options, FIXED_OPTIONS + n, &problem);
    if (rc != 0)
        return rc;
    if (options[OPT_HELP].value)
        print_help(fixed);
    else if (!problem)
        rc = tool_usage("a problem is needed, such as \"softmax q=512 causal\" (attn map --help)");
    else if ((rc = read_options(&m, options)) == 0 &&
             (rc = run_fill_slots(&m.arrays.slots, options + FIXED_OPTIONS, n)) == 0 &&
             (rc = tool_context(options[OPT_THREADS].value, options[OPT_ISA].value, &m.ctx)) == 0)
        rc = map(&m, problem, options[OPT_OUT].value);
    release(&m);
    free(problem);
    return rc;
}
