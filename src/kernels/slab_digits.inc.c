/* SPDX-License-Identifier: MIT */
/*
 * What row_slab.inc.c takes of a set of instructions, by products of bytes. A
 * number is split into digits of 8 bits, x = unit * (65536 a + 256 b + c) with a,
 * b and c in -128..127: the weights of a call for 32 channels into three, which
 * leaves out 2^-24 of the largest one at most; 32 channels of a query row into
 * four, as a channel that is far larger than the others may meet keys that have
 * nothing there. Products with codes and their sums are exact, so that they hang
 * on no order. Codes are stored with 8 or 128 more than their numbers, which
 * comes off in what a sum begins with.
 */

/* What the largest magnitude becomes: below 127 in each digit by more than roundings. */
#define ATTN__SPLIT_3 8355000.0f
#define ATTN__SPLIT_4 2139000064.0f

/* Sixteen numbers times f as digits: lowest ones in order, then the next higher and
 * so on. Of three digits the last sixteen bytes mean nothing. */
ATTN__INLINE __m512i split_16(vf x, vf f)
{
    const __m512i offset = _mm512_set1_epi32((int)0x80808080);
    const __m512i bytes = _mm512_set4_epi32(0x0f0b0703, 0x0e0a0602, 0x0d090501, 0x0c080400);
    const __m512i words = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i i = _mm512_cvtps_epi32(_mm512_mul_ps(x, f));
    i = _mm512_xor_si512(_mm512_add_epi32(i, offset), offset);
    return _mm512_permutexvar_epi32(words, _mm512_shuffle_epi8(i, bytes));
}

/* One kind of digits `apart` bytes behind the other. */
ATTN__INLINE void split_store(int digits, int8_t *to, int64_t apart, __m512i x)
{
    __m128i *at[4];
    for (int n = 0; n < digits; n++)
        at[n] = (__m128i *)(void *)(to + n * apart);
    _mm_storeu_si128(at[0], _mm512_castsi512_si128(x));
    _mm_storeu_si128(at[1], _mm512_extracti32x4_epi32(x, 1));
    _mm_storeu_si128(at[2], _mm512_extracti32x4_epi32(x, 2));
    if (digits > 3)
        _mm_storeu_si128(at[3], _mm512_extracti32x4_epi32(x, 3));
}

/* The sums of each kind of digits in four of sixteen partial sums. */
ATTN__INLINE void split_sums(int digits, int32_t *sum, __m512i partial)
{
    int32_t t[16];
    _mm512_storeu_si512(t, partial);
    for (int i = 0; i < digits; i++)
        sum[i] = (t[4 * i] + t[4 * i + 1]) + (t[4 * i + 2] + t[4 * i + 3]);
}

/* What n vectors are split by: unit, NaN if one is no number or infinite */
ATTN__INLINE float split_unit(float largest, const float *x, int64_t n, float *inverse)
{
    vf most = v_zero(), none = v_zero();
    for (int64_t i = 0; i < n; i += VF_LANES) {
        const vf y = v_load(x + i);
        most = v_max(most, v_abs(y));
        none = v_fma(y, v_zero(), none);
    }
    const float top = fmaxf(_mm512_reduce_max_ps(most), 0x1p-100f);
    *inverse = largest / top;
    return top / largest + v_hsum(none);
}

/* a[i]: sums of products with digits of each kind, less than 2^22 */
ATTN__INLINE vf split_join(int digits, const __m512i *a)
{
    if (digits == 1)
        return _mm512_cvtepi32_ps(a[0]);
    const __m512i *top = a + digits - 2;
    const vf high = _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(top[1], 8), top[0]));
    if (digits == 3)
        return v_fma(high, v_set1(256.0f), _mm512_cvtepi32_ps(a[0]));
    const __m512i low = _mm512_add_epi32(_mm512_slli_epi32(a[1], 8), a[0]);
    return v_fma(high, v_set1(65536.0f), _mm512_cvtepi32_ps(low));
}

ATTN__INLINE __m512i four_digits(const int8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
}

/* M(r, ..) for each of `rows` rows, M(n, ..) for each of `digits` digits: written out,
 * for sums to stay in registers */
#define ATTN__EACH_ROW(M, ...)                                                            \
    M(0, __VA_ARGS__)                                                                     \
    if (rows > 1) {                                                                       \
        M(1, __VA_ARGS__)                                                                 \
    }                                                                                     \
    if (rows > 2) {                                                                       \
        M(2, __VA_ARGS__)                                                                 \
    }                                                                                     \
    if (rows > 3) {                                                                       \
        M(3, __VA_ARGS__)                                                                 \
    }
