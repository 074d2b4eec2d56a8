/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing numbers without the host's locale. strtod_l takes the C
 * locale as an argument; printf has no such form, so whatever stands for the
 * decimal point in its output is replaced.
 */
#include "problem/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { F64_TEXT_MAX = 400 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t skip_digits(const char *text, size_t len, size_t i)
{
    while (i < len && is_digit(text[i]))
        i++;
    return i;
}

enum attn__number attn__number_parse_i64(const char *text, size_t len, int64_t *value)
{
    bool minus = len > 0 && text[0] == '-';
    int64_t sum = 0;

    if (len == minus || skip_digits(text, len, minus) != len)
        return ATTN__NUMBER_SYNTAX;
    for (size_t i = minus; i < len; i++) {
        int64_t digit = text[i] - '0';
        /* Summing with the sign reaches INT64_MIN as well. */
        if (__builtin_mul_overflow(sum, (int64_t)10, &sum) ||
            __builtin_add_overflow(sum, minus ? -digit : digit, &sum))
            return ATTN__NUMBER_TOO_BIG;
    }
    *value = sum;
    return ATTN__NUMBER_OK;
}

static bool is_decimal(const char *text, size_t len)
{
    size_t i = len > 0 && text[0] == '-';
    size_t start = i;

    i = skip_digits(text, len, i);
    size_t digits = i - start;
    if (i < len && text[i] == '.') {
        start = ++i;
        i = skip_digits(text, len, i);
        digits += i - start;
    }
    if (digits == 0)
        return false;
    if (i < len && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        if (i < len && (text[i] == '-' || text[i] == '+'))
            i++;
        start = i;
        i = skip_digits(text, len, i);
        if (i == start)
            return false;
    }
    return i == len;
}

enum attn__number attn__number_parse_f64(const char *text, size_t len, double *value)
{
    char copy[F64_TEXT_MAX + 1];

    if (len > F64_TEXT_MAX || !is_decimal(text, len))
        return ATTN__NUMBER_SYNTAX;
    memcpy(copy, text, len);
    copy[len] = '\0';

    /* The C locale is a static object of the C library; nothing is allocated
     * for it in practice, and where it is it is given back. */
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c == (locale_t)0)
        return ATTN__NUMBER_SYNTAX;
    double v = strtod_l(copy, NULL, c);
    freelocale(c);

    if (!isfinite(v))
        return ATTN__NUMBER_TOO_BIG;
    *value = v;
    return ATTN__NUMBER_OK;
}

static bool is_ascii_part(char c)
{
    return is_digit(c) || c == 'e' || c == '+' || c == '-';
}

static size_t print_digits(char buf[ATTN__NUMBER_TEXT_MAX], double value, int digits)
{
    char raw[ATTN__NUMBER_TEXT_MAX];
    size_t n = 0;

    snprintf(raw, sizeof raw, "%.*g", digits, value);
    for (size_t i = 0; raw[i]; i++) {
        if (is_ascii_part(raw[i]))
            buf[n++] = raw[i];
        else if (n == 0 || buf[n - 1] != '.') /* the point may take several bytes */
            buf[n++] = '.';
    }
    buf[n] = '\0';
    return n;
}

size_t attn__number_print_f64(char buf[ATTN__NUMBER_TEXT_MAX], double value)
{
    size_t best = 0;

    /* More digits can make a shorter text: 5e+01 and 50. */
    for (int digits = 1; digits <= 17; digits++) {
        char text[ATTN__NUMBER_TEXT_MAX];
        size_t n = print_digits(text, value, digits);
        double back;

        if ((best == 0 || n < best) &&
            attn__number_parse_f64(text, n, &back) == ATTN__NUMBER_OK && back == value) {
            memcpy(buf, text, n + 1);
            best = n;
        }
    }
    return best;
}
