// Depthwise convolution and both of its gradients.
//
// For each image and chunk of LANES channels the input is first copied, normalised and activated on
// the way, into a zero-padded plane that stays in the nearest cache. Then every output is a sum
// over "taps" (an offset into the plane, a weight vector), and eight outputs are summed at once:
// one row of eight, or two of four, whichever wastes less at the map's width. The input gradient is
// the same sum over the padded gradient plane; stride 2 splits it into the four parities of the
// input position, each a dense sum of its own. Bands of rows, all channels of them, are read chunk
// after chunk while they lie in a second-level cache; tiles fetch the next band's input into it on
// the way. The output of a large map is made in scratch, band by band, and written out in order.
//
// Ladder, w1.0's largest block of 144 channels at 32 pixels, kernel 7, one thread of a Zen 5,
// GFLOP/s forward and gradient (`ofa-bench kernels`; chunk by chunk over whole images: forward 83,
// gradient 71 at 512 bits):
//   scalar 1.4, 1.0 | 128 bits 36, 30 | 256 bits 67, 62 | 512 bits 88, 106
// With 72 channels and kernel 3, bound by memory: 1.1, 0.9 | 20, 16 | 31, 35 | 51, 54.
#pragma once
#include "elementwise.h"
#include "depthwise_plan.h"

/// Copies rows [row, row + rows) and columns [column, column + columns) of one image's chunk; zero
/// outside.
INLINE void fill_affine(const float *x, int32_t height, int32_t width, int64_t channels, M m,
                        V scale, V shift, int32_t activation, int32_t row, int32_t rows,
                        int32_t column, int32_t columns, float *plane) {
    for (int32_t r = 0; r < rows; r++, plane += (int64_t)columns * LANES) {
        int32_t iy = row + r, left = -column > 0 ? -column : 0;
        int32_t right = width - column < columns ? width - column : columns;
        if (iy < 0 || iy >= height || right <= left) {
            memset(plane, 0, sizeof(float) * (size_t)columns * LANES);
            continue;
        }
        for (int32_t i = 0; i < left; i++) store(plane + i * LANES, splat(0));
        const float *from = x + ((int64_t)iy * width + column) * channels;
        for (int32_t i = left; i < right; i++)
            store(plane + i * LANES,
                  activate(load_part(from + i * channels, m) * scale + shift, activation));
        for (int32_t i = right; i < columns; i++) store(plane + i * LANES, splat(0));
    }
}

INLINE void fill_gradient(const float *d, const float *y, const upstream_chunk *chunk,
                          int32_t height, int32_t width, int64_t channels, M m, V a, V b, V k,
                          int32_t row, int32_t rows, int32_t column, int32_t columns, int kind,
                          int32_t activation, float *plane) {
    for (int32_t r = 0; r < rows; r++, plane += (int64_t)columns * LANES) {
        int32_t iy = row + r, left = -column > 0 ? -column : 0;
        int32_t right = width - column < columns ? width - column : columns;
        if (iy < 0 || iy >= height || right <= left) {
            memset(plane, 0, sizeof(float) * (size_t)columns * LANES);
            continue;
        }
        for (int32_t i = 0; i < left; i++) store(plane + i * LANES, splat(0));
        int64_t base = ((int64_t)iy * width + column) * channels;
        for (int32_t i = left; i < right; i++) {
            int64_t at = base + i * channels;
            V from = load_part(y + at, m);
            V g = upstream_value(d + at, from, chunk, m, kind, activation);
            store(plane + i * LANES, a * g + (b * from + k));
        }
        for (int32_t i = right; i < columns; i++) store(plane + i * LANES, splat(0));
    }
}

/// acc[t] = sum over taps of plane[offset + t * step] * weight; two rows of four when `row_step` is
/// not 0.
INLINE void sum_taps(const float *plane, const int32_t *offsets, const float *weights, int32_t taps,
                     int32_t step, int64_t row_step, int two_rows, V *acc) {
    for (int32_t t = 0; t < 8; t++) acc[t] = splat(0);
    for (int32_t i = 0; i < taps; i++) {
        const float *at = plane + offsets[i];
        V w = load(weights + i * LANES);
        if (two_rows) {
            for (int32_t t = 0; t < 4; t++) acc[t] += load(at + t * step) * w;
            for (int32_t t = 0; t < 4; t++) acc[4 + t] += load(at + row_step + t * step) * w;
        } else {
            for (int32_t t = 0; t < 8; t++) acc[t] += load(at + t * step) * w;
        }
    }
}

