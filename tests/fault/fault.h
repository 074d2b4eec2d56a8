/* SPDX-License-Identifier: MIT */
/*
 * What the fault tests share: an allocator that knows every block, can fail
 * from any call on, and one small attention to run.
 */
#ifndef ATTN_TESTS_FAULT_H
#define ATTN_TESTS_FAULT_H

#include <attn/attn.h>

#include <stdbool.h>

/* Blocks are remembered with their sizes, so that free can be checked. */
enum { FAULT_BLOCKS = 512 };

struct fault_mem {
    int64_t calls;
    int64_t fail_at; /* the call that fails, from 1; 0: none */
    bool for_good;   /* and all after it */
    int64_t hits;    /* calls that failed */
    int64_t wrong;   /* free of an unknown block or with another size */
    int64_t live, bytes;
    struct {
        void *ptr;
        size_t bytes;
    } block[FAULT_BLOCKS];
};

attn_allocator fault_mem_hook(struct fault_mem *mem);

/* Prints a line about what went wrong, with attn_last_error. */
void fault_report(const char *test, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* How many reports there were. */
int fault_reports(void);

/* softmax b=2 h=4/2 q=5 k=37 d=8 causal */
#define FAULT_PROBLEM "softmax b=2 h=4/2 q=5 k=37 d=8 causal"
enum {
    FAULT_B = 2,
    FAULT_HQ = 4,
    FAULT_HK = 2,
    FAULT_Q = 5,
    FAULT_K = 37,
    FAULT_D = 8,
    FAULT_OUT = FAULT_B * FAULT_HQ * FAULT_Q * FAULT_D
};

extern float fault_q[FAULT_OUT];
extern float fault_k[FAULT_B * FAULT_HK * FAULT_K * FAULT_D];
extern float fault_v[FAULT_B * FAULT_HK * FAULT_K * FAULT_D];

/* Fills the tensors above, always in the same way. */
void fault_fill(void);

int32_t fault_execute(const attn_plan *plan, float *out);

#endif
