// Weights for resampling one axis with a triangle filter. When an axis shrinks, the filter widens
// with the scale (antialiasing). Weights are computed in double precision and rounded to multiples
// of 2^-22.
#include <math.h>

#include "pictures.h"

// This file uses no fused multiply-add, so that every build gives the same weights.
#pragma clang fp contract(off)

int32_t ofa_axis_windows(int64_t n, int64_t m, int64_t from, int32_t count, int32_t mirrored,
                         int32_t *first, int32_t *length) {
    const double scale = (double)n / (double)m, filter = scale > 1 ? scale : 1;
    int32_t most = 0;
    for (int32_t j = 0; j < count; j++) {
        const int32_t place = mirrored ? count - 1 - j : j;
        const double centre = ((double)(from + j) + 0.5) * scale;
        int64_t lo = (int64_t)(centre - filter + 0.5), hi = (int64_t)(centre + filter + 0.5);
        if (lo < 0) lo = 0;
        if (hi > n) hi = n;
        first[place] = (int32_t)lo;
        length[place] = (int32_t)(hi - lo);
        if (length[place] > most) most = length[place];
    }
    return most;
}

void ofa_axis_weights(int64_t n, int64_t m, int64_t from, int32_t count, int32_t mirrored,
                      int32_t taps, int32_t *first, const int32_t *length, int32_t *weights) {
    const double scale = (double)n / (double)m, filter = scale > 1 ? scale : 1;
    const double inverse = 1.0 / filter;
    for (int32_t j = 0; j < count; j++) {
        const int32_t place = mirrored ? count - 1 - j : j, lo = first[place];
        const double centre = ((double)(from + j) + 0.5) * scale;
        double sum = 0;
        for (int32_t t = 0; t < length[place]; t++) {
            const double w = 1.0 - fabs(((double)(lo + t) - centre + 0.5) * inverse);
            if (w > 0) sum += w;
        }
        // Moves a window near the end of the axis back, so that its `taps` samples lie inside the
        // axis.
        const int32_t moved = lo + taps > n ? lo + taps - (int32_t)n : 0;
        int32_t *to = weights + (int64_t)place * taps;
        for (int32_t t = 0; t < taps; t++) {
            const int32_t i = t - moved;
            double w = 0;
            if (i >= 0 && i < length[place])
                w = 1.0 - fabs(((double)(lo + i) - centre + 0.5) * inverse);
            if (w < 0) w = 0;
            if (sum != 0) w /= sum;
            to[t] = (int32_t)(w * (1 << 22) + 0.5);
        }
        first[place] = lo - moved;
    }
}
