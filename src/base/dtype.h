/* SPDX-License-Identifier: MIT */
/*
 * Element types: sizes, names, and one-element conversions for setup,
 * reference solvers and tests. The fast conversions are kernels.
 *
 * A narrowing conversion rounds once, to nearest, ties to even, whatever the
 * source: f32 widens exactly to f64 and f64 is rounded by integer steps, so
 * no f64 -> f32 -> f16 chain can round twice. NaNs stay NaN and come out
 * quiet; denormals are exact in both directions.
 */
#ifndef ATTN_BASE_DTYPE_H
#define ATTN_BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <attn/attn.h>

/* X(suffix of ATTN_DTYPE_, bytes, name in problem strings) */
#define ATTN__DTYPE_LIST(X)                                                   \
    X(F32, 4, "f32")                                                          \
    X(F64, 8, "f64")                                                          \
    X(F16, 2, "f16")                                                          \
    X(BF16, 2, "bf16")                                                        \
    X(I32, 4, "i32")                                                          \
    X(I64, 8, "i64")                                                          \
    X(U8, 1, "u8")                                                            \
    X(BOOL, 1, "bool")

/*
 * Types that rows of caches are stored in and no tensor has: X(suffix,
 * numbers of a block, bytes of a block, name). Rows in slabs have as many bytes
 * on average, see below.
 */
#define ATTN__STORED_LIST(X)                                                  \
    X(FP8_E4M3, 1, 1, "fp8_e4m3")                                             \
    X(FP8_E5M2, 1, 1, "fp8_e5m2")                                             \
    X(Q8_0, 32, 34, "q8_0")                                                   \
    X(Q4_0, 32, 18, "q4_0")                                                   \
    X(KIVI4, 32, 20, "kivi4")                                                 \
    X(KIVI2, 32, 12, "kivi2")

/*
 * Rows that are stored 32 at a time, in slabs, which no address of a row can
 * tell: a slab begins at a multiple of 64, and row n of it has the address of
 * the slab + n and one of these types, which no caller sees. A slab has as many
 * bytes as 32 rows by themselves; those of 32 channels follow each other:
 *
 *     kivi keys  half steps [32], half minima [32], codes of each of 32 rows
 *     keys       half factors [32 rows], codes [8][32 rows][4 channels]
 *     values     half factors [32 rows], codes [8][32 channels][4 rows]
 *
 * Codes of q8_0 have 128 more than its numbers. Those of q4_0 are of [4], low
 * halves being [2n], high halves [2n + 1] of the 8.
 */
enum {
    ATTN__DTYPE_KIVI4_KEYS = 0x10000,
    ATTN__DTYPE_KIVI2_KEYS,
    ATTN__DTYPE_Q8_0_KEYS,
    ATTN__DTYPE_Q8_0_VALUES,
    ATTN__DTYPE_Q4_0_KEYS,
    ATTN__DTYPE_Q4_0_VALUES,
    ATTN__SLAB_ROWS = 32
};

static inline bool attn__dtype_slabs(int32_t dtype)
{
    return dtype >= ATTN__DTYPE_KIVI4_KEYS && dtype <= ATTN__DTYPE_Q4_0_VALUES;
}

static inline bool attn__dtype_kivi_keys(int32_t dtype)
{
    return dtype == ATTN__DTYPE_KIVI4_KEYS || dtype == ATTN__DTYPE_KIVI2_KEYS;
}

/* What a caller calls it. */
static inline int32_t attn__dtype_public(int32_t dtype)
{
    switch (dtype) {
    case ATTN__DTYPE_KIVI4_KEYS:
        return ATTN_DTYPE_KIVI4;
    case ATTN__DTYPE_KIVI2_KEYS:
        return ATTN_DTYPE_KIVI2;
    case ATTN__DTYPE_Q8_0_KEYS:
    case ATTN__DTYPE_Q8_0_VALUES:
        return ATTN_DTYPE_Q8_0;
    case ATTN__DTYPE_Q4_0_KEYS:
    case ATTN__DTYPE_Q4_0_VALUES:
        return ATTN_DTYPE_Q4_0;
    default:
        return dtype;
    }
}

