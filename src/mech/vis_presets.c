/* SPDX-License-Identifier: MIT */
/*
 * Mechanisms that are one setting of visibility and nothing else: croc, mma,
 * ee_mllm, mixformer, ssa and masformer. Each fixes a few parameters and adds
 * at most one piece; what else a caller sets holds as for softmax.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/preset.h"
#include "problem/mech_list.h"

/* A piece of the mechanism's own; kind 0: none. */
struct own_piece {
    int32_t kind, mode;
    size_t n;
    int64_t values[4];
};

static int32_t preset(const struct attn__params *user, const struct attn__mem *mem,
                      const struct attn__setting *settings, size_t n,
                      const struct own_piece *piece, struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__preset_copy(user, mem, settings, n, &copy);
    if (status == ATTN_OK && piece->kind)
        status = attn__piece_list_add(&copy.pieces, mem, piece->kind, piece->mode, piece->values,
                                      piece->n);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, user, mem, p);
    attn__params_destroy(&copy);
    return status;
}

#define ATTN__SETTINGS(list) list, sizeof list / sizeof list[0]

static bool has_any(const struct attn__params *v, int32_t kind)
{
    for (size_t n = 0; n < v->pieces.n; n++)
        if (v->pieces.piece[n].kind == kind && v->pieces.piece[n].mode == ATTN_MODE_ANY)
            return true;
    return false;
}

static int32_t needs(const struct attn__params *v, const char *what)
{
    return attn__error_set(ATTN_ERR_UNSET, "%s needs %s, which was not set",
                           attn__mech_list_name(v->mech), what);
}

static const struct own_piece none = {0};
static const struct own_piece causal_band = {
    ATTN_PIECE_BAND, ATTN_MODE_ANY, 4, {ATTN_UNBOUNDED, 0, 0, 1}};

/* A causal text whose first p tokens everybody sees. */
int32_t attn__mech_croc(const struct attn__params *v, const struct attn__mem *mem,
                        struct attn__problem *p)
{
    static const struct attn__setting settings[] = {
        {ATTN_PARAM_CAUSAL, ATTN__REFUSED, 0, 0},
        {ATTN_PARAM_WINDOW_LEFT, ATTN__REFUSED, 0, 0},
        {ATTN_PARAM_WINDOW_RIGHT, ATTN__REFUSED, 0, 0}};
    if (attn__params_i64_or(v, ATTN_PARAM_PREFIX, 0) == 0 && !has_any(v, ATTN_PIECE_PREFIX) &&
        !has_any(v, ATTN_PIECE_RECT))
        return needs(v, "prefix, or any=prefix[] or any=rect[...]");
    return preset(v, mem, ATTN__SETTINGS(settings), &causal_band, p);
}

/* A causal text in which the queries of an image see a text ahead of them. */
int32_t attn__mech_mma(const struct attn__params *v, const struct attn__mem *mem,
                       struct attn__problem *p)
{
    static const struct attn__setting settings[] = {
        {ATTN_PARAM_CAUSAL, ATTN__REFUSED, 0, 0},
        {ATTN_PARAM_WINDOW_LEFT, ATTN__REFUSED, 0, 0},
        {ATTN_PARAM_WINDOW_RIGHT, ATTN__REFUSED, 0, 0},
        {ATTN_PARAM_PREFIX, ATTN__REFUSED, 0, 0}};
    if (!has_any(v, ATTN_PIECE_RECT))
        return needs(v, "any=rect[image,text,text,end] or any=rect[]");
    return preset(v, mem, ATTN__SETTINGS(settings), &causal_band, p);
}

/* Queries of text alone, keys of the images and then of the text. */
int32_t attn__mech_ee_mllm(const struct attn__params *v, const struct attn__mem *mem,
                           struct attn__problem *p)
{
    static const struct attn__setting settings[] = {
        {ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0},
        {ATTN_PARAM_ALIGN, ATTN__FIXED, ATTN_ALIGN_BOTTOM_RIGHT, 0}};
    return preset(v, mem, ATTN__SETTINGS(settings), &none, p);
}

/* Class 0, the templates, sees itself; class 1, the search region, sees all. */
int32_t attn__mech_mixformer(const struct attn__params *v, const struct attn__mem *mem,
                             struct attn__problem *p)
{
    static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__REFUSED, 0, 0}};
    static const struct own_piece types = {ATTN_PIECE_PAIR, ATTN_MODE_MUST, 2, {1, 3}};
    return preset(v, mem, ATTN__SETTINGS(settings), &types, p);
}

/* One list of keys for all queries, drawn by the caller. */
int32_t attn__mech_ssa(const struct attn__params *v, const struct attn__mem *mem,
                       struct attn__problem *p)
{
    static const struct own_piece kept = {
        ATTN_PIECE_LIST, ATTN_MODE_MUST, 2, {ATTN_UNBOUNDED, 1}};
    return preset(v, mem, NULL, 0, &kept, p);
}

/* Causal; the span of a layer is its window, or none. */
int32_t attn__mech_masformer(const struct attn__params *v, const struct attn__mem *mem,
                             struct attn__problem *p)
{
    static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};
    return preset(v, mem, ATTN__SETTINGS(settings), &none, p);
}
