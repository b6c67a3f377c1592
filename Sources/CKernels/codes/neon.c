// The kernels on codes for NEON (64-bit ARM): codes and weights are widened to 16 bits, so that
// each product and each sum is exact.
#if defined(__aarch64__)
#include <arm_neon.h>
#include "elementwise.h"
#include "tables.h"

#define INLINE static inline __attribute__((always_inline))

/// The sums of one block of channels.
typedef struct {
    int32x4_t part[4];
} sums16;

INLINE sums16 zeros(void) {
    int32x4_t zero = vdupq_n_s32(0);
    return (sums16){{zero, zero, zero, zero}};
}

/// Returns the sums of four products of four channels: codes and weights lie channel by channel.
INLINE int32x4_t dot4(uint8x16_t codes, int8x16_t w) {
    int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(codes)));
    int16x8_t high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(codes)));
    int16x8_t w_low = vmovl_s8(vget_low_s8(w)), w_high = vmovl_s8(vget_high_s8(w));
    int32x4_t a = vmull_s16(vget_low_s16(low), vget_low_s16(w_low));
    int32x4_t b = vmull_s16(vget_high_s16(low), vget_high_s16(w_low));
    int32x4_t c = vmull_s16(vget_low_s16(high), vget_low_s16(w_high));
    int32x4_t d = vmull_s16(vget_high_s16(high), vget_high_s16(w_high));
    return vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
}

INLINE sums16 add_row(sums16 sum, const uint8_t *a, const int8_t *w) {
    uint32_t four;
    __builtin_memcpy(&four, a, 4);
    uint8x16_t codes = vreinterpretq_u8_u32(vdupq_n_u32(four));
    for (int i = 0; i < 4; i++)
        sum.part[i] = vaddq_s32(sum.part[i], dot4(codes, vld1q_s8(w + 16 * i)));
    return sum;
}

/// Stores `count` codes of the sums of channels `first` and on.
INLINE void store16(sums16 sum, const ofa_code_end *end, int32_t first, int32_t count,
                    uint8_t *to) {
    const float32x4_t low = vdupq_n_f32((float)-end->zero);
    const float32x4_t high = vdupq_n_f32((float)(255 - end->zero));
    const int32x4_t zero = vdupq_n_s32(end->zero);
    uint16x4_t part[4];
    for (int i = 0; i < 4; i++) {
        int32x4_t all = vaddq_s32(sum.part[i], vld1q_s32(end->bias + first + 4 * i));
        float32x4_t scaled = vmulq_f32(vcvtq_f32_s32(all), vld1q_f32(end->factor + first + 4 * i));
        scaled = vminq_f32(vmaxq_f32(scaled, low), high);
        part[i] = vqmovun_s32(vaddq_s32(vcvtnq_s32_f32(scaled), zero));
    }
    uint8_t codes[OFA_CODE_BLOCK];
    vst1_u8(codes, vqmovn_u16(vcombine_u16(part[0], part[1])));
    vst1_u8(codes + 8, vqmovn_u16(vcombine_u16(part[2], part[3])));
    for (int32_t i = 0; i < OFA_CODE_BLOCK && i < count; i++)
        to[i] = end->table ? end->table[codes[i]] : codes[i];
}

/// R rows times one block of columns.
INLINE void product_tile(const int R, const uint8_t *a, int64_t a_row, int32_t quads,
                         const int8_t *b, const ofa_code_end *end, int32_t first, int32_t count,
                         const ofa_code_place *to, int32_t row) {
    sums16 sum[4];
    for (int r = 0; r < R; r++) sum[r] = zeros();
    for (int32_t k = 0; k < quads; k++)
        for (int r = 0; r < R; r++) sum[r] = add_row(sum[r], a + r * a_row + k * 4, b + k * 64);
    for (int r = 0; r < R; r++) {
        int64_t offset = to->places ? to->places[row + r] : (row + r) * to->row;
        store16(sum[r], end, first, count, to->c + offset + first / OFA_CODE_BLOCK * to->block);
    }
}