INLINE void sum_tile(const float *plane, const int32_t *offsets, const float *weights, int32_t taps,
                     int32_t stride, int64_t row_step, int32_t two_rows, V *acc) {
    if (stride == 1) {
        if (two_rows)
            sum_taps(plane, offsets, weights, taps, LANES, row_step, 1, acc);
        else
            sum_taps(plane, offsets, weights, taps, LANES, row_step, 0, acc);
    } else {
        if (two_rows)
            sum_taps(plane, offsets, weights, taps, 2 * LANES, row_step, 1, acc);
        else
            sum_taps(plane, offsets, weights, taps, 2 * LANES, row_step, 0, acc);
    }
}

INLINE int32_t tile_row(ofa_tiling tiling, int32_t t) { return tiling.rows == 2 ? t / 4 : 0; }
INLINE int32_t tile_column(ofa_tiling tiling, int32_t t) { return tiling.rows == 2 ? t % 4 : t; }

/// Lays the filter out as (chunk, tap, LANES).
static void pack_filter(const float *filter, const float *factor, int32_t taps, int32_t channels,
                        float *packed) {
    FOR_CHUNKS(channels) {
        V by = factor ? load_part(factor + c, m) : splat(1);
        for (int32_t t = 0; t < taps; t++, packed += LANES)
            store(packed, load_part(filter + (int64_t)t * channels + c, m) * by);
    }
}

// Outputs of a chunk after which float partial sums are added to the double totals.
enum { SUM_OUTPUTS = 192 };

/// Where one chunk's outputs of a band go, and what they are summed to.
typedef struct {
    float *out;  // the band's first output of this chunk
    V add, mid, s, q;
    M live;
} chunk_outputs;

INLINE void write_tile(const V *acc, const ofa_depthwise *d, ofa_tiling tiling, int32_t r,
                       int32_t rows, int32_t o, int shifted, int32_t activation,
                       chunk_outputs *to) {
    for (int32_t t = 0; t < 8; t++) {
        int32_t oy = r + tile_row(tiling, t), ox = o + tile_column(tiling, t);
        if (oy >= rows || ox >= d->out_width) continue;
        V value = shifted ? activate(acc[t] + to->add, activation) : acc[t];
        store_part(to->out + ((int64_t)oy * d->out_width + ox) * d->channels, value, to->live);
        V v = value - to->mid;
        to->s += v;
        to->q += v * v;
    }
}

