// The kernels on codes for AVX-512 with VNNI and VBMI: one instruction multiplies 64 codes by 64
// weights and adds them to 16 sums. GMAC/s of one thread at 3.7 GHz (floats reach 58):
//   products   100 (depth 24), 140 (40), 190 (112), 220 (672); a single row 87, bound by the cache
//   depthwise  51 (kernel 3), 69 (5), 100 (7) on maps of 56 pixels; 27, 49, 76 on maps of 14
#if defined(__x86_64__)
#include <immintrin.h>
#include "tables.h"
#pragma clang attribute push(                                                                  \
    __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx512vbmi,avx512vnni,avx2,fma"))), \
    apply_to = function)
#include "elementwise.h"

#define INLINE static inline __attribute__((always_inline))

/// A table of 256 codes in registers.
typedef struct {
    __m512i part[4];
} lut;

INLINE lut lut_load(const uint8_t *table) {
    lut t;
    for (int i = 0; i < 4; i++)
        t.part[i] = table ? _mm512_loadu_si512(table + 64 * i) : _mm512_setzero_si512();
    return t;
}

INLINE __m512i looked_up(const lut *t, __m512i x) {
    __m512i low = _mm512_permutex2var_epi8(t->part[0], x, t->part[1]);
    __m512i high = _mm512_permutex2var_epi8(t->part[2], x, t->part[3]);
    return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(x), high);
}

/// What 16 sums need to become codes.
typedef struct {
    __m512i bias;
    __m512 factor;
} block_end;

INLINE block_end block_load(const ofa_code_end *end, int32_t block) {
    return (block_end){_mm512_loadu_si512(end->bias + block * OFA_CODE_BLOCK),
                       _mm512_loadu_ps(end->factor + block * OFA_CODE_BLOCK)};
}

/// Returns sums as integers near their codes: above 255 or below 0 for codes out of range.
INLINE __m512i rounded(__m512i sum, block_end end, __m512 high, __m512i zero) {
    // Conversion of a number beyond 32 bits gives the smallest integer, which is right only below.
    __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(sum, end.bias)), end.factor);
    return _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_min_ps(scaled, high)), zero);
}

/// Returns the codes of four vectors of sums in the order of the channels.
INLINE __m512i packed4(__m512i a, __m512i b, __m512i c, __m512i d) {
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i narrow =
        _mm512_packus_epi16(_mm512_packus_epi32(a, b), _mm512_packus_epi32(c, d));
    return _mm512_permutexvar_epi32(order, narrow);
}

INLINE void store_blocks(uint8_t *to, int64_t block, __m512i codes, int v, __mmask16 last) {
    if (v == 4 && block == OFA_CODE_BLOCK && last == 0xffff) {
        _mm512_storeu_si512(to, codes);
        return;
    }
    __m128i part[4] = {_mm512_castsi512_si128(codes), _mm512_extracti32x4_epi32(codes, 1),
                       _mm512_extracti32x4_epi32(codes, 2), _mm512_extracti32x4_epi32(codes, 3)};
    for (int i = 0; i < v; i++) {
        if (i + 1 < v) _mm_storeu_si128((__m128i *)(to + i * block), part[i]);
        else _mm_mask_storeu_epi8(to + i * block, last, part[i]);
    }
}

/// R rows times V blocks of columns.
INLINE void product_tile(const int R, const int V, const uint8_t *a, int64_t a_row, int32_t quads,
                         const int8_t *packed, const ofa_code_end *end, int32_t first_block,
                         const ofa_code_place *to, int32_t row, __mmask16 last, const lut *table) {
    __m512i sum[24];
    for (int i = 0; i < R * V; i++) sum[i] = _mm512_setzero_si512();
    const int64_t block = (int64_t)quads * OFA_CODE_BLOCK * 4;
    const int8_t *b = packed + first_block * block;
    for (int32_t k = 0; k < quads; k++) {
        __m512i w[4];
        for (int v = 0; v < V; v++) w[v] = _mm512_loadu_si512(b + v * block + k * 64);
        for (int r = 0; r < R; r++) {
            int32_t four;
            __builtin_memcpy(&four, a + r * a_row + k * 4, 4);
            __m512i x = _mm512_set1_epi32(four);
            for (int v = 0; v < V; v++)
                sum[r * V + v] = _mm512_dpbusd_epi32(sum[r * V + v], x, w[v]);
        }
    }
    const __m512 high = _mm512_set1_ps((float)(255 - end->zero));
    const __m512i zero = _mm512_set1_epi32(end->zero);
    block_end ends[4];
    for (int v = 0; v < V; v++) ends[v] = block_load(end, first_block + v);
    for (int r = 0; r < R; r++) {
        __m512i q[4];
        for (int v = 0; v < 4; v++)
            q[v] = v < V ? rounded(sum[r * V + v], ends[v], high, zero) : _mm512_setzero_si512();
        __m512i codes = packed4(q[0], q[1], q[2], q[3]);
        if (end->table) codes = looked_up(table, codes);
        int64_t offset = to->places ? to->places[row + r] : (row + r) * to->row;
        store_blocks(to->c + offset + first_block * to->block, to->block, codes, V, last);
    }
}

