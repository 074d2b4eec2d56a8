/* SPDX-License-Identifier: MIT */
/*
 * The instruction sets this build has, best first: ATTN__ISA(tag) for each; the
 * level is in the table itself. There is no include guard. A new one is one row
 * here, one vector header and one line of compiler flags.
 */
#if ATTN_HAVE_ISA_AVX512_BF16
ATTN__ISA(avx512_bf16)
#endif
#if ATTN_HAVE_ISA_AVX512
ATTN__ISA(avx512)
#endif
#if ATTN_HAVE_ISA_AVX2
ATTN__ISA(avx2)
#endif
#if ATTN_HAVE_ISA_SSE2
ATTN__ISA(sse2)
#endif
#if ATTN_HAVE_ISA_NEON
ATTN__ISA(neon)
#endif
ATTN__ISA(c)

#undef ATTN__ISA
