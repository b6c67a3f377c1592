// Depthwise convolution and both of its gradients.
//
// For each image and chunk of LANES channels the input is first normalised, activated and copied
// into a zero-padded plane that stays in L1. Then outputs are summed in blocks of two rows and up
// to seven columns; the blocks of a row differ in width by one at most. Taps that fall on padding
// are skipped: filter rows that lie outside the map for both output rows always, filter columns
// only if a block is a whole row (the forward plane then has no padding for them). Of kernel 7 that
// skips three fifths of the taps on a map of 4, two fifths on one of 7. The input gradient is the
// same sum over the padded plane of output gradients; with stride 2 it splits into the four
// parities of the input position, each a dense sum. A band of rows with all its channels stays in
// L2 while its chunks are processed one after the other; blocks prefetch the next band's input. The
// output of a large map is made in scratch, band by band, and written out with streaming stores.
//
// Blocks of two rows that skip padded taps, beside blocks of one row of eight or two of four with
// all taps: 1.5 times as fast forward in the geometric mean (0.9 to 2.1), gradient 1.3 (1.05 to
// 1.7). AVX2, one thread, 21 maps of 3 to 112 pixels and three of stride 2, best of five alternated
// runs.
//
// Ladder before that, w1.0's largest block of 144 channels at 32 pixels, kernel 7, one thread of a
// Zen 5, GFLOP/s forward and gradient (`ofa-bench kernels`; chunk by chunk over whole images:
// forward 83, gradient 71 at 512 bits):
//   scalar 1.4, 1.0 | 128 bits 36, 30 | 256 bits 67, 62 | 512 bits 88, 106
// With 72 channels and kernel 3, bound by memory: 1.1, 0.9 | 20, 16 | 31, 35 | 51, 54.
#pragma once
#include "depthwise_planes.h"
#include "depthwise_taps.h"

/// The epilogue of one chunk's outputs, and their sums.
typedef struct {
    V add, mid, s, q;
    M live;
} chunk_outputs;

/// Writes `high` rows of `wide` outputs; `summed`: 0 no sums, 1 for the mean, 2 for both moments.
INLINE void write_block(const V *acc, int32_t high, int32_t wide, int64_t row, int64_t channels,
                        float *out, int shifted, int32_t activation, int summed,
                        chunk_outputs *to) {
    for (int32_t r = 0; r < high; r++, out += row)
        for (int32_t t = 0; t < wide; t++) {
            V value = load((const float *)(acc + r * wide + t));
            if (shifted) value = activate(value + to->add, activation);
            store_part(out + t * channels, value, to->live);
            if (!summed) continue;
            V v = value - to->mid;
            to->s += v;
            if (summed == 2) to->q += v * v;
        }
}

/// A band of output rows of one image, and what its chunks have in common.
typedef struct {
    ofa_depthwise d;
    const ofa_end *end;
    int32_t top, rows, columns;  // of outputs; columns of the padded plane
    int32_t blocks, lines;       // of a row of outputs; to prefetch a block
    int64_t out_row;
    const float *plane;
    float *out;
    ofa_ahead *ahead;
    int summed;  // as in write_block
} forward_band;

/// All outputs of one chunk of a band, taken from the padded plane; returns their sum.
INLINE V forward_chunk(const forward_band *b, const float *weights, int32_t c,
                       chunk_outputs *outputs) {
    const ofa_end *end = b->end;
    const int32_t k = b->d.kernel, pad = k / 2, stride = b->d.stride, channels = b->d.channels;
    V whole = splat(0);
    for (int32_t r = 0, since = 0; r < b->rows; r += 2) {
        const int32_t high = b->rows - r < 2 ? 1 : 2;
        tap_rows pair = {0, weights, (int64_t)b->columns * LANES, 0, 0, k, stride,
                         ofa_narrow(b->d)};
        skip_rows_outside(&pair, (b->top + r) * stride - pad, high, b->d.height, k);
        since += b->d.out_width * high;
        for (int32_t block = 0; block < b->blocks; block++) {
            const int32_t o = b->d.out_width * block / b->blocks,
                          wide = b->d.out_width * (block + 1) / b->blocks - o;
            V acc[2 * OFA_BLOCK];
            fetch_ahead(b->ahead, b->lines);
            pair.plane = b->plane + ((int64_t)r * b->columns + o) * stride * LANES;
            sum_rows(&pair, wide, acc);
            float *out = b->out + r * b->out_row + (int64_t)o * channels + c;
            if (end->shift)
                WITH_ACTIVATION(end->activation, {
                    write_block(acc, high, wide, b->out_row, channels, out, 1, ACT, b->summed,
                                outputs);
                })
            else
                write_block(acc, high, wide, b->out_row, channels, out, 0, OFA_ACT_IDENTITY,
                            b->summed, outputs);
        }
        if (since < SUM_OUTPUTS && r + 2 < b->rows) continue;
        if (end->sums) {
            add_to(end->sums + c, outputs->s, channels - c);
            add_to(end->sums + channels + c, outputs->q, channels - c);
        }
        whole += outputs->s;
        outputs->s = outputs->q = splat(0);
        since = 0;
    }
    return whole;
}

