/* SPDX-License-Identifier: MIT */
/*
 * The pieces of visibility of a descriptor.
 */
#include <attn/pieces.h>

#include <string.h>

#include "api/api_check.h"
#include "api/desc_object.h"
#include "problem/nearest.h"

int32_t attn_desc_add_piece(attn_desc *desc, int32_t kind, int32_t mode, const int64_t *values,
                            size_t n)
{
    ATTN__CHECK_POINTER(desc);
    if (n > 0)
        ATTN__CHECK_POINTER(values);
    return attn__piece_list_add(&desc->params.pieces, desc->params.mem, kind, mode, values, n);
}

int32_t attn_desc_piece_count(const attn_desc *desc, size_t *n)
{
    ATTN__CHECK_POINTER(desc);
    ATTN__CHECK_POINTER(n);
    *n = desc->params.pieces.n;
    return ATTN_OK;
}

int32_t attn_desc_piece_at(const attn_desc *desc, size_t index, int32_t *kind, int32_t *mode,
                           int64_t *values, size_t room, size_t *n)
{
    ATTN__CHECK_POINTER(desc);
    ATTN__CHECK_POINTER(n);
    if (room > 0)
        ATTN__CHECK_POINTER(values);

    const struct attn__piece_list *list = &desc->params.pieces;
    if (index >= list->n)
        return attn__error_set(ATTN_ERR_RANGE, "index is %zu, expected less than the %zu pieces",
                               index, list->n);

    const struct attn__piece_value *v = &list->piece[index];
    if (kind)
        *kind = v->kind;
    if (mode)
        *mode = v->mode;
    for (size_t i = 0; i < v->n && i < room; i++)
        values[i] = v->values[i];
    *n = v->n;
    return ATTN_OK;
}

int32_t attn_desc_clear_pieces(attn_desc *desc)
{
    ATTN__CHECK_POINTER(desc);
    attn__piece_list_clear(&desc->params.pieces, desc->params.mem);
    return ATTN_OK;
}

int32_t attn_desc_set_mask_fn(attn_desc *desc, attn_mask_fn fn)
{
    ATTN__CHECK_POINTER(desc);
    desc->params.mask_fn = fn;
    return ATTN_OK;
}

int32_t attn_piece_kind_at(size_t index)
{
    const struct attn__piece_kind *k = attn__piece_kind_at(index);

    return k ? k->number : 0;
}

const char *attn_piece_name(int32_t kind)
{
    const struct attn__piece_kind *k = attn__piece_kind_by_number(kind);

    return k ? k->name : NULL;
}

int32_t attn_piece_find(const char *name, int32_t *kind)
{
    const struct attn__piece_kind *k;

    ATTN__CHECK_POINTER(name);
    ATTN__CHECK_POINTER(kind);
    int32_t status = attn__piece_kind_find(name, strnlen(name, ATTN__QUOTE_MAX), &k);
    if (status == ATTN_OK)
        *kind = k->number;
    return status;
}
