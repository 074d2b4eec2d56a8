/* SPDX-License-Identifier: MIT */
/*
 * Clusters of queries and keys around centroids: which rows they have, those rows
 * as one packed batch, a sequence for each batch entry and centroid, and the
 * mean of what came of them. Rows are looked at as the problem's qk_norm leaves
 * them.
 */
#ifndef ATTN_SOLVERS_MAP_CLUSTERS_H
#define ATTN_SOLVERS_MAP_CLUSTERS_H

#include "problem/recipe.h"
#include "solvers/scratch.h"

struct attn__clusters_spec {
    int64_t count, window; /* centroids of a head, rows that each has at most */
    bool shared;           /* keys are in the clusters of their queries */
    bool strided;          /* of all rows, in the order of their products, each so many */
    double eps;            /* added to the number of clusters of a query */
    double decay;          /* of what is known of centroids so far */
};

/* In the workspace; a cluster has `window` rows, or all of a shorter sequence. */
struct attn__clusters {
    float *centroids;               /* [hout][count][d] */
    int64_t *q_offsets, *k_offsets; /* [b * count + 1]; the same if shared */
    int32_t *q_token, *k_token;     /* [hout][rows], rising in a cluster; likewise */
    uint8_t *bad;                   /* [b][hout] */
    void *q, *k, *v, *out;          /* [hout][rows][d] or [dv] */
    char *desks;
};

void attn__clusters_take(struct attn__scratch *s, const struct attn__problem *p,
                         const struct attn__clusters_spec *spec, int64_t threads,
                         struct attn__clusters *m);

/* For each centroid its rows: those with the largest products, the lower ones of
 * equal products, or, strided, each (rows / window)-th in that order from the first. ATTN_ERR_DATA
 * for products that are not finite. */
int32_t attn__clusters_find(const struct attn__recipe_run *r,
                            const struct attn__clusters_spec *spec,
                            const struct attn__clusters *m);

/* The clusters as groups, whose mean a query gets; out has arrays for them. */
int32_t attn__clusters_write(const struct attn__recipe_run *r,
                             const struct attn__clusters_spec *spec,
                             const struct attn__clusters *m, struct attn__select *out);

/* Gives c the rows in order, offsets and number of sequences. */
void attn__clusters_gather(const struct attn__recipe_run *r,
                           const struct attn__clusters_spec *spec, const struct attn__clusters *m,
                           struct attn__call *c);

/* OUT of a query = the sum over its clusters / (their number + eps), 0 without. */
void attn__clusters_scatter(const struct attn__recipe_run *r,
                            const struct attn__clusters_spec *spec,
                            const struct attn__clusters *m);

/* NEW_CENTROIDS and NEW_CENTROID_STATE from CENTROIDS and CENTROID_STATE and the
 * rows of all batch entries, those of queries first; whichever are there. */
void attn__clusters_update(const struct attn__recipe_run *r,
                           const struct attn__clusters_spec *spec, const struct attn__clusters *m);

#endif /* ATTN_SOLVERS_MAP_CLUSTERS_H */
