/* SPDX-License-Identifier: MIT */
/*
 * What the library tells of its parameters and mechanisms, for bindings and
 * tools.
 */
#ifndef ATTN_INTROSPECT_H
#define ATTN_INTROSPECT_H

#include <attn/desc.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Introspection, so that a binding needs no code per parameter. Static
 * strings; any thread; since 0.1. _at walks the table (index from 0, 0 past
 * its end); _name is the key ("window_left" where several parameters share a
 * compound key) or NULL; _find gives the number for a name; _type one of
 * ATTN_PARAM_TYPE_*, 0 for a number that is none; _help one sentence;
 * _word the text of an enum's or set's value number `index`, NULL past the
 * last, with the value itself in *value (may be NULL).
 * attn_param_bounds_i64 / _f64: least and greatest legal value (array
 * parameters: of each element); greatest is ATTN_UNBOUNDED where `inf` is
 * legal. ATTN_ERR_UNKNOWN_PARAM, ATTN_ERR_INVALID
 * (a parameter of another type), ATTN_ERR_UNKNOWN_NAME, ATTN_ERR_NULL.
 */
ATTN_API int32_t attn_param_at(size_t index);
ATTN_API const char *attn_param_name(int32_t param);
ATTN_API int32_t attn_param_find(const char *name, int32_t *param);
ATTN_API int32_t attn_param_type(int32_t param);
ATTN_API const char *attn_param_help(int32_t param);
ATTN_API const char *attn_param_word(int32_t param, size_t index,
                                     int64_t *value);
ATTN_API int32_t attn_param_bounds_i64(int32_t param, int64_t *least,
                                       int64_t *greatest);
ATTN_API int32_t attn_param_bounds_f64(int32_t param, double *least,
                                       double *greatest);

/*
 * The mechanisms of this build, in the same manner. attn_mech_find:
 * ATTN_ERR_NULL, ATTN_ERR_UNKNOWN_MECH. Any thread. Since 0.1.
 */
ATTN_API int32_t attn_mech_at(size_t index);
ATTN_API const char *attn_mech_name(int32_t id);
ATTN_API int32_t attn_mech_find(const char *name, int32_t *id);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_INTROSPECT_H */
