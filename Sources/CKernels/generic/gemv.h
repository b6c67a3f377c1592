// Multiplies a vector by a packed matrix: the dense layers of a pass over one image, which read
// each weight once. The lanes run along the outputs, as the panels do, so no sum over lanes is
// needed. Four steps of the depth have accumulators of their own, because one step's multiply-adds
// are too few to hide their latency. The weights come from the third-level cache or from memory in
// one stream, which is fetched ahead.
#pragma once
#include "product.h"

// How many floats ahead of its loads the stream of weights is fetched: 4 KiB.
enum { GEMV_AHEAD = 1024 };

INLINE void gemv_panel(const float *x, int32_t depth, const float *b, int vectors, V *sums) {
    V acc[4][3];
    UNROLL
    for (int u = 0; u < 4; u++) {
        UNROLL
        for (int v = 0; v < vectors; v++) acc[u][v] = splat(0);
    }
    int32_t k = 0;
    for (; k + 4 <= depth; k += 4, b += 4 * vectors * LANES) {
        UNROLL
        for (int line = 0; line < 4 * vectors * LANES; line += 16)
            __builtin_prefetch(b + GEMV_AHEAD + line, 0, 3);
        UNROLL
        for (int u = 0; u < 4; u++) {
            const V s = splat(x[k + u]);
            UNROLL
            for (int v = 0; v < vectors; v++) acc[u][v] += s * load(b + (u * vectors + v) * LANES);
        }
    }
    for (; k < depth; k++, b += vectors * LANES) {
        const V s = splat(x[k]);
        UNROLL
        for (int v = 0; v < vectors; v++) acc[0][v] += s * load(b + v * LANES);
    }
    UNROLL
    for (int v = 0; v < vectors; v++) sums[v] = (acc[0][v] + acc[1][v]) + (acc[2][v] + acc[3][v]);
}

static void gemv(const float *x, int32_t depth, const float *packed, int32_t columns,
                 const float *shift, int32_t activation, float *y) {
    const int32_t vectors = (columns + LANES - 1) / LANES;
    for (int32_t v = 0, wide; v < vectors; v += wide) {
        const float *b = packed + (int64_t)depth * v * LANES;
        V sums[3];
        wide = panel_vectors(v, vectors);
        if (WIDEST == 3 && wide == 3)
            gemv_panel(x, depth, b, 3, sums);
        else if (wide == 2)
            gemv_panel(x, depth, b, 2, sums);
        else
            gemv_panel(x, depth, b, 1, sums);
        for (int32_t j = 0; j < wide; j++) {
            const int32_t at = (v + j) * LANES;
            const M m = lanes_mask(columns - at);
            const V added = shift ? sums[j] + load_part(shift + at, m) : sums[j];
            store_part(y + at, activate(added, activation), m);
        }
    }
}
