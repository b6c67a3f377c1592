// Resamples rows of bytes with integer weights, changes their colours and normalises them.
//
// When one row is resampled across (horizontally), a vector holds one pixel. When four rows are
// resampled across together, a vector holds one pixel of each row. When rows are resampled down
// (vertically), a vector holds neighbouring bytes of a row. Tests compare the results with those of
// the naive loops at the end of this file.
#include "clones.h"
#include "resampling.h"

#include <string.h>

// This file uses no fused multiply-add, so that every build gives the same bits.
#pragma clang fp contract(off)

#define INLINE static inline __attribute__((always_inline))

typedef uint8_t B4 __attribute__((vector_size(4)));
typedef int32_t I4 __attribute__((vector_size(16)));
typedef uint8_t B16 __attribute__((vector_size(16)));
typedef int32_t I16 __attribute__((vector_size(64)));

enum { PRECISION = 22, HALF = 1 << (PRECISION - 1), BLOCK = 64 };

INLINE uint8_t rounded(int32_t sum) {
    const int32_t v = sum >> PRECISION;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/// Returns four consecutive bytes as integers.
INLINE I4 four(const uint8_t *from) {
    B4 bytes;
    memcpy(&bytes, from, 4);
    return __builtin_convertvector(bytes, I4);
}

/// Converts sums of weighted bytes, which include HALF for rounding, to bytes.
INLINE B4 rounded_four(I4 sum) {
    const I4 none = {0, 0, 0, 0}, most = {255, 255, 255, 255};
    sum >>= PRECISION;
    sum = __builtin_elementwise_min(__builtin_elementwise_max(sum, none), most);
    return __builtin_convertvector(sum, B4);
}

/// Resamples one row of three channels. `ofa_resample_quad` resamples four rows at once, which is
/// faster.
INLINE void across_colour(const uint8_t *row, const ofa_axis *axis, int32_t taps, uint8_t *out) {
    const int32_t *weights = axis->weights;
    for (int32_t x = 0; x < axis->count; x++, weights += taps, out += 3) {
        const uint8_t *from = row + (int64_t)axis->first[x] * 3;
        I4 sum = {HALF, HALF, HALF, HALF};
        // Reads four bytes, of which three are used.
        for (int32_t t = 0; t < taps; t++) sum += four(from + (int64_t)t * 3) * weights[t];
        const B4 bytes = rounded_four(sum);
        memcpy(out, &bytes, 3);
    }
}

INLINE void across_grey(const uint8_t *row, const ofa_axis *axis, int32_t taps, uint8_t *out) {
    const int32_t *weights = axis->weights;
    for (int32_t x = 0; x < axis->count; x++, weights += taps) {
        const uint8_t *from = row + axis->first[x];
        int32_t sum = HALF;
        for (int32_t t = 0; t < taps; t++) sum += from[t] * weights[t];
        out[x] = rounded(sum);
    }
}

CLONES
void ofa_resample_across(const uint8_t *row, int32_t channels, const ofa_axis *axis, uint8_t *out) {
    if (channels == 1) return across_grey(row, axis, axis->taps, out);
    across_colour(row, axis, axis->taps, out);
}

CLONES
void ofa_weave(const uint8_t *rows, int64_t stride, int32_t pixels, uint8_t *quad) {
    for (int32_t x = 0; x < pixels; x += 4, rows += 12, quad += 64) {
        I4 row[4];
        for (int32_t r = 0; r < 4; r++) {
            B16 bytes;
            memcpy(&bytes, rows + r * stride, 16);
            // Four pixels of four bytes each; the fourth byte of a pixel is unused.
            row[r] = (I4)__builtin_shufflevector(bytes, bytes, 0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9,
                                                 9, 10, 11, 12);
        }
        const I4 a = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
        const I4 b = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
        const I4 c = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
        const I4 d = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
        const I4 woven[4] = {__builtin_shufflevector(a, b, 0, 1, 4, 5),
                             __builtin_shufflevector(a, b, 2, 3, 6, 7),
                             __builtin_shufflevector(c, d, 0, 1, 4, 5),
                             __builtin_shufflevector(c, d, 2, 3, 6, 7)};
        memcpy(quad, woven, 64);
    }
}

/// Returns one output pixel of each of four rows: sixteen bytes, of which every fourth is unused.
INLINE B16 quad_pixel(const uint8_t *from, const int32_t *weights, int32_t taps) {
    const I16 none = {0}, most = none + 255;
    I16 sum = none + HALF;
    for (int32_t t = 0; t < taps; t++) {
        B16 bytes;
        memcpy(&bytes, from + (int64_t)t * 16, 16);
        sum += __builtin_convertvector(bytes, I16) * weights[t];
    }
    sum = __builtin_elementwise_min(__builtin_elementwise_max(sum >> PRECISION, none), most);
    return __builtin_convertvector(sum, B16);
}

INLINE void across_quad(const uint8_t *quad, const ofa_axis *axis, int32_t taps,
                        uint8_t *const out[4]) {
    const int32_t *weights = axis->weights, *first = axis->first;
    uint8_t *a = out[0], *b = out[1], *c = out[2], *d = out[3];
    const int32_t last = axis->count - 1;
    int32_t x = 0;
    // Writes four bytes per pixel; the next pixel overwrites the fourth. The last pixel of a row is
    // written as three bytes.
    for (; x < last; x++, weights += taps, a += 3, b += 3, c += 3, d += 3) {
        const B16 bytes = quad_pixel(quad + (int64_t)first[x] * 16, weights, taps);
        memcpy(a, (const uint8_t *)&bytes, 4);
        memcpy(b, (const uint8_t *)&bytes + 4, 4);
        memcpy(c, (const uint8_t *)&bytes + 8, 4);
        memcpy(d, (const uint8_t *)&bytes + 12, 4);
    }
    const B16 bytes = quad_pixel(quad + (int64_t)first[x] * 16, weights, taps);
    memcpy(a, (const uint8_t *)&bytes, 3);
    memcpy(b, (const uint8_t *)&bytes + 4, 3);
    memcpy(c, (const uint8_t *)&bytes + 8, 3);
    memcpy(d, (const uint8_t *)&bytes + 12, 3);
}

CLONES
void ofa_resample_quad(const uint8_t *quad, const ofa_axis *axis, uint8_t *const out[4]) {
    // The usual numbers of taps are passed as constants, so that the loop over taps is unrolled.
    switch (axis->taps) {
        case 2: return across_quad(quad, axis, 2, out);
        case 3: return across_quad(quad, axis, 3, out);
        case 4: return across_quad(quad, axis, 4, out);
        case 5: return across_quad(quad, axis, 5, out);
        case 6: return across_quad(quad, axis, 6, out);
        case 7: return across_quad(quad, axis, 7, out);
        case 8: return across_quad(quad, axis, 8, out);
        default: return across_quad(quad, axis, axis->taps, out);
    }
}

/// Computes BLOCK neighbouring bytes of an output row from the rows of the ring buffer. BLOCK is a
/// constant, so that the sums stay in registers.
INLINE void down_block(const uint8_t *ring, int32_t rows, int32_t slot, const int32_t *weights,
                       int32_t taps, int32_t stride, uint8_t *out) {
    int32_t sums[BLOCK];
    for (int32_t i = 0; i < BLOCK; i++) sums[i] = HALF;
    for (int32_t t = 0; t < taps; t++) {
        const uint8_t *row = ring + (int64_t)slot * stride;
        const int32_t weight = weights[t];
        for (int32_t i = 0; i < BLOCK; i++) sums[i] += row[i] * weight;
        slot = slot + 1 == rows ? 0 : slot + 1;
    }
    for (int32_t i = 0; i < BLOCK; i++) out[i] = rounded(sums[i]);
}

CLONES
void ofa_resample_down(const uint8_t *ring, int32_t rows, int32_t slot, const int32_t *weights,
                       int32_t taps, int32_t count, uint8_t *out) {
    int32_t i = 0;
    for (; i + BLOCK <= count; i += BLOCK)
        down_block(ring + i, rows, slot, weights, taps, count, out + i);
    for (; i < count; i++) {
        int32_t sum = HALF, at = slot;
        for (int32_t t = 0; t < taps; t++) {
            sum += ring[(int64_t)at * count + i] * weights[t];
            at = at + 1 == rows ? 0 : at + 1;
        }
        out[i] = rounded(sum);
    }
}

INLINE uint8_t clipped(float v) { return (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : (int32_t)v); }

INLINE int32_t grey(const uint8_t *p) {
    return (19595 * p[0] + 38470 * p[1] + 7471 * p[2] + 32768) >> 16;
}

INLINE void brighten(uint8_t *row, int32_t bytes, float factor) {
    for (int32_t i = 0; i < bytes; i++) row[i] = clipped(factor * (float)row[i]);
}

INLINE void saturate(uint8_t *row, int32_t pixels, float factor) {
    for (int32_t x = 0; x < pixels; x++, row += 3) {
        const int32_t g = grey(row);
        for (int32_t c = 0; c < 3; c++)
            row[c] = clipped((float)g + factor * (float)(row[c] - g));
    }
}

CLONES
void ofa_colour_bytes(uint8_t *row, int32_t pixels, int32_t channels, float brightness,
                      float saturation, int32_t saturation_first) {
    const int32_t saturated = channels == 3 && saturation != 1;
    if (saturated && saturation_first) saturate(row, pixels, saturation);
    if (brightness != 1) brighten(row, pixels * channels, brightness);
    if (saturated && !saturation_first) saturate(row, pixels, saturation);
}

CLONES
void ofa_normalise(const uint8_t *row, int32_t pixels, int32_t channels, const float *scale,
                   const float *offset, float *out) {
    // 48 values are a whole number of pixels with 1 or 3 channels, and a whole number of vectors.
    float scales[48], offsets[48];
    const int32_t count = pixels * channels;
    for (int32_t i = 0; i < 48; i++) {
        scales[i] = scale[channels == 3 ? i % 3 : 0];
        offsets[i] = offset[channels == 3 ? i % 3 : 0];
    }
    int32_t i = 0;
    for (; i + 48 <= count; i += 48)
        for (int32_t k = 0; k < 48; k++)
            out[i + k] = (float)row[i + k] * scales[k] + offsets[k];
    for (int32_t k = 0; i + k < count; k++)
        out[i + k] = (float)row[i + k] * scales[k] + offsets[k];
}

CLONES
void ofa_grey(const uint8_t *rgb, int32_t pixels, uint8_t *out) {
    for (int32_t x = 0; x < pixels; x++) out[x] = (uint8_t)grey(rgb + (int64_t)x * 3);
}

/// a * b / 255, rounded.
INLINE int32_t product(int32_t a, int32_t b) {
    const int32_t t = a * b + 128;
    return (t + (t >> 8)) >> 8;
}

CLONES
void ofa_cmyk_to_rgb(const uint8_t *cmyk, int32_t pixels, uint8_t *out) {
    for (int32_t x = 0; x < pixels; x++, cmyk += 4, out += 3) {
        const int32_t k = cmyk[3];
        for (int32_t c = 0; c < 3; c++) {
            const int32_t v = k - product(255 - cmyk[c], k);
            out[c] = (uint8_t)(v < 0 ? 0 : v);
        }
    }
}

void ofa_resample_naive(const uint8_t *pixels, int32_t height, int32_t width, int32_t channels,
                        const ofa_axis *across, const ofa_axis *down, uint8_t *between,
                        uint8_t *out) {
    const int32_t w = across->count;
    for (int32_t y = 0; y < height; y++)
        for (int32_t x = 0; x < w; x++)
            for (int32_t c = 0; c < channels; c++) {
                int32_t sum = HALF;
                for (int32_t t = 0; t < across->taps; t++)
                    sum += across->weights[x * across->taps + t] *
                           pixels[((int64_t)y * width + across->first[x] + t) * channels + c];
                between[((int64_t)y * w + x) * channels + c] = rounded(sum);
            }
    for (int32_t y = 0; y < down->count; y++)
        for (int32_t x = 0; x < w * channels; x++) {
            int32_t sum = HALF;
            for (int32_t t = 0; t < down->taps; t++)
                sum += down->weights[y * down->taps + t] *
                       between[(int64_t)(down->first[y] + t) * w * channels + x];
            out[(int64_t)y * w * channels + x] = rounded(sum);
        }
}
