// Passes over codes that compilers turn into vectors by themselves. Included by each instruction
// set's file. Fused products and sums are written as such, so that all sets round alike.
#pragma once
#include <math.h>
#include "../include/codes.h"

static inline uint8_t code_of(float value, int32_t zero) {
    float low = (float)-zero, high = (float)(255 - zero);
    // `low` for NaN.
    value = value > low ? value : low;
    value = value < high ? value : high;
    return (uint8_t)((int32_t)__builtin_rintf(value) + zero);
}

static inline uint8_t clamped_code(float value) {
    value = value > 0 ? value : 0;
    value = value < 255 ? value : 255;
    return (uint8_t)(int32_t)__builtin_rintf(value);
}

static void sum_codes(const uint8_t *a, const uint8_t *b, int64_t n, float base, float first,
                      float second, uint8_t *restrict y) {
    for (int64_t i = 0; i < n; i++) {
        float sum = __builtin_fmaf((float)b[i], second, base);
        y[i] = clamped_code(__builtin_fmaf((float)a[i], first, sum));
    }
}

static void gate_codes(const uint8_t *x, const uint8_t *gate, int32_t pixels, int32_t channels,
                       int32_t x_zero, int32_t gate_zero, float factor, int32_t zero,
                       uint8_t *restrict y) {
#pragma clang fp contract(off)
    for (int32_t p = 0; p < pixels; p++) {
        const uint8_t *from = x + (int64_t)p * channels;
        uint8_t *to = y + (int64_t)p * channels;
        for (int32_t c = 0; c < channels; c++) {
            int32_t product = ((int32_t)from[c] - x_zero) * ((int32_t)gate[c] - gate_zero);
            float scaled = (float)product * factor;
            to[c] = clamped_code(scaled + (float)zero);
        }
    }
}

static void total_codes(const uint8_t *x, int32_t pixels, int32_t channels,
                        int32_t *restrict sums) {
    for (int32_t c = 0; c < channels; c++) sums[c] = 0;
    for (int32_t p = 0; p < pixels; p++) {
        const uint8_t *from = x + (int64_t)p * channels;
        for (int32_t c = 0; c < channels; c++) sums[c] += from[c];
    }
}

static void quantise_floats(const float *x, int64_t n, float scale, int32_t zero,
                            uint8_t *restrict y) {
    for (int64_t i = 0; i < n; i++) y[i] = code_of(x[i] / scale, zero);
}
