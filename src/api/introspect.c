/* SPDX-License-Identifier: MIT */
/*
 * What the library knows, told by number and name: parameters, mechanisms,
 * roles, instruction sets.
 */
#include <attn/attn.h>

#include <inttypes.h>
#include <string.h>

#include "api/api_check.h"
#include "api/isa_use.h"
#include "cpu/cpu.h"
#include "problem/mech_list.h"
#include "problem/nearest.h"
#include "problem/param_table.h"
#include "problem/roles.h"

int32_t attn_param_at(size_t index)
{
    return index < ATTN__PARAM_COUNT ? attn__param_table[index].number : 0;
}

const char *attn_param_name(int32_t param)
{
    const struct attn__param_info *info = attn__param_by_number(param);

    return info ? info->name : NULL;
}

int32_t attn_param_find(const char *name, int32_t *param)
{
    struct attn__nearest near;
    char quote[ATTN__QUOTE_MAX];

    ATTN__CHECK_POINTER(name);
    ATTN__CHECK_POINTER(param);

    size_t len = strnlen(name, ATTN__QUOTE_MAX);
    const struct attn__param_info *info = attn__param_by_name(name, len);
    if (info) {
        *param = info->number;
        return ATTN_OK;
    }
    attn__nearest_start(&near, name, len);
    for (size_t i = 0; i < ATTN__PARAM_COUNT; i++)
        attn__nearest_offer(&near, attn__param_table[i].name);
    attn__nearest_quote(quote, name, len);
    if (!near.best)
        return attn__error_set(ATTN_ERR_UNKNOWN_NAME,
                               "'%s' is no parameter, expected one such as 'q'", quote);
    return attn__error_set(ATTN_ERR_UNKNOWN_NAME,
                           "'%s' is no parameter, expected a known one; the nearest is '%s'",
                           quote, near.best);
}

int32_t attn_param_type(int32_t param)
{
    const struct attn__param_info *info = attn__param_by_number(param);

    return info ? info->type : 0;
}

const char *attn_param_help(int32_t param)
{
    const struct attn__param_info *info = attn__param_by_number(param);

    return info ? info->help : NULL;
}

const char *attn_param_word(int32_t param, size_t index, int64_t *value)
{
    const struct attn__param_info *info = attn__param_by_number(param);

    if (!info || !info->words)
        return NULL;
    for (size_t i = 0; info->words[i].text; i++) {
        if (i == index) {
            if (value)
                *value = info->words[i].value;
            return info->words[i].text;
        }
    }
    return NULL;
}

/* ATTN_OK if the parameter has a type that is a bit of `types`. */
static int32_t bounds_of(int32_t param, uint32_t types, const struct attn__param_info **info)
{
    *info = attn__param_by_number(param);
    if (!*info)
        return attn__error_set(ATTN_ERR_UNKNOWN_PARAM,
                               "param is %" PRId32 ", expected the number of a parameter", param);
    if (!(types >> (*info)->type & 1))
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s has no bounds of this type, expected a parameter that has",
                               (*info)->name);
    return ATTN_OK;
}

int32_t attn_param_bounds_i64(int32_t param, int64_t *least, int64_t *greatest)
{
    uint32_t types = 1u << ATTN_PARAM_TYPE_I64 | 1u << ATTN_PARAM_TYPE_BOOL |
                     1u << ATTN_PARAM_TYPE_I64S;
    const struct attn__param_info *info;

    ATTN__CHECK_POINTER(least);
    ATTN__CHECK_POINTER(greatest);

    int32_t status = bounds_of(param, types, &info);
    if (status == ATTN_OK) {
        *least = info->least_i64;
        *greatest = info->greatest_i64;
    }
    return status;
}

int32_t attn_param_bounds_f64(int32_t param, double *least, double *greatest)
{
    uint32_t types = 1u << ATTN_PARAM_TYPE_F64 | 1u << ATTN_PARAM_TYPE_F64S;
    const struct attn__param_info *info;

    ATTN__CHECK_POINTER(least);
    ATTN__CHECK_POINTER(greatest);

    int32_t status = bounds_of(param, types, &info);
    if (status == ATTN_OK) {
        *least = info->least_f64;
        *greatest = info->greatest_f64;
    }
    return status;
}

int32_t attn_mech_at(size_t index)
{
    return attn__mech_list_at(index);
}

const char *attn_mech_name(int32_t id)
{
    return attn__mech_list_name(id);
}

int32_t attn_mech_find(const char *name, int32_t *id)
{
    ATTN__CHECK_POINTER(name);
    ATTN__CHECK_POINTER(id);
    return attn__mech_list_find(name, strnlen(name, ATTN__QUOTE_MAX), id);
}

int32_t attn_role_at(size_t index)
{
    return index < ATTN__ROLE_COUNT ? attn__role_table[index].number : 0;
}

const char *attn_role_name(int32_t role)
{
    const struct attn__role *r = attn__role_by_number(role);

    return r ? r->name : NULL;
}

int32_t attn_role_find(const char *name, int32_t *role)
{
    const struct attn__role *r;
    int32_t status;

    ATTN__CHECK_POINTER(name);
    ATTN__CHECK_POINTER(role);
    status = attn__role_find(name, &r);
    if (status == ATTN_OK)
        *role = r->number;
    return status;
}

int32_t attn_role_is_output(int32_t role)
{
    const struct attn__role *r = attn__role_by_number(role);

    return r && r->output;
}

const char *attn_role_shape(int32_t role)
{
    const struct attn__role *r = attn__role_by_number(role);

    return r ? r->shape : NULL;
}

int32_t attn_isa_at(size_t index)
{
    return attn__isa_use_at(index);
}

const char *attn_isa_name(int32_t isa)
{
    for (size_t i = 0; attn__isa_use_at(i) >= 0; i++)
        if (attn__isa_use_at(i) == isa)
            return attn__cpu_isa_name(isa);
    return NULL;
}

int32_t attn_isa_usable(int32_t isa)
{
    return attn__isa_use_can(isa);
}