#define TILES(R, V)                                                                              \
    for (; row + R <= rows; row += R)                                                            \
        product_tile(R, V, a + row * a_row, a_row, quads, packed, end, block, to, row, last, table);

#define COLUMNS(NAME, V, R)                                                                      \
    static void NAME(const uint8_t *a, int64_t a_row, int32_t rows, int32_t quads,               \
                     const int8_t *packed, const ofa_code_end *end, int32_t block,               \
                     const ofa_code_place *to, __mmask16 last, const lut *table) {               \
        int32_t row = 0;                                                                         \
        TILES(R, V)                                                                              \
        TILES(4, V)                                                                              \
        TILES(2, V)                                                                              \
        TILES(1, V)                                                                              \
    }

COLUMNS(columns4, 4, 6)
COLUMNS(columns3, 3, 8)
COLUMNS(columns2, 2, 12)
COLUMNS(columns1, 1, 12)

static void product(const uint8_t *a, int64_t a_row, int32_t rows, int32_t depth,
                    const int8_t *packed, int32_t columns, const ofa_code_end *end,
                    const ofa_code_place *to) {
    const lut table = lut_load(end->table);
    const int32_t quads = (depth + 3) / 4, blocks = (columns + OFA_CODE_BLOCK - 1) / OFA_CODE_BLOCK;
    const int32_t rest = columns - (blocks - 1) * OFA_CODE_BLOCK;
    const __mmask16 tail = (__mmask16)((1u << rest) - 1);
    for (int32_t block = 0; block < blocks;) {
        // Five blocks as three and two, so that none is alone.
        int32_t left = blocks - block, v = left == 5 ? 3 : left < 4 ? left : 4;
        __mmask16 last = block + v == blocks ? tail : 0xffff;
        if (v == 4) columns4(a, a_row, rows, quads, packed, end, block, to, last, &table);
        else if (v == 3) columns3(a, a_row, rows, quads, packed, end, block, to, last, &table);
        else if (v == 2) columns2(a, a_row, rows, quads, packed, end, block, to, last, &table);
        else columns1(a, a_row, rows, quads, packed, end, block, to, last, &table);
        block += v;
    }
}