static void product(const uint8_t *a, int64_t a_row, int32_t rows, int32_t depth,
                    const int8_t *packed, int32_t columns, const ofa_code_end *end,
                    const ofa_code_place *to) {
    int32_t quads = (depth + 3) / 4;
    for (int32_t first = 0; first < columns; first += OFA_CODE_BLOCK, packed += quads * 64) {
        int32_t row = 0;
        for (; row + 4 <= rows; row += 4)
            product_tile(4, a + row * a_row, a_row, quads, packed, end, first, columns - first, to,
                         row);
        for (; row < rows; row++)
            product_tile(1, a + row * a_row, a_row, quads, packed, end, first, columns - first, to,
                         row);
    }
}

static void sums(const uint8_t *a, int32_t depth, const int8_t *packed, int32_t columns,
                 const int32_t *bias, int32_t *out) {
    int32_t quads = (depth + 3) / 4;
    for (int32_t first = 0; first < columns; first += OFA_CODE_BLOCK, packed += quads * 64) {
        sums16 sum = zeros();
        for (int32_t k = 0; k < quads; k++) sum = add_row(sum, a + k * 4, packed + k * 64);
        int32_t all[OFA_CODE_BLOCK];
        for (int i = 0; i < 4; i++) vst1q_s32(all + 4 * i, sum.part[i]);
        for (int32_t j = 0; j < OFA_CODE_BLOCK && first + j < columns; j++)
            out[first + j] = all[j] + bias[first + j];
    }
}

/// Adds the products of four pixels that follow each other.
INLINE sums16 add_pixels(sums16 sum, const uint8_t *x, const int8_t *w) {
    uint8x16_t a = vld1q_u8(x), b = vld1q_u8(x + OFA_CODE_BLOCK);
    uint8x16_t c = vld1q_u8(x + 2 * OFA_CODE_BLOCK), d = vld1q_u8(x + 3 * OFA_CODE_BLOCK);
    uint16x8_t ab[2] = {vreinterpretq_u16_u8(vzip1q_u8(a, b)),
                        vreinterpretq_u16_u8(vzip2q_u8(a, b))};
    uint16x8_t cd[2] = {vreinterpretq_u16_u8(vzip1q_u8(c, d)),
                        vreinterpretq_u16_u8(vzip2q_u8(c, d))};
    for (int i = 0; i < 4; i++) {
        uint16x8_t first = ab[i / 2], second = cd[i / 2];
        uint16x8_t four = i % 2 ? vzip2q_u16(first, second) : vzip1q_u16(first, second);
        sum.part[i] =
            vaddq_s32(sum.part[i], dot4(vreinterpretq_u8_u16(four), vld1q_s8(w + 16 * i)));
    }
    return sum;
}

static void depthwise(const ofa_code_window *w, const uint8_t *plane, const int8_t *packed,
                      int32_t channels, const ofa_code_end *end, uint8_t *y, int64_t y_row) {
    int32_t quads = (w->kernel + 3) / 4;
    for (int32_t oy = 0; oy < w->out_height; oy++)
        for (int32_t ox = 0; ox < w->out_width; ox++) {
            const uint8_t *from =
                plane + oy * w->stride * w->row + (int64_t)ox * w->stride * OFA_CODE_BLOCK;
            sums16 sum = zeros();
            for (int32_t ky = 0; ky < w->kernel; ky++)
                for (int32_t q = 0; q < quads; q++)
                    sum = add_pixels(sum, from + ky * w->row + q * 4 * OFA_CODE_BLOCK,
                                     packed + (ky * quads + q) * 64);
            store16(sum, end, 0, channels, y + ((int64_t)oy * w->out_width + ox) * y_row);
        }
}

static void map(const uint8_t *x, int64_t n, const uint8_t *table, uint8_t *y) {
    for (int64_t i = 0; i < n; i++) y[i] = table[x[i]];
}

const ofa_code_kernels ofa_code_neon = CODE_TABLE("neon");
#endif