/* Bits of a number of kivi; 0 for other types. */
static inline int32_t attn__dtype_kivi(int32_t dtype)
{
    dtype = attn__dtype_public(dtype);
    return dtype == ATTN_DTYPE_KIVI4 ? 4 : dtype == ATTN_DTYPE_KIVI2 ? 2 : 0;
}

/* How a cache whose pages are whole slabs stores keys, or values, of a type. */
static inline int32_t attn__dtype_in_slabs(int32_t dtype, bool values)
{
    switch (dtype) {
    case ATTN_DTYPE_KIVI4:
        return values ? dtype : ATTN__DTYPE_KIVI4_KEYS;
    case ATTN_DTYPE_KIVI2:
        return values ? dtype : ATTN__DTYPE_KIVI2_KEYS;
    case ATTN_DTYPE_Q8_0:
        return values ? ATTN__DTYPE_Q8_0_VALUES : ATTN__DTYPE_Q8_0_KEYS;
    case ATTN_DTYPE_Q4_0:
        return values ? ATTN__DTYPE_Q4_0_VALUES : ATTN__DTYPE_Q4_0_KEYS;
    default:
        return dtype;
    }
}

/* A slab and which of its rows, from the address of the row. */
static inline int64_t attn__slab_row(const void *at)
{
    return (int64_t)((uintptr_t)at % 64);
}

static inline unsigned char *attn__slab(const void *at)
{
    return (unsigned char *)(uintptr_t)at - attn__slab_row(at);
}

/* From the first row of a page, each of `row` bytes, to the one in a slot. */
static inline int64_t attn__dtype_row_at(int32_t dtype, int64_t row, int64_t slot)
{
    int64_t n = attn__dtype_slabs(dtype) ? slot % ATTN__SLAB_ROWS : 0;
    return (slot - n) * row + n;
}

/* Numbers and bytes of a block of a stored type, which 32 rows in slabs have 32
 * times; false for all others. */
static inline bool attn__dtype_block(int32_t dtype, int64_t *numbers,
                                     int64_t *bytes)
{
    switch (attn__dtype_public(dtype)) {
#define ATTN__X(id, count, size, name)                                        \
    case ATTN_DTYPE_##id:                                                     \
        *numbers = (count);                                                   \
        *bytes = (size);                                                      \
        return true;
        ATTN__STORED_LIST(ATTN__X)
#undef ATTN__X
    default:
        *numbers = *bytes = 1;
        return false;
    }
}

static inline bool attn__dtype_stored(int32_t dtype)
{
    int64_t numbers, bytes;
    return attn__dtype_block(dtype, &numbers, &bytes);
}

/* 32 channels of a slab. */
static inline int64_t attn__slab_bytes(int32_t dtype)
{
    int64_t numbers, bytes;
    (void)attn__dtype_block(dtype, &numbers, &bytes);
    return ATTN__SLAB_ROWS * bytes;
}

static inline bool attn__dtype_fp8(int32_t dtype)
{
    return dtype == ATTN_DTYPE_FP8_E4M3 || dtype == ATTN_DTYPE_FP8_E5M2;
}

/* 0 for a number that is no type of tensors. */
static inline size_t attn__dtype_size(int32_t dtype)
{
    switch (dtype) {
#define ATTN__X(id, bytes, name)                                              \
    case ATTN_DTYPE_##id:                                                     \
        return bytes;
        ATTN__DTYPE_LIST(ATTN__X)
#undef ATTN__X
    default:
        return 0;
    }
}

