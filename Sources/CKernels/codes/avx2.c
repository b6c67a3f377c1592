// The kernels on codes for AVX2. The instruction that multiplies codes by weights saturates the sum
// of two products, so codes and weights are widened to 16 bits: even and odd ones apart, each pair
// of products is exact in 32 bits.
#if defined(__x86_64__)
#include <immintrin.h>
#include "tables.h"
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include "elementwise.h"

#define INLINE static inline __attribute__((always_inline))

/// Weights of eight channels, four each: those of even and of odd places.
typedef struct {
    __m256i even, odd;
} weights8;

INLINE weights8 weights_load(const int8_t *w) {
    __m256i all = _mm256_loadu_si256((const __m256i *)w);
    return (weights8){_mm256_srai_epi16(_mm256_slli_epi16(all, 8), 8), _mm256_srai_epi16(all, 8)};
}

/// Adds the products of four codes a channel.
INLINE __m256i dot4(__m256i sum, __m256i codes, weights8 w) {
    __m256i even = _mm256_and_si256(codes, _mm256_set1_epi16(255));
    __m256i odd = _mm256_srli_epi16(codes, 8);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(even, w.even));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(odd, w.odd));
}

/// Stores `count` codes of the eight sums of channels `first` and on.
INLINE void store8(__m256i sum, const ofa_code_end *end, int32_t first, int32_t count,
                   uint8_t *to) {
    __m256i all = _mm256_add_epi32(
        sum, _mm256_loadu_si256((const __m256i *)(end->bias + first)));
    // Conversion of a number beyond 32 bits gives the smallest integer, which is right only below.
    __m256 scaled = _mm256_min_ps(
        _mm256_mul_ps(_mm256_cvtepi32_ps(all), _mm256_loadu_ps(end->factor + first)),
        _mm256_set1_ps((float)(255 - end->zero)));
    __m256i code = _mm256_add_epi32(_mm256_cvtps_epi32(scaled), _mm256_set1_epi32(end->zero));
    __m128i narrow =
        _mm_packus_epi32(_mm256_castsi256_si128(code), _mm256_extracti128_si256(code, 1));
    uint64_t bytes = (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(narrow, narrow));
    if (end->table) {
        uint64_t looked = 0;
        for (int i = 0; i < 64; i += 8) looked |= (uint64_t)end->table[bytes >> i & 255] << i;
        bytes = looked;
    }
    if (count >= 8) __builtin_memcpy(to, &bytes, 8);
    else __builtin_memcpy(to, &bytes, (size_t)count);
}

/// R rows times one block of columns.
INLINE void product_tile(const int R, const uint8_t *a, int64_t a_row, int32_t quads,
                         const int8_t *b, const ofa_code_end *end, int32_t first, int32_t count,
                         const ofa_code_place *to, int32_t row) {
    __m256i sum[8];
    for (int i = 0; i < 2 * R; i++) sum[i] = _mm256_setzero_si256();
    for (int32_t k = 0; k < quads; k++) {
        const weights8 low = weights_load(b + k * 64), high = weights_load(b + k * 64 + 32);
        for (int r = 0; r < R; r++) {
            int32_t four;
            __builtin_memcpy(&four, a + r * a_row + k * 4, 4);
            __m256i x = _mm256_set1_epi32(four);
            sum[2 * r] = dot4(sum[2 * r], x, low);
            sum[2 * r + 1] = dot4(sum[2 * r + 1], x, high);
        }
    }
    for (int r = 0; r < R; r++) {
        int64_t offset = to->places ? to->places[row + r] : (row + r) * to->row;
        uint8_t *c = to->c + offset + first / OFA_CODE_BLOCK * to->block;
        store8(sum[2 * r], end, first, count, c);
        if (count > 8) store8(sum[2 * r + 1], end, first + 8, count - 8, c + 8);
    }
}

static void product(const uint8_t *a, int64_t a_row, int32_t rows, int32_t depth,
                    const int8_t *packed, int32_t columns, const ofa_code_end *end,
                    const ofa_code_place *to) {
    int32_t quads = (depth + 3) / 4;
    for (int32_t first = 0; first < columns; first += OFA_CODE_BLOCK, packed += quads * 64) {
        int32_t left = columns - first, row = 0;
        int32_t count = left < OFA_CODE_BLOCK ? left : OFA_CODE_BLOCK;
        for (; row + 4 <= rows; row += 4)
            product_tile(4, a + row * a_row, a_row, quads, packed, end, first, count, to, row);
        for (; row < rows; row++)
            product_tile(1, a + row * a_row, a_row, quads, packed, end, first, count, to, row);
    }
}