#define ATTN__EACH_DIGIT(M, ...)                                                          \
    M(0, __VA_ARGS__)                                                                     \
    if (digits > 1) {                                                                     \
        M(1, __VA_ARGS__)                                                                 \
        M(2, __VA_ARGS__)                                                                 \
    }                                                                                     \
    if (digits > 3) {                                                                     \
        M(3, __VA_ARGS__)                                                                 \
    }

/* Sums of products for 32 keys or channels. */
struct slab_sums {
    __m512i of[4][2][4]; /* rows, halves, digits */
};

/* Sums for codes that have `more` than their numbers; sum[r]: of a row's digits. */
ATTN__INLINE void slab_begin(int rows, int digits, int more, const int32_t *const *sum,
                             struct slab_sums *a)
{
#define ATTN__DIGIT(n, r) a->of[r][0][n] = a->of[r][1][n] = _mm512_set1_epi32(-more * sum[r][n]);
#define ATTN__ROW(r, _) ATTN__EACH_DIGIT(ATTN__DIGIT, r)
    ATTN__EACH_ROW(ATTN__ROW, )
#undef ATTN__ROW
#undef ATTN__DIGIT
}

/* Adds 64 codes times four digits of each kind, which are at d[r] + n * apart. */
ATTN__INLINE void slab_add(int rows, int digits, const __m512i *x, const int8_t *const *d,
                           int64_t apart, struct slab_sums *a)
{
#define ATTN__DIGIT(n, r)                                                                 \
    {                                                                                     \
        const __m512i y = four_digits(d[r] + n * apart);                                  \
        a->of[r][0][n] = _mm512_dpbusd_epi32(a->of[r][0][n], x[0], y);                    \
        a->of[r][1][n] = _mm512_dpbusd_epi32(a->of[r][1][n], x[1], y);                    \
    }
#define ATTN__ROW(r, _) ATTN__EACH_DIGIT(ATTN__DIGIT, r)
    ATTN__EACH_ROW(ATTN__ROW, )
#undef ATTN__ROW
#undef ATTN__DIGIT
}

/* to[r * ld ..] += sums times unit[r] and f, sixteen numbers for each half */
ATTN__INLINE void slab_end(int rows, int digits, const struct slab_sums *a, const float *unit,
                           const vf *f, float *to, int64_t ld)
{
#define ATTN__ROW(r, h)                                                                   \
    {                                                                                     \
        const vf x = split_join(digits, a->of[r][h]);                                     \
        const vf y = v_mul(f[h], v_set1(unit[r]));                                        \
        v_store(to + r * ld + 16 * h, v_fma(x, y, v_load(to + r * ld + 16 * h)));         \
    }
    ATTN__EACH_ROW(ATTN__ROW, 0)
    ATTN__EACH_ROW(ATTN__ROW, 1)
#undef ATTN__ROW
}

/* 32 channels at a time; with `code` these and their factors f instead of q */
static void slab_query(const float *restrict q, int64_t d, const int8_t *restrict code,
                       const float *restrict f, struct attn__slab_query *restrict to)
{
    for (int64_t i = 0; i < d; i += 32, to++) {
        __m512i sum = _mm512_setzero_si512();
        float inverse;
        if (code) {
            memcpy(to->digit[0], code + i, 32);
            to->sum[0] = 0;
            for (int c = 0; c < 32; c++)
                to->sum[0] += code[i + c];
            to->unit = f[i / 32];
            continue;
        }
        to->unit = split_unit(ATTN__SPLIT_4, q + i, 32, &inverse);
        for (int64_t c = 0; c < 32; c += 16) {
            const __m512i x = split_16(v_load(q + i + c), v_set1(inverse));
            split_store(4, to->digit[0] + c, sizeof to->digit[0], x);
            sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), x);
        }
        split_sums(4, to->sum, sum);
    }
}

/* The weights of a query row. */
struct split_weights {
    int8_t digit[3][SLAB_WEIGHTS];
    int32_t sum[3];
    float unit;
};

/* w has room for zeros behind the n weights, up to a multiple of sixteen */
ATTN__INLINE void split_weights(float *w, int64_t n, struct split_weights *to)
{
    float inverse;
    __m512i sum = _mm512_setzero_si512();
    v_storen(w + n, v_zero(), (16 - n % 16) % 16);
    to->unit = split_unit(ATTN__SPLIT_3, w, n, &inverse);
    for (int64_t i = 0; i < n; i += 16) {
        const __m512i x = split_16(v_load(w + i), v_set1(inverse));
        split_store(3, to->digit[0] + i, SLAB_WEIGHTS, x);
        sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), x);
    }
    split_sums(3, to->sum, sum);
}