static void depthwise(ofa_depthwise d, const float *x, ofa_affine map, const float *filter,
                      const float *factor, float *y, const ofa_end *end, float *scratch) {
    const int32_t k = d.kernel, taps = k * k, pad = k / 2, channels = d.channels, stride = d.stride;
    const ofa_forward_plan plan = ofa_plan_forward(d, LANES);
    const ofa_tiling tiling = plan.tiling;
    float *packed = scratch, *plane = packed + ofa_packed_floats(d, LANES),
          *through = plane + plan.plane_floats;
    pack_filter(filter, factor, taps, channels, packed);
    int32_t offsets[49];
    for (int32_t t = 0; t < taps; t++) offsets[t] = ((t / k) * plan.columns + t % k) * LANES;
    const int32_t activation = map.scale ? map.activation : OFA_ACT_IDENTITY;
    const int64_t in_row = (int64_t)d.width * channels, in_image = d.height * in_row;
    const int64_t out_row = (int64_t)d.out_width * channels, out_image = d.out_height * out_row;
    for (int32_t n = 0; n < d.images; n++)
        for (int32_t top = 0; top < d.out_height; top += plan.band) {
            const int32_t rows = d.out_height - top < plan.band ? d.out_height - top : plan.band;
            const int32_t padded = (rows + tiling.rows - 1) / tiling.rows * tiling.rows;
            const int32_t tiles = padded / tiling.rows * (tiling.columns / tiling.width) *
                                  ((channels + LANES - 1) / LANES);
            // The rows of input that follow the band's own belong to the next band, or to the next
            // image.
            int64_t used = n * in_image + ((int64_t)(top + rows - 1) * stride - pad + k) * in_row;
            int64_t after = d.images * in_image - used, next = plan.band * stride * in_row;
            ofa_ahead ahead = {{x + used}, {after < next ? after : next}, 1};
            const int32_t lines = lines_a_tile(&ahead, tiles);
            float *to = y + n * out_image + top * out_row,
                  *band = d.images * out_image > OFA_STREAM_FLOATS ? through : to;
            FOR_CHUNKS(channels) {
                const float *weights = packed + (int64_t)(c / LANES) * taps * LANES;
                V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
                V shift = map.scale ? load_part(map.shift + c, m) : splat(0);
                chunk_outputs outputs = {band + c,
                                         end->shift ? load_part(end->shift + c, m) : splat(0),
                                         end->sums ? load_part(end->center + c, m) : splat(0),
                                         splat(0),
                                         splat(0),
                                         m};
                WITH_ACTIVATION(activation, {
                    fill_affine(x + n * in_image + c, d.height, d.width, channels, m, scale, shift,
                                ACT, top * stride - pad, (padded - 1) * stride + k, -pad,
                                plan.columns, plane);
                })
                V whole = splat(0);
                for (int32_t r = 0, summed = 0; r < rows; r += tiling.rows) {
                    summed += d.out_width * tiling.rows;
                    for (int32_t o = 0; o < d.out_width; o += tiling.width) {
                        fetch_ahead(&ahead, lines);
                        V acc[8];
                        sum_tile(plane + ((int64_t)r * plan.columns + o) * stride * LANES, offsets,
                                 weights, taps, stride, (int64_t)stride * plan.columns * LANES,
                                 tiling.rows == 2, acc);
                        if (end->shift)
                            WITH_ACTIVATION(end->activation, {
                                write_tile(acc, &d, tiling, r, rows, o, 1, ACT, &outputs);
                            })
                        else
                            write_tile(acc, &d, tiling, r, rows, o, 0, OFA_ACT_IDENTITY, &outputs);
                    }
                    if (summed < SUM_OUTPUTS && r + tiling.rows < rows) continue;
                    if (end->sums) {
                        add_to(end->sums + c, outputs.s, channels - c);
                        add_to(end->sums + channels + c, outputs.q, channels - c);
                    }
                    whole += outputs.s;
                    outputs.s = outputs.q = splat(0);
                    summed = 0;
                }
                if (end->mean) {  // without sums the middle is 0, and this the plain sum
                    float *mean = end->mean + (int64_t)n * channels + c;
                    V part = whole * splat(1.0f / (float)(d.out_height * d.out_width));
                    store_part(mean, top ? load_part(mean, m) + part : part, m);
                }
            }
            if (band != to) write_out(band, rows * out_row, d.images * out_image, to);
        }
}

/// total[ky, kx] += sum over rows and columns of dy * x(stride * row + ky, stride * column + kx),
/// `together` filter rows at a time so that the sums stay in registers.
INLINE void sum_filter(const float *dy, int64_t dy_row, const float *x, int64_t x_row, int32_t rows,
                       int32_t columns, int32_t stride, int32_t k, int32_t together, float *total) {
    for (int32_t ky = 0; ky < k; ky += together) {
        V acc[10];
        for (int32_t t = 0; t < together * k; t++) acc[t] = splat(0);
        for (int32_t r = 0; r < rows; r++) {
            const float *d = dy + r * dy_row, *from = x + ((int64_t)r * stride + ky) * x_row;
            for (int32_t o = 0; o < columns; o++, d += LANES, from += stride * LANES) {
                V v = load(d);
                for (int32_t j = 0; j < together; j++)
                    for (int32_t i = 0; i < k; i++)
                        acc[j * k + i] += v * load(from + j * x_row + i * LANES);
            }
        }
        for (int32_t j = 0; j < together && ky + j < k; j++)
            for (int32_t i = 0; i < k; i++) {
                float *at = total + ((ky + j) * k + i) * LANES;
                store(at, load(at) + acc[j * k + i]);
            }
    }
}

/// Everything about one band of the input gradient that does not change between its tiles.
typedef struct {
    const float *plane;            // padded gradient of the output
    int32_t columns, row, column;  // the plane's width and the output position of its first element
    const float *weights;
    int32_t kernel, stride;
} gradient_plane;

/// The taps of the input positions with parity (py, px): offsets relative to output position (a,
/// b).
INLINE int32_t parity_taps(const gradient_plane *p, int32_t py, int32_t px, int32_t *offsets,
                           float *weights) {
    int32_t count = 0, pad = p->kernel / 2;
    for (int32_t ky = 0; ky < p->kernel; ky++) {
        if ((py + pad - ky) % p->stride) continue;
        for (int32_t kx = 0; kx < p->kernel; kx++) {
            if ((px + pad - kx) % p->stride) continue;
            int32_t dy = (py + pad - ky) / p->stride - p->row,
                    dx = (px + pad - kx) / p->stride - p->column;
            offsets[count] = (dy * p->columns + dx) * LANES;
            store(weights + count * LANES, load(p->weights + (ky * p->kernel + kx) * LANES));
            count++;
        }
    }
    return count;
}