/* "unknown" for a number that is no type. */
static inline const char *attn__dtype_name(int32_t dtype)
{
    switch (dtype) {
#define ATTN__X(id, bytes, name)                                              \
    case ATTN_DTYPE_##id:                                                     \
        return name;
        ATTN__DTYPE_LIST(ATTN__X)
#undef ATTN__X
#define ATTN__X(id, count, size, name)                                        \
    case ATTN_DTYPE_##id:                                                     \
        return name;
        ATTN__STORED_LIST(ATTN__X)
#undef ATTN__X
    default:
        return "unknown";
    }
}

/* Bytes of a row of n numbers; 0 for a number that is no type, for n that is
 * no multiple of a block and for what does not fit. */
static inline size_t attn__dtype_row(int32_t dtype, int64_t n)
{
    int64_t numbers = 1, bytes = (int64_t)attn__dtype_size(dtype);

    if (bytes == 0 && !attn__dtype_block(dtype, &numbers, &bytes))
        return 0;
    if (n <= 0 || n % numbers != 0 || n / numbers > INT64_MAX / bytes)
        return 0;
    return (size_t)(n / numbers * bytes);
}

/* From a row of a stored type to its channel n, a multiple of 32. */
static inline int64_t attn__dtype_channel_at(int32_t dtype, int64_t n)
{
    return attn__dtype_slabs(dtype) ? n / 32 * attn__slab_bytes(dtype)
                                    : (int64_t)attn__dtype_row(dtype, n);
}

/* Bytes from one element to the next where strides are counted in elements;
 * those of stored types are counted in bytes. */
static inline int64_t attn__dtype_step(int32_t dtype)
{
    int64_t size = (int64_t)attn__dtype_size(dtype);
    return size > 0 ? size : 1;
}

/* Bytes of a number, on average. */
static inline double attn__dtype_bytes(int32_t dtype)
{
    int64_t numbers, bytes;
    return attn__dtype_block(dtype, &numbers, &bytes) ? (double)bytes / (double)numbers
                                                      : (double)attn__dtype_size(dtype);
}

static inline float attn__f32_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline float attn__f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exp = (h >> 10) & 0x1F;
    uint32_t frac = h & 0x3FF;

    if (exp == 0x1F)
        return attn__f32_from_bits(sign | 0x7F800000 | frac << 13 |
                                   (frac ? 0x400000 : 0));
    if (exp == 0) {
        float f = (float)frac * 0x1p-24f;
        return sign ? -f : f;
    }
    return attn__f32_from_bits(sign | (exp + 112) << 23 | frac << 13);
}

static inline float attn__bf16_to_f32(uint16_t b)
{
    uint32_t bits = (uint32_t)b << 16;

    if ((bits & 0x7FFFFFFF) > 0x7F800000)
        bits |= 0x400000;
    return attn__f32_from_bits(bits);
}

/*
 * f64 to a 16-bit format with `mant` stored mantissa bits and smallest normal
 * exponent `emin`. Exponent and mantissa are rounded as one integer, so a
 * carry moves on into the exponent and at its end into infinity.
 */
static inline uint16_t attn__narrow_f64(double v, int mant, int emin)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);

    uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
    uint64_t frac = bits & 0xFFFFFFFFFFFFF;
    int exp = (int)(bits >> 52 & 0x7FF) - 1023;
    uint16_t inf = (uint16_t)(0x7FFF >> mant << mant);

    if (exp == 1024 && frac) {
        uint16_t payload = (uint16_t)(frac >> (52 - mant));
        return (uint16_t)(sign | inf | payload | 1u << (mant - 1));
    }
    if (exp > 1 - emin)
        return (uint16_t)(sign | inf);

    uint64_t value;
    int shift = 52 - mant;
    if (exp >= emin) {
        value = (uint64_t)(exp - emin + 1) << 52 | frac;
    } else {
        value = (uint64_t)1 << 52 | frac;
        shift += emin - exp;
        if (shift > 53)
            return sign;
    }

    uint64_t kept = value >> shift;
    uint64_t rest = value & (((uint64_t)1 << shift) - 1);
    uint64_t half = (uint64_t)1 << (shift - 1);
    kept += rest > half || (rest == half && (kept & 1));
    return (uint16_t)(sign | kept);
}