static void sums(const uint8_t *a, int32_t depth, const int8_t *packed, int32_t columns,
                 const int32_t *bias, int32_t *out) {
    int32_t quads = (depth + 3) / 4;
    for (int32_t first = 0; first < columns; first += OFA_CODE_BLOCK, packed += quads * 64) {
        __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        for (int32_t k = 0; k < quads; k++) {
            int32_t four;
            __builtin_memcpy(&four, a + k * 4, 4);
            __m256i x = _mm256_set1_epi32(four);
            sum[0] = dot4(sum[0], x, weights_load(packed + k * 64));
            sum[1] = dot4(sum[1], x, weights_load(packed + k * 64 + 32));
        }
        int32_t all[OFA_CODE_BLOCK];
        _mm256_storeu_si256((__m256i *)all, sum[0]);
        _mm256_storeu_si256((__m256i *)(all + 8), sum[1]);
        for (int32_t j = 0; j < OFA_CODE_BLOCK && first + j < columns; j++)
            out[first + j] = all[j] + bias[first + j];
    }
}

/// The codes of eight channels of the pixel at `x` and of the second pixel after it, in turns.
INLINE __m256i pixel_pair(const uint8_t *x) {
    __m128i first = _mm_loadl_epi64((const __m128i *)x);
    __m128i second = _mm_loadl_epi64((const __m128i *)(x + 2 * OFA_CODE_BLOCK));
    return _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first, second));
}

/// N outputs beside each other of eight channels, of kernel K and stride S.
INLINE void depthwise_tile(const int K, const int S, const int N, const uint8_t *plane,
                           int64_t row, const int8_t *packed, const ofa_code_end *end,
                           int32_t first, int32_t count, uint8_t *y, int64_t y_row) {
    const int Q = (K + 3) / 4;
    __m256i sum[4];
    for (int n = 0; n < N; n++) sum[n] = _mm256_setzero_si256();
    for (int ky = 0; ky < K; ky++)
        for (int q = 0; q < Q; q++) {
            const weights8 w = weights_load(packed + (ky * Q + q) * 64);
            for (int n = 0; n < N; n++) {
                const uint8_t *x = plane + ky * row + (n * S + 4 * q) * OFA_CODE_BLOCK;
                sum[n] = _mm256_add_epi32(sum[n], _mm256_madd_epi16(pixel_pair(x), w.even));
                __m256i odd = pixel_pair(x + OFA_CODE_BLOCK);
                sum[n] = _mm256_add_epi32(sum[n], _mm256_madd_epi16(odd, w.odd));
            }
        }
    for (int n = 0; n < N; n++) store8(sum[n], end, first, count, y + n * y_row);
}

#define DEPTHWISE(K, S)                                                                          \
    static void depthwise##K##S(const ofa_code_window *w, const uint8_t *plane,                  \
                                const int8_t *packed, int32_t channels, const ofa_code_end *end, \
                                uint8_t *y, int64_t y_row) {                                     \
        for (int32_t half = 0; half < channels; half += 8)                                       \
            for (int32_t oy = 0; oy < w->out_height; oy++) {                                     \
                const uint8_t *from = plane + oy * S * w->row + half;                            \
                uint8_t *to = y + (int64_t)oy * w->out_width * y_row + half;                     \
                int32_t ox = 0;                                                                  \
                for (; ox + 4 <= w->out_width; ox += 4)                                          \
                    depthwise_tile(K, S, 4, from + (int64_t)ox * S * OFA_CODE_BLOCK, w->row,     \
                                   packed + half * 4, end, half, channels - half,                \
                                   to + ox * y_row, y_row);                                      \
                for (; ox < w->out_width; ox++)                                                  \
                    depthwise_tile(K, S, 1, from + (int64_t)ox * S * OFA_CODE_BLOCK, w->row,     \
                                   packed + half * 4, end, half, channels - half,                \
                                   to + ox * y_row, y_row);                                      \
            }                                                                                    \
    }

DEPTHWISE(3, 1)
DEPTHWISE(3, 2)
DEPTHWISE(5, 1)
DEPTHWISE(5, 2)
DEPTHWISE(7, 1)
DEPTHWISE(7, 2)

static void depthwise(const ofa_code_window *w, const uint8_t *plane, const int8_t *packed,
                      int32_t channels, const ofa_code_end *end, uint8_t *y, int64_t y_row) {
    switch (w->kernel * 10 + w->stride) {
        case 31: depthwise31(w, plane, packed, channels, end, y, y_row); break;
        case 32: depthwise32(w, plane, packed, channels, end, y, y_row); break;
        case 51: depthwise51(w, plane, packed, channels, end, y, y_row); break;
        case 52: depthwise52(w, plane, packed, channels, end, y, y_row); break;
        case 71: depthwise71(w, plane, packed, channels, end, y, y_row); break;
        default: depthwise72(w, plane, packed, channels, end, y, y_row);
    }
}

static void map(const uint8_t *x, int64_t n, const uint8_t *table, uint8_t *y) {
    for (int64_t i = 0; i < n; i++) y[i] = table[x[i]];
}

const ofa_code_kernels ofa_code_avx2 = CODE_TABLE("avx2");
#pragma clang attribute pop
#endif
