/* SPDX-License-Identifier: MIT */
/*
 * What row_slab.inc.c takes of a set of instructions, by products of bytes. A
 * number is split into digits of 8 bits, x = unit * (65536 a + 256 b + c) with a,
 * b and c in -128..127: the weights of a call for 32 channels into three, which
 * leaves out 2^-24 of the largest one at most, or with compute=int8 into two and
 * 1/65200; 32 channels of a query row into four, as a channel that is far larger
 * than the others may meet keys that have nothing there. Products with codes and
 * their sums are exact, so that they hang on no order. Codes are stored with 8 or
 * 128 more than their numbers, which comes off in what a sum begins with.
 *
 * Digits are stored by fours, as a product takes them: four numbers' lowest ones,
 * their next higher ones and so on, in sixteen bytes for any number of digits.
 */

/* What the largest magnitude becomes: below 127 in each digit by more than roundings. */
#define ATTN__SPLIT_2 32600.0f
#define ATTN__SPLIT_3 8355000.0f
#define ATTN__SPLIT_4 2139000064.0f

/* Sixteen numbers times f as digits; those beyond f's mean nothing. Numbers of two
 * digits are whole ones in the low bits of a float that is 1.5 * 2^23 larger. */
ATTN__INLINE __m512i split_16(int digits, vf x, vf f)
{
    const __m512i offset = _mm512_set1_epi32((int)0x80808080);
    const __m512i bytes = _mm512_set4_epi32(0x0f0b0703, 0x0e0a0602, 0x0d090501, 0x0c080400);
    const __m512i i = digits == 2 ? _mm512_castps_si512(v_fma(x, f, v_set1(0x1.8p23f + 0x8080)))
                                  : _mm512_add_epi32(_mm512_cvtps_epi32(v_mul(x, f)), offset);
    return _mm512_shuffle_epi8(_mm512_xor_si512(i, offset), bytes);
}

/* The sums of each kind of digits in those of sixteen times four. */
ATTN__INLINE void split_sums(int32_t *sum, __m512i fours)
{
    const __m256i x = _mm256_add_epi32(_mm512_castsi512_si256(fours),
                                       _mm512_extracti64x4_epi64(fours, 1));
    _mm_storeu_si128((__m128i *)(void *)sum,
                     _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)));
}

/* The bits of |x|, which are in the order of these; NaN is above all. */
ATTN__INLINE __m512i split_size(vf x)
{
    return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(INT32_MAX));
}

/* What numbers are split by, of which `most` has the largest sizes: unit, NaN if one
 * is no number or infinite */
ATTN__INLINE float split_unit(float largest, __m512i most, float *inverse)
{
    const int32_t bits = _mm512_reduce_max_epi32(most);
    float size;
    memcpy(&size, &bits, sizeof size);
    const float top = fmaxf(size, 0x1p-100f);
    *inverse = largest / top;
    return top / largest + 0 * size;
}

/* a[i]: sums of products with digits of each kind, less than 2^22 */
ATTN__INLINE vf split_join(int digits, const __m512i *a)
{
    if (digits == 1)
        return _mm512_cvtepi32_ps(a[0]);
    const __m512i *top = a + digits - 2;
    const vf high = _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(top[1], 8), top[0]));
    if (digits == 2)
        return high;
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
    }                                                                                     \
    if (digits > 2) {                                                                     \
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

/* Adds 64 codes times four numbers, whose digits are at d[r]. */
ATTN__INLINE void slab_add(int rows, int digits, const __m512i *x, const int8_t *const *d,
                           struct slab_sums *a)
{
#define ATTN__DIGIT(n, r)                                                                 \
    {                                                                                     \
        const __m512i y = four_digits(d[r] + 4 * n);                                      \
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
            to->unit = f[i / 32];
            to->sum[0] = 0;
            for (int c = 0; c < 32; c++)
                to->sum[0] += to->digit[c / 4][0][c % 4] = code[i + c];
            continue;
        }
        const vf x[2] = {v_load(q + i), v_load(q + i + 16)};
        to->unit = split_unit(ATTN__SPLIT_4,
                              _mm512_max_epi32(split_size(x[0]), split_size(x[1])), &inverse);
        for (int h = 0; h < 2; h++) {
            const __m512i fours = split_16(4, x[h], v_set1(inverse));
            _mm512_storeu_si512(to->digit[4 * h], fours);
            sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), fours);
        }
        split_sums(to->sum, sum);
    }
}

/* The weights of a query row times factors, by fours. */
struct split_weights {
    _Alignas(64) int8_t digit[4 * SLAB_WEIGHTS];
    int32_t sum[4];
    float unit;
};

/* p[i] times f[i] as digits, n of them */
ATTN__INLINE void split_weights(int digits, const float *p, const float *f, int64_t n,
                                struct split_weights *to)
{
    _Alignas(64) float w[SLAB_WEIGHTS];
    float inverse;
    __m512i most = _mm512_setzero_si512(), sum = most;
    for (int64_t i = 0; i < n; i += 16) {
        const vf x = v_mul(v_load(p + i), v_load(f + i));
        v_store(w + i, x);
        most = _mm512_max_epi32(most, split_size(x));
    }
    to->unit = split_unit(digits == 2 ? ATTN__SPLIT_2 : ATTN__SPLIT_3, most, &inverse);
    for (int64_t i = 0; i < n; i += 16) {
        const __m512i fours = split_16(digits, v_load(w + i), v_set1(inverse));
        _mm512_storeu_si512(to->digit + 4 * i, fours);
        sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), fours);
    }
    split_sums(to->sum, sum);
}
