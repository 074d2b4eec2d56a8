/* SPDX-License-Identifier: MIT */
/*
 * Wisdom as text: the name of a problem, and lines of seven fields.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "cpu/cpu.h"
#include "plan/plan.h"
#include "plan/wisdom.h"
#include "problem/nearest.h"
#include "problem/number.h"
#include "problem/text.h"

static int64_t i64_or(const struct attn__params *p, int32_t param, int64_t fallback)
{
    return attn__params_i64_or(p, param, fallback);
}

/* Forgets a value that says what would hold without it. */
static void drop(struct attn__params *p, int32_t param, int64_t meant)
{
    if (i64_or(p, param, meant) == meant)
        attn__params_unset(p, param);
}

void attn__wisdom_name_start(struct attn__params *p)
{
    static const int32_t without[] = {ATTN_PARAM_B, ATTN_PARAM_PACKED, ATTN_PARAM_EXECUTORS,
                                      ATTN_PARAM_CHECK, ATTN_PARAM_EFFORT};
    /* What callers that always say everything say; others only share less. */
    static const int32_t off[] = {ATTN_PARAM_CAUSAL, ATTN_PARAM_SEGMENTS, ATTN_PARAM_MASK,
                                  ATTN_PARAM_BIAS, ATTN_PARAM_ALIBI, ATTN_PARAM_SINK_LOGITS,
                                  ATTN_PARAM_WANT};
    for (size_t n = 0; n < sizeof without / sizeof without[0]; n++)
        attn__params_unset(p, without[n]);
    for (size_t n = 0; n < sizeof off / sizeof off[0]; n++)
        drop(p, off[n], 0);
    int64_t hk = i64_or(p, ATTN_PARAM_HK, i64_or(p, ATTN_PARAM_HQ, 0));
    int64_t dtype = i64_or(p, ATTN_PARAM_DTYPE, ATTN_DTYPE_F32);
    drop(p, ATTN_PARAM_HV, hk);
    drop(p, ATTN_PARAM_HK, i64_or(p, ATTN_PARAM_HQ, 0));
    drop(p, ATTN_PARAM_DV, i64_or(p, ATTN_PARAM_D, 0));
    drop(p, ATTN_PARAM_KV_DTYPE, dtype);
    drop(p, ATTN_PARAM_DTYPE, ATTN_DTYPE_F32);
    drop(p, ATTN_PARAM_BLAS, ATTN_BLAS_AUTO);
    drop(p, ATTN_PARAM_ALIGN, ATTN_ALIGN_BOTTOM_RIGHT);
}

void attn__wisdom_name_print(struct attn__params *p, int64_t q, int64_t k,
                             struct attn__textout *out)
{
    attn__params_set_i64(p, ATTN_PARAM_Q, q);
    if (i64_or(p, ATTN_PARAM_K, 0) != ATTN_UNBOUNDED)
        attn__params_set_i64(p, ATTN_PARAM_K, k);
    attn__text_print(p, out);
}

/* The processor's name as it can stand in a line. */
static size_t cpu_name(char name[64])
{
    const char *model = attn__cpu_get()->model;
    size_t n = 0;
    for (; model[n] && n < 63; n++)
        name[n] = model[n] == '|' || (unsigned char)model[n] < ' ' ? ' ' : model[n];
    while (n > 0 && name[n - 1] == ' ')
        n--;
    name[n] = '\0';
    return n;
}

void attn__wisdom_line_print(const struct attn__wisdom_key *key,
                             const struct attn__choice *choice, struct attn__textout *out)
{
    const struct attn__tiles *t = &choice->tiles;
    char cpu[64];
    cpu_name(cpu);
    attn__textout_put(out, key->problem, strlen(key->problem));
    attn__textout_printf(out, " | %s | %s | %s | %" PRId64 "x%" PRId64 " | %s | %d,%d,%d,%d\n", cpu,
                         attn__cpu_isa_name(key->isa), attn_version_text(), key->q, key->k,
                         choice->solver->name, (int)t->rows, (int)t->keys, (int)t->chunk,
                         (int)t->pass);
}

