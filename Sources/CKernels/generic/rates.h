// What a roofline is made of: multiply-adds on values in registers, and reads of memory.
#pragma once
#include "tile.h"

// Independent vectors of multiply-adds. Two units with a latency of up to five cycles need ten.
// With the factor and the addend, these fit in sixteen registers.
enum { RATE_VECTORS = 12 };

static int64_t multiply_adds(int64_t rounds, float *result) {
    V values[RATE_VECTORS];
    const V factor = splat(0.75f), addend = splat(0.25f);
    UNROLL
    for (int i = 0; i < RATE_VECTORS; i++) values[i] = splat((float)i / RATE_VECTORS);
    for (int64_t round = 0; round < rounds; round++) {
        UNROLL
        for (int i = 0; i < RATE_VECTORS; i++) values[i] = values[i] * factor + addend;
    }
    float sum = 0;
    for (int i = 0; i < RATE_VECTORS; i++)
        for (int lane = 0; lane < LANES; lane++) sum += values[i][lane];
    *result = sum;
    return RATE_VECTORS * LANES;
}

static float sum_floats(const float *x, int64_t n) {
    // So many sums that loads, not the latency of additions, are the bound.
    enum { SUMS = 8 };
    V sums[SUMS];
    UNROLL
    for (int i = 0; i < SUMS; i++) sums[i] = splat(0);
    int64_t at = 0;
    for (; at + SUMS * LANES <= n; at += SUMS * LANES) {
        UNROLL
        for (int i = 0; i < SUMS; i++) sums[i] += load(x + at + i * LANES);
    }
    for (; at + LANES <= n; at += LANES) sums[0] += load(x + at);
    UNROLL
    for (int i = 1; i < SUMS; i++) sums[0] += sums[i];
    float sum = 0;
    for (int i = 0; i < LANES; i++) sum += sums[0][i];
    for (; at < n; at++) sum += x[at];
    return sum;
}