static inline uint16_t attn__f64_to_f16(double v)
{
    return attn__narrow_f64(v, 10, -14);
}

static inline uint16_t attn__f64_to_bf16(double v)
{
    return attn__narrow_f64(v, 7, -126);
}

static inline uint16_t attn__f32_to_f16(float f)
{
    return attn__f64_to_f16(f);
}

static inline uint16_t attn__f32_to_bf16(float f)
{
    return attn__f64_to_bf16(f);
}

static inline double attn__load_half(const unsigned char *at)
{
    uint16_t half;
    memcpy(&half, at, 2);
    return (double)attn__f16_to_f32(half);
}

/* Number `index` of a row of kivi. */
static inline double attn__load_kivi(const unsigned char *row, int64_t index,
                                     int32_t dtype)
{
    int32_t bits = attn__dtype_kivi(dtype);
    int64_t bytes = 4 * bits, at = index % 32;
    const unsigned char *step, *low, *codes;
    if (attn__dtype_kivi_keys(dtype)) {
        step = attn__slab(row) + attn__dtype_channel_at(dtype, index) + 2 * at;
        low = step + 64;
        codes = step - 2 * at + 128 + attn__slab_row(row) * bytes;
    } else {
        step = row + index / 32 * (4 + bytes);
        low = step + 2;
        codes = step + 4;
    }
    int code = codes[at % bytes] >> bits * (at / bytes) & ((1 << bits) - 1);
    return code * attn__load_half(step) + attn__load_half(low);
}

/* The code of channel c < 32 of row n of a slab of q8_0 or q4_0: its byte, and of
 * how many bits it is not the lowest one. */
static inline int64_t attn__slab_code(int32_t dtype, int64_t n, int64_t c,
                                      int32_t *low)
{
    bool values = dtype == ATTN__DTYPE_Q8_0_VALUES || dtype == ATTN__DTYPE_Q4_0_VALUES;
    int64_t lane = values ? c : n, deep = values ? n : c, group = deep / 4;
    bool half = attn__dtype_public(dtype) == ATTN_DTYPE_Q4_0;
    *low = half ? (int32_t)(group % 2 * 4) : 0;
    return 64 + (half ? group / 2 : group) * 128 + lane * 4 + deep % 4;
}

/* Number `index` of a row in such slabs. */
static inline double attn__load_slab(const unsigned char *row, int64_t index,
                                     int32_t dtype)
{
    const unsigned char *slab = attn__slab(row) + attn__dtype_channel_at(dtype, index);
    int32_t low, n = (int32_t)attn__slab_row(row);
    int code = slab[attn__slab_code(dtype, n, index % 32, &low)];
    code = attn__dtype_public(dtype) == ATTN_DTYPE_Q8_0 ? code - 128 : (code >> low & 15) - 8;
    return code * attn__load_half(slab + 2 * n);
}

/* Number `index` of a row of a stored type, without the scale of fp8. Inlined next to
 * an array of another type, gcc would take that for such a row and warn. */
__attribute__((noinline, unused)) static double
attn__load_stored(const unsigned char *row, int64_t index, int32_t dtype)
{
    int64_t numbers, bytes, at = index % 32;
    if (attn__dtype_kivi(dtype))
        return attn__load_kivi(row, index, dtype);
    if (attn__dtype_slabs(dtype))
        return attn__load_slab(row, index, dtype);
    (void)attn__dtype_block(dtype, &numbers, &bytes);
    const unsigned char *block = row + index / numbers * bytes;
    if (dtype == ATTN_DTYPE_FP8_E5M2)
        return (double)attn__f16_to_f32((uint16_t)(*block << 8));
    if (dtype == ATTN_DTYPE_FP8_E4M3) {
        /* 1/256 of the value as a half; all ones are NaN */
        uint16_t mag = (*block & 0x7F) == 0x7F ? 0x7E00 : (uint16_t)((*block & 0x7F) << 7);
        return 256 * (double)attn__f16_to_f32((uint16_t)(mag | (*block & 0x80) << 8));
    }
    int code = dtype == ATTN_DTYPE_Q8_0 ? (int8_t)block[2 + at]
               : at < 16                ? (block[2 + at] & 15) - 8
                                        : (block[2 + at - 16] >> 4) - 8;
    return code * attn__load_half(block);
}