static void sums(const uint8_t *a, int32_t depth, const int8_t *packed, int32_t columns,
                 const int32_t *bias, int32_t *out) {
    int32_t quads = (depth + 3) / 4;
    for (int32_t first = 0; first < columns; first += OFA_CODE_BLOCK, packed += quads * 64) {
        __m512i sum[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
        for (int32_t k = 0; k < quads; k++) {
            int32_t four;
            __builtin_memcpy(&four, a + k * 4, 4);
            sum[k % 2] = _mm512_dpbusd_epi32(sum[k % 2], _mm512_set1_epi32(four),
                                             _mm512_loadu_si512(packed + k * 64));
        }
        int32_t left = columns - first;
        __mmask16 mask = left < 16 ? (__mmask16)((1u << left) - 1) : 0xffff;
        __m512i all = _mm512_add_epi32(sum[0], sum[1]);
        all = _mm512_add_epi32(all, _mm512_maskz_loadu_epi32(mask, bias + first));
        _mm512_mask_storeu_epi32(out + first, mask, all);
    }
}

/// N outputs beside each other, of kernel K and stride S.
INLINE void depthwise_tile(const int K, const int S, const int N, const uint8_t *plane,
                           int64_t row, const int8_t *packed, block_end ends, __m512 high,
                           __m512i zero, const lut *table, int has_table, __mmask16 mask,
                           uint8_t *y, int64_t y_row) {
    // Byte 4c + i of the shuffled vector is pixel i of channel c.
    const __m512i turn = _mm512_set_epi8(
        63, 47, 31, 15, 62, 46, 30, 14, 61, 45, 29, 13, 60, 44, 28, 12, 59, 43, 27, 11, 58, 42, 26,
        10, 57, 41, 25, 9, 56, 40, 24, 8, 55, 39, 23, 7, 54, 38, 22, 6, 53, 37, 21, 5, 52, 36, 20,
        4, 51, 35, 19, 3, 50, 34, 18, 2, 49, 33, 17, 1, 48, 32, 16, 0);
    const int Q = (K + 3) / 4, wide = (N - 1) * S + 1 + (Q - 1) * 4;
    __m512i sum[8];
    for (int n = 0; n < N; n++) sum[n] = _mm512_setzero_si512();
    for (int ky = 0; ky < K; ky++) {
        const uint8_t *from = plane + ky * row;
        __m512i w[2];
        for (int q = 0; q < Q; q++) w[q] = _mm512_loadu_si512(packed + (ky * Q + q) * 64);
        // Four pixels from each place that a sum begins at are used by one or two sums.
        for (int x = 0; x < wide; x += S) {
            __m512i four =
                _mm512_permutexvar_epi8(turn, _mm512_loadu_si512(from + x * OFA_CODE_BLOCK));
            if (x / S < N) sum[x / S] = _mm512_dpbusd_epi32(sum[x / S], four, w[0]);
            if (Q == 2 && x >= 4 && (x - 4) / S < N)
                sum[(x - 4) / S] = _mm512_dpbusd_epi32(sum[(x - 4) / S], four, w[1]);
        }
    }
    for (int n = 0; n < N; n += 4) {
        __m512i q[4];
        for (int i = 0; i < 4; i++)
            q[i] = n + i < N ? rounded(sum[n + i], ends, high, zero) : _mm512_setzero_si512();
        __m512i codes = packed4(q[0], q[1], q[2], q[3]);
        if (has_table) codes = looked_up(table, codes);
        __m128i part[4] = {_mm512_castsi512_si128(codes), _mm512_extracti32x4_epi32(codes, 1),
                           _mm512_extracti32x4_epi32(codes, 2),
                           _mm512_extracti32x4_epi32(codes, 3)};
        for (int i = 0; i < 4; i++)
            if (n + i < N) _mm_mask_storeu_epi8(y + (n + i) * y_row, mask, part[i]);
    }
}

#define OUTPUTS(K, S, N)                                                                         \
    for (; ox + N <= w->out_width; ox += N)                                                      \
        depthwise_tile(K, S, N, from + (int64_t)ox * S * OFA_CODE_BLOCK, w->row, packed, ends,   \
                       high, zero, &table, end->table != 0, mask, to + ox * y_row, y_row);

#define DEPTHWISE(K, S)                                                                          \
    static void depthwise##K##S(const ofa_code_window *w, const uint8_t *plane,                  \
                                const int8_t *packed, __mmask16 mask, const ofa_code_end *end,   \
                                uint8_t *y, int64_t y_row) {                                     \
        const lut table = lut_load(end->table);                                                  \
        const block_end ends = block_load(end, 0);                                               \
        const __m512 high = _mm512_set1_ps((float)(255 - end->zero));                            \
        const __m512i zero = _mm512_set1_epi32(end->zero);                                       \
        for (int32_t oy = 0; oy < w->out_height; oy++) {                                         \
            const uint8_t *from = plane + oy * S * w->row;                                       \
            uint8_t *to = y + (int64_t)oy * w->out_width * y_row;                                \
            int32_t ox = 0;                                                                      \
            if (w->out_width % 8 == 0) OUTPUTS(K, S, 8)                                          \
            OUTPUTS(K, S, 7)                                                                     \
            OUTPUTS(K, S, 4)                                                                     \
            OUTPUTS(K, S, 2)                                                                     \
            OUTPUTS(K, S, 1)                                                                     \
        }                                                                                        \
    }

DEPTHWISE(3, 1)
DEPTHWISE(3, 2)
DEPTHWISE(5, 1)
DEPTHWISE(5, 2)
DEPTHWISE(7, 1)
DEPTHWISE(7, 2)

static void depthwise(const ofa_code_window *w, const uint8_t *plane, const int8_t *packed,
                      int32_t channels, const ofa_code_end *end, uint8_t *y, int64_t y_row) {
    __mmask16 mask = (__mmask16)((1u << channels) - 1);
    switch (w->kernel * 10 + w->stride) {
        case 31: depthwise31(w, plane, packed, mask, end, y, y_row); break;
        case 32: depthwise32(w, plane, packed, mask, end, y, y_row); break;
        case 51: depthwise51(w, plane, packed, mask, end, y, y_row); break;
        case 52: depthwise52(w, plane, packed, mask, end, y, y_row); break;
        case 71: depthwise71(w, plane, packed, mask, end, y, y_row); break;
        default: depthwise72(w, plane, packed, mask, end, y, y_row);
    }
}

static void map(const uint8_t *x, int64_t n, const uint8_t *table, uint8_t *y) {
    const lut t = lut_load(table);
    for (int64_t i = 0; i < n; i += 64) {
        __mmask64 mask = n - i < 64 ? (1ull << (n - i)) - 1 : ~0ull;
        _mm512_mask_storeu_epi8(y + i, mask, looked_up(&t, _mm512_maskz_loadu_epi8(mask, x + i)));
    }
}

const ofa_code_kernels ofa_code_avx512 = CODE_TABLE("avx512");
#pragma clang attribute pop
#endif