enum { PROBLEM, CPU, ISA, VERSION, SIZE, SOLVER, TILES, FIELDS };

struct field {
    const char *at;
    size_t len;
};

static bool same(const struct field *f, const char *text)
{
    return strlen(text) == f->len && memcmp(f->at, text, f->len) == 0;
}

static int32_t damaged(const char *what, const struct field *f, const char *expected)
{
    char quote[ATTN__QUOTE_MAX];
    return attn__error_set(ATTN_ERR_SYNTAX, "%s is '%s', expected %s", what,
                           attn__nearest_quote(quote, f->at, f->len), expected);
}

/* Numbers from least on that are parted by one character. */
static bool numbers(const struct field *f, char mark, int64_t least, int64_t *to, int count)
{
    const char *at = f->at, *end = f->at + f->len;
    for (int n = 0; n < count; n++) {
        const char *stop = memchr(at, mark, (size_t)(end - at));
        if (!stop != (n == count - 1))
            return false;
        stop = stop ? stop : end;
        if (attn__number_parse_i64(at, (size_t)(stop - at), &to[n]) != ATTN__NUMBER_OK ||
            to[n] < least || to[n] > INT32_MAX)
            return false;
        at = stop + 1;
    }
    return true;
}

static int32_t split(const char *text, size_t len, struct field f[FIELDS])
{
    const char *at = text, *end = text + len;
    int n = 0;
    for (; n < FIELDS && at <= end; n++) {
        const char *stop = memchr(at, '|', (size_t)(end - at));
        stop = stop ? stop : end;
        f[n] = (struct field){at, (size_t)(stop - at)};
        at = stop + 1;
        while (f[n].len > 0 && f[n].at[0] == ' ') {
            f[n].at++;
            f[n].len--;
        }
        while (f[n].len > 0 && f[n].at[f[n].len - 1] == ' ')
            f[n].len--;
    }
    if (n == FIELDS && at > end)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SYNTAX,
                           "it has %s than 7 fields, expected problem | processor | instruction "
                           "set | version | queries x keys | solver | tiles",
                           n < FIELDS ? "less" : "more");
}

int32_t attn__wisdom_line_parse(const char *text, size_t len, struct attn__wisdom_line *line)
{
    struct field f[FIELDS];
    char cpu[64], isa[16];
    int64_t size[2], t[4];
    *line = (struct attn__wisdom_line){0};
    int32_t status = split(text, len, f);
    if (status != ATTN_OK)
        return status;
    cpu_name(cpu);
    line->foreign = !same(&f[CPU], cpu) || !same(&f[VERSION], attn_version_text());
    if (line->foreign)
        return ATTN_OK;
    size_t n = f[ISA].len < sizeof isa ? f[ISA].len : sizeof isa - 1;
    memcpy(isa, f[ISA].at, n);
    isa[n] = '\0';
    line->isa = attn__cpu_isa_find(isa);
    if (line->isa < 0)
        return damaged("the instruction set", &f[ISA], "a name such as 'avx2'");
    if (!numbers(&f[SIZE], 'x', 1, size, 2))
        return damaged("the size", &f[SIZE], "queries and keys as in '1x4096'");
    line->q = size[0];
    line->k = size[1];
    for (size_t i = 0; (line->choice.solver = attn__planner_solver_at(i)) != NULL; i++)
        if (same(&f[SOLVER], line->choice.solver->name))
            break;
    if (!line->choice.solver)
        return damaged("the solver", &f[SOLVER], "one of this build");
    if (!numbers(&f[TILES], ',', 0, t, 4))
        return damaged("the field of tiles", &f[TILES], "four numbers");
    line->choice.tiles = (struct attn__tiles){.rows = (int32_t)t[0],
                                              .keys = (int32_t)t[1],
                                              .chunk = (int32_t)t[2],
                                              .pass = (int32_t)t[3]};
    line->problem = f[PROBLEM].at;
    line->problem_len = f[PROBLEM].len;
    return ATTN_OK;
}
