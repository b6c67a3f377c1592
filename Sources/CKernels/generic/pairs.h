// Rounds floats to pairs of 16-bit values for the products of `ofa_pairs`. One instruction rounds
// two vectors; it treats denormal numbers as zeros.
#pragma once
#include "product.h"

/// Returns the pairs (a, b) of the lanes of two vectors.
INLINE V pair_lanes(V a, V b) {
    const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
    const __m512i turn =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return (V)_mm512_permutexvar_epi16(turn, halves);
}

static void pair_matrix(float *packed, int32_t depth, int32_t columns, int32_t first, int32_t end) {
    const int32_t vectors = (columns + LANES - 1) / LANES;
    for (int32_t v = 0; v < vectors;) {
        const int32_t wide = panel_vectors(v, vectors), width = wide * LANES, start = v * LANES;
        float *panel = packed + (int64_t)depth * start;
        v += wide;
        if (start < first || start >= end) continue;
        // Row k takes the place of a row that has already been read.
        for (int32_t k = 0; k < depth / 2; k++)
            for (int32_t j = 0; j < width; j += LANES) {
                const float *from = panel + (int64_t)2 * k * width + j;
                store(panel + (int64_t)k * width + j, pair_lanes(load(from), load(from + width)));
            }
    }
}

static void pair_rows(const float *from, int32_t rows, int32_t channels, float *across,
                      float *down) {
    for (int32_t r = 0; r < rows; r += 2)
        FOR_CHUNKS(channels) {
            const float *row = from + (int64_t)r * channels + c;
            const int both = r + 1 < rows;
            const V a = load_part(row, m), b = both ? load_part(row + channels, m) : splat(0);
            if (down) store_part(down + (int64_t)r / 2 * channels + c, pair_lanes(a, b), m);
            if (!across) continue;
            uint16_t *to = (uint16_t *)across + (int64_t)r * channels + c;
            _mm256_mask_storeu_epi16(to, m, (__m256i)_mm512_cvtneps_pbh((__m512)a));
            if (both)
                _mm256_mask_storeu_epi16(to + channels, m,
                                         (__m256i)_mm512_cvtneps_pbh((__m512)b));
        }
}