/* Element `index` of an array of any alignment. i64 rounds to double; a
 * boolean is 1 for any non-zero byte. dtype has been checked before. */
static inline double attn__load_f64(const void *base, int64_t index,
                                    int32_t dtype)
{
    const unsigned char *at = base;
    union {
        float f32;
        double f64;
        uint16_t u16;
        int32_t i32;
        int64_t i64;
    } v;

    switch (dtype) {
    case ATTN_DTYPE_F32:
        memcpy(&v.f32, at + index * 4, 4);
        return v.f32;
    case ATTN_DTYPE_F64:
        memcpy(&v.f64, at + index * 8, 8);
        return v.f64;
    case ATTN_DTYPE_F16:
        memcpy(&v.u16, at + index * 2, 2);
        return attn__f16_to_f32(v.u16);
    case ATTN_DTYPE_BF16:
        memcpy(&v.u16, at + index * 2, 2);
        return attn__bf16_to_f32(v.u16);
    case ATTN_DTYPE_I32:
        memcpy(&v.i32, at + index * 4, 4);
        return v.i32;
    case ATTN_DTYPE_I64:
        memcpy(&v.i64, at + index * 8, 8);
        return (double)v.i64;
    case ATTN_DTYPE_U8:
        return at[index];
    case ATTN_DTYPE_BOOL:
        return at[index] != 0;
    default:
        return attn__dtype_stored(dtype) ? attn__load_stored(at, index, dtype) : 0;
    }
}

/* dtype is f32, f64, f16 or bf16; other types are left untouched. */
static inline void attn__store_f64(void *base, int64_t index, int32_t dtype,
                                   double value)
{
    unsigned char *at = base;
    float f32;
    uint16_t u16;

    switch (dtype) {
    case ATTN_DTYPE_F32:
        f32 = (float)value;
        memcpy(at + index * 4, &f32, 4);
        break;
    case ATTN_DTYPE_F64:
        memcpy(at + index * 8, &value, 8);
        break;
    case ATTN_DTYPE_F16:
        u16 = attn__f64_to_f16(value);
        memcpy(at + index * 2, &u16, 2);
        break;
    case ATTN_DTYPE_BF16:
        u16 = attn__f64_to_bf16(value);
        memcpy(at + index * 2, &u16, 2);
        break;
    default:
        break;
    }
}

/* dtype is i32, which value then fits in, or i64; others are left untouched. */
static inline void attn__store_i64(void *base, int64_t index, int32_t dtype,
                                   int64_t value)
{
    unsigned char *at = base;
    int32_t i32 = (int32_t)value;

    if (dtype == ATTN_DTYPE_I32)
        memcpy(at + index * 4, &i32, 4);
    else if (dtype == ATTN_DTYPE_I64)
        memcpy(at + index * 8, &value, 8);
}

/* dtype is i32, i64, u8 or bool (0 or 1); 0 for the others. */
static inline int64_t attn__load_i64(const void *base, int64_t index,
                                     int32_t dtype)
{
    const unsigned char *at = base;
    int32_t i32;
    int64_t i64;

    switch (dtype) {
    case ATTN_DTYPE_I32:
        memcpy(&i32, at + index * 4, 4);
        return i32;
    case ATTN_DTYPE_I64:
        memcpy(&i64, at + index * 8, 8);
        return i64;
    case ATTN_DTYPE_U8:
        return at[index];
    case ATTN_DTYPE_BOOL:
        return at[index] != 0;
    default:
        return 0;
    }
}

#endif