static void depthwise(ofa_depthwise d, const float *x, ofa_affine map, const float *filter,
                      const float *factor, float *y, const ofa_end *end, float *scratch) {
    const int32_t k = d.kernel, taps = k * k, pad = k / 2, channels = d.channels, stride = d.stride;
    const ofa_forward_plan plan = ofa_plan_forward(d, LANES);
    const int32_t blocks = ofa_blocks(d.out_width);
    float *packed = scratch, *plane = packed + ofa_packed_floats(d, LANES),
          *through = plane + plan.plane_floats;
    pack_filter(filter, factor, taps, channels, packed);
    const int32_t activation = map.scale ? map.activation : OFA_ACT_IDENTITY;
    const int64_t in_row = (int64_t)d.width * channels, in_image = d.height * in_row;
    const int64_t out_row = (int64_t)d.out_width * channels, out_image = d.out_height * out_row;
    for (int32_t n = 0; n < d.images; n++)
        for (int32_t top = 0; top < d.out_height; top += plan.band) {
            const int32_t rows = d.out_height - top < plan.band ? d.out_height - top : plan.band;
            const int32_t padded = (rows + 1) / 2 * 2;
            const int32_t tiles = padded / 2 * blocks * ((channels + LANES - 1) / LANES);
            // The rows of input that follow the band's own belong to the next band, or to the next
            // image.
            int64_t used = n * in_image + ((int64_t)(top + rows - 1) * stride - pad + k) * in_row;
            int64_t after = d.images * in_image - used, next = plan.band * stride * in_row;
            ofa_ahead ahead = {{x + used}, {after < next ? after : next}, 1};
            const int32_t lines = lines_a_tile(&ahead, tiles);
            float *to = y + n * out_image + top * out_row,
                  *out = d.images * out_image > OFA_STREAM_FLOATS ? through : to;
            const forward_band band = {d,      end,   top,     rows, plan.columns,
                                       blocks, lines, out_row, plane, out, &ahead,
                                       end->sums ? 2 : end->mean ? 1 : 0};
            FOR_CHUNKS(channels) {
                V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
                V shift = map.scale ? load_part(map.shift + c, m) : splat(0);
                chunk_outputs outputs = {end->shift ? load_part(end->shift + c, m) : splat(0),
                                         end->sums ? load_part(end->center + c, m) : splat(0),
                                         splat(0), splat(0), m};
                WITH_ACTIVATION(activation, {
                    fill_affine(x + n * in_image + c, d.height, d.width, channels, m, scale, shift,
                                ACT, top * stride - pad, (padded - 1) * stride + k, stride,
                                -plan.first, plan.columns, plane);
                })
                const V whole = forward_chunk(
                    &band, packed + (int64_t)(c / LANES) * taps * LANES, c, &outputs);
                if (end->mean) {  // without sums the middle is 0, and this the plain sum
                    float *mean = end->mean + (int64_t)n * channels + c;
                    V part = whole * splat(1.0f / (float)(d.out_height * d.out_width));
                    store_part(mean, top ? load_part(mean, m) + part : part, m);
                }
            }
            if (out != to) write_out(out, rows * out_row, d.images * out_image, to);
        }
}
