/* SPDX-License-Identifier: MIT */
/*
 * What is added to finished rows from the values themselves: a convolution of
 * each channel over the image, or a share of them.
 */
#ifndef ATTN_SOLVERS_MAP_DEPTHWISE_H
#define ATTN_SOLVERS_MAP_DEPTHWISE_H

#include <attn/tensor.h>

#include "thread/parallel.h"

struct attn__image {
    int64_t first, rows, columns; /* of its tokens the first one's row, and its sizes */
};

/*
 * out[b,h,first + y * columns + x,c] += bias[h * D + c] + sum over u, w of
 * filter[h * D + c,u,w] V(b,y + u - 1,x + w - 1), for channel c of the value
 * head v_head[h], zero outside. V is v on its own image `from`, resized to `to`
 * where the sizes differ. v [B,Hv,M,D], filter [Hout * D,3,3], bias [Hout * D]
 * of any float types; out [B,Hout,N,D]. Sums are double.
 */
void attn__map_depthwise(struct attn__threads *threads, const attn_tensor *v,
                         const int64_t *v_head, const struct attn__image *from,
                         const attn_tensor *filter, const attn_tensor *bias,
                         const struct attn__image *to, const attn_tensor *out);

/* out[b,h,n,:] += factor v[b,v_head[h],n,:] */
void attn__map_share(struct attn__threads *threads, const attn_tensor *v, const int64_t *v_head,
                     double factor, const attn_tensor *out);

#endif /* ATTN_SOLVERS_MAP_DEPTHWISE_H */