/// What one chunk's input gradients of a band need, and what they are summed to.
typedef struct {
    const float *x;    // the band's first raw input of this chunk
    const float *add;  // what is added to it, or null
    float *out;        // the band's first input gradient of this chunk
    V scale, shift, mid, s, q;
    M live;
    int32_t channels, width, stride;
} chunk_gradients;

INLINE void write_gradients(const V *acc, ofa_tiling tiling, int32_t r, int32_t high, int32_t o,
                            int32_t wide, int32_t py, int32_t px, int bent, int32_t activation,
                            chunk_gradients *to) {
    for (int32_t t = 0; t < 8; t++) {
        int32_t ia = r + tile_row(tiling, t), ib = o + tile_column(tiling, t);
        if (ia >= high || ib >= wide) continue;
        int64_t at =
            ((int64_t)(ia * to->stride + py) * to->width + ib * to->stride + px) * to->channels;
        V v = acc[t];
        if (to->add) v += load_part(to->add + at, to->live);
        if (bent) {
            V from = load_part(to->x + at, to->live);
            v *= slope(from * to->scale + to->shift, activation);
            to->s += v;
            to->q += v * (from - to->mid);
        }
        store_part(to->out + at, v, to->live);
    }
}

static void depthwise_gradient(ofa_depthwise d, const ofa_upstream *u, const float *x,
                               ofa_affine map, const float *filter, const float *add, float *dx,
                               const float *center, double *sums, float *dfilter, float *scratch) {
    const int32_t k = d.kernel, taps = k * k, pad = k / 2, channels = d.channels, stride = d.stride;
    const int32_t activation = map.scale ? map.activation : OFA_ACT_IDENTITY;
    const ofa_gradient_plan plan = ofa_plan_gradient(d, LANES);
    const int64_t in_row = (int64_t)d.width * channels, in_image = d.height * in_row;
    const int64_t out_row = (int64_t)d.out_width * channels, out_image = d.out_height * out_row;
    const int64_t dy_row = (int64_t)plan.dy_columns * LANES,
                  x_row = (int64_t)plan.x_columns * LANES;
    const int bent = map.scale || sums;
    float *packed = scratch, *total = packed + ofa_packed_floats(d, LANES);
    float *dy = total + ofa_packed_floats(d, LANES), *xs = dy + plan.dy_floats,
          *chosen = xs + plan.x_floats;
    float *band = chosen + 49 * LANES;
    pack_filter(filter, 0, taps, channels, packed);
    memset(total, 0, sizeof(float) * (size_t)ofa_packed_floats(d, LANES));
    for (int32_t n = 0; n < d.images; n++)
        for (int32_t top = 0; top < d.height; top += plan.band) {
            const int32_t rows = d.height - top < plan.band ? d.height - top : plan.band;
            // Output rows that this band's gradient needs start at `first`; those whose filter
            // gradient is this band's to sum are the ones with stride * row in [top, top + rows).
            const int32_t first = top / stride - plan.halo;
            const int32_t own = (top + stride - 1) / stride,
                          dy_rows = (rows + stride - 1) / stride + 2 * plan.halo;
            int32_t end = (top + rows + stride - 1) / stride;
            if (end > d.out_height) end = d.out_height;
            // What follows in memory is the next band's, or the next image's.
            int64_t x_used = n * in_image + (top + rows + k - 1 - pad) * in_row,
                    x_after = d.images * in_image - x_used;
            int64_t y_used = n * out_image + ((top + rows) / stride + plan.halo) * out_row;
            int64_t y_after = d.images * out_image - y_used;
            int64_t x_next = plan.band * in_row, y_next = plan.band / stride * out_row;
            if (y_after < y_next) y_next = y_after > 0 ? y_after : 0;
            const int64_t add_used = n * in_image + (top + rows) * in_row,
                          add_after = d.images * in_image - add_used;
            ofa_ahead ahead = {
                {x + x_used, u->y + y_used, u->d ? u->d + y_used : 0, add ? add + add_used : 0},
                {x_after < x_next ? x_after : x_next, y_next, u->d ? y_next : 0,
                 !add                 ? 0
                 : add_after < x_next ? add_after
                                      : x_next},
                1};
            const int32_t lines = lines_a_tile(
                &ahead, (int64_t)(channels + LANES - 1) / LANES * rows * d.width / 8 + 1);
            FOR_CHUNKS(channels) {
                const float *weights = packed + (int64_t)(c / LANES) * taps * LANES;
                V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
                V shift = map.scale ? load_part(map.shift + c, m) : splat(0);
                V a = splat(1), b = splat(0), e = splat(0);
                if (u->norm.a) {
                    a = load_part(u->norm.a + c, m);
                    b = load_part(u->norm.b + c, m);
                    e = load_part(u->norm.c + c, m);
                }
                const upstream_chunk chunk = load_upstream(u, n, channels, c, m);
                const float *xc = x + n * in_image + c;
                WITH_UPSTREAM(u, {
                    fill_gradient(u->d + n * out_image + c, u->y + n * out_image + c, &chunk,
                                  d.out_height, d.out_width, channels, m, a, b, e, first, dy_rows,
                                  -plan.halo, plan.dy_columns, KIND, ACT, dy);
                })
                WITH_ACTIVATION(activation, {
                    fill_affine(xc, d.height, d.width, channels, m, scale, shift, ACT, top - pad,
                                rows + k - 1, -pad, plan.x_columns, xs);
                })
                const float *mine =
                    dy + ((int64_t)(own - first) * plan.dy_columns + plan.halo) * LANES;
                const float *under = xs + (int64_t)(own * stride - top) * plan.x_columns * LANES;
                float *sum = total + (int64_t)(c / LANES) * taps * LANES;
                if (k == 3)
                    sum_filter(mine, dy_row, under, x_row, end - own, d.out_width, stride, 3, 3,
                               sum);
                else if (k == 5)
                    sum_filter(mine, dy_row, under, x_row, end - own, d.out_width, stride, 5, 2,
                               sum);
                else
                    sum_filter(mine, dy_row, under, x_row, end - own, d.out_width, stride, 7, 1,
                               sum);

                gradient_plane p = {dy, plan.dy_columns, first, -plan.halo, weights, k, stride};
                chunk_gradients outputs = {xc + top * in_row,
                                           add ? add + n * in_image + top * in_row + c : 0,
                                           band + c,
                                           scale,
                                           shift,
                                           sums ? load_part(center + c, m) : splat(0),
                                           splat(0),
                                           splat(0),
                                           m,
                                           channels,
                                           d.width,
                                           stride};
                for (int32_t py = 0; py < stride; py++)
                    for (int32_t px = 0; px < stride; px++) {
                        int32_t offsets[49], count = parity_taps(&p, py, px, offsets, chosen);
                        int32_t a0 = top / stride;  // bands start on multiples of the stride
                        int32_t high = (rows - py + stride - 1) / stride,
                                wide = (d.width - px + stride - 1) / stride;
                        ofa_tiling tiling = ofa_tile(wide, high);
                        for (int32_t r = 0, summed = 0; r < high; r += tiling.rows) {
                            summed += wide * tiling.rows;
                            for (int32_t o = 0; o < wide; o += tiling.width) {
                                fetch_ahead(&ahead, lines);
                                V acc[8];
                                sum_tile(dy + ((int64_t)(a0 + r) * plan.dy_columns + o) * LANES,
                                         offsets, chosen, count, 1, dy_row, tiling.rows == 2, acc);
                                if (bent)
                                    WITH_ACTIVATION(activation, {
                                        write_gradients(acc, tiling, r, high, o, wide, py, px, 1,
                                                        ACT, &outputs);
                                    })
                                else
                                    write_gradients(acc, tiling, r, high, o, wide, py, px, 0,
                                                    OFA_ACT_IDENTITY, &outputs);
                            }
                            if (!sums || (summed < SUM_OUTPUTS && r + tiling.rows < high)) continue;
                            add_to(sums + c, outputs.s, channels - c);
                            add_to(sums + channels + c, outputs.q, channels - c);
                            outputs.s = outputs.q = splat(0);
                            summed = 0;
                        }
                    }
            }
            write_out(band, rows * in_row, d.images * in_image, dx + n * in_image + top * in_row);
        }
    FOR_CHUNKS(channels) for (int32_t t = 0; t < taps; t++) {
        float *at = dfilter + (int64_t)t * channels + c;
        store_part(at, load_part(at, m) + load(total + ((int64_t)(c / LANES) * taps + t) * LANES),
                   m);
    }
}
