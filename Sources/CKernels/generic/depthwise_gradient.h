// Both gradients of a depthwise convolution, band by band; depthwise.h describes the scheme.
#pragma once
#include "depthwise_planes.h"
#include "depthwise_taps.h"

/// The operands of a filter gradient: `rows` rows of `columns` output gradients, and the input
/// under the first tap of the first of them, which is the map's row `row`.
typedef struct {
    const float *dy, *x;
    int64_t dy_row, x_row;
    int32_t rows, columns, row, height, stride;
} filter_rows;

/// total[ky, kx] += sum over rows and columns of dy * x(stride * row + ky, stride * column + kx),
/// `together` filter rows at a time so that the sums stay in registers. `wide`, where it is not 0,
/// is the width of a map of stride 1: taps outside are left out. Rows outside always are.
INLINE void sum_filter(const filter_rows *f, int32_t k, int32_t together, int32_t wide,
                       float *total) {
    const int32_t step = wide ? 1 : f->stride, columns = wide ? wide : f->columns, pad = k / 2;
    for (int32_t ky = 0; ky < k; ky += together) {
        V acc[10];
        for (int32_t t = 0; t < together * k; t++) acc[t] = splat(0);
        for (int32_t r = 0; r < f->rows; r++) {
            const int32_t row = f->row + r * f->stride + ky;
            if (row + together <= 0 || row >= f->height) continue;
            const float *d = f->dy + r * f->dy_row,
                        *from = f->x + ((int64_t)r * f->stride + ky) * f->x_row;
            for (int32_t o = 0; o < columns; o++, d += LANES, from += step * LANES) {
                V v = load(d);
                for (int32_t j = 0; j < together; j++)
                    for (int32_t i = 0; i < k; i++)
                        if (!wide || (o + i >= pad && o + i < wide + pad))
                            acc[j * k + i] += v * load(from + j * f->x_row + i * LANES);
            }
        }
        for (int32_t j = 0; j < together && ky + j < k; j++)
            for (int32_t i = 0; i < k; i++) {
                float *at = total + ((ky + j) * k + i) * LANES;
                store(at, load(at) + acc[j * k + i]);
            }
    }
}

/// `sum_filter` with kernel and width as constants.
static void sum_filters(const filter_rows *f, int32_t k, int narrow, float *total) {
#define SUM_KERNEL(n, together)                                     \
    switch (narrow ? f->columns : 0) {                              \
        case 1: return sum_filter(f, n, together, 1, total);        \
        case 2: return sum_filter(f, n, together, 2, total);        \
        case 3: return sum_filter(f, n, together, 3, total);        \
        case 4: return sum_filter(f, n, together, 4, total);        \
        case 5: return sum_filter(f, n, together, 5, total);        \
        case 6: return sum_filter(f, n, together, 6, total);        \
        case 7: return sum_filter(f, n, together, 7, total);        \
        default: return sum_filter(f, n, together, 0, total);       \
    }
    switch (k) {
        case 3: SUM_KERNEL(3, 3)
        case 5: SUM_KERNEL(5, 2)
        default: SUM_KERNEL(7, 1)
    }
#undef SUM_KERNEL
}

/// The plane and weights from which a chunk's input gradient is computed.
typedef struct {
    int32_t columns;  // the plane's width
    const float *weights;
    int32_t kernel, stride, narrow;
} gradient_plane;

/// The taps of the input positions with parity (py, px), rows and columns of the gradient
/// ascending. Of the input position (stride * a + py, stride * b + px) the first tap lies on the
/// output position (a + top, b + left).
INLINE tap_rows parity_taps(const gradient_plane *p, int32_t py, int32_t px, int32_t *top,
                            int32_t *left, float *weights) {
    const int32_t k = p->kernel, pad = k / 2, stride = p->stride;
    int32_t ky = k - 1, kx = k - 1, count = 0;
    while (ky > 0 && (py + pad - ky) % stride) ky--;
    while (kx > 0 && (px + pad - kx) % stride) kx--;
    *top = (py + pad - ky) / stride;
    *left = (px + pad - kx) / stride;
    tap_rows taps = {0, weights, (int64_t)p->columns * LANES, 0, 0, 0, 1, p->narrow};
    for (int32_t y = ky; y >= 0 && (py + pad - y) % stride == 0; y -= stride, taps.to++)
        for (int32_t x = kx; x >= 0 && (px + pad - x) % stride == 0; x -= stride, count++)
            store(weights + count * LANES, load(p->weights + (y * k + x) * LANES));
    taps.across = taps.to ? count / taps.to : 0;
    return taps;
}

/// The operands of one chunk's input gradients of a band, and their sums.
typedef struct {
    const float *x;    // the band's first raw input of this chunk
    const float *add;  // what is added to it, or null
    float *out;        // the band's first input gradient of this chunk
    V scale, shift, mid, s, q;
    M live;
    int32_t channels, width, stride;
} chunk_gradients;

INLINE void write_gradients(const V *acc, int32_t r, int32_t high, int32_t o, int32_t wide,
                            int32_t py, int32_t px, int bent, int32_t activation,
                            chunk_gradients *to) {
    for (int32_t y = 0; y < high; y++)
        for (int32_t t = 0; t < wide; t++) {
            int64_t at = ((int64_t)((r + y) * to->stride + py) * to->width +
                          (o + t) * to->stride + px) *
                         to->channels;
            V v = load((const float *)(acc + y * wide + t));
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
            int64_t tiles = 0;
            for (int32_t py = 0; py < stride; py++)
                for (int32_t px = 0; px < stride; px++)
                    tiles += ((rows - py + stride - 1) / stride + 1) / 2 *
                             ofa_blocks((d.width - px + stride - 1) / stride);
            const int32_t lines = lines_a_tile(&ahead, tiles * ((channels + LANES - 1) / LANES));
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
                                rows + k - 1, k, -pad, plan.x_columns, xs);
                })
                const float *mine =
                    dy + ((int64_t)(own - first) * plan.dy_columns + plan.halo) * LANES;
                const float *under = xs + (int64_t)(own * stride - top) * plan.x_columns * LANES;
                float *sum = total + (int64_t)(c / LANES) * taps * LANES;
                const filter_rows rows_of_filter = {
                    mine, under, dy_row, x_row, end - own, d.out_width, own * stride - pad,
                    d.height, stride};
                sum_filters(&rows_of_filter, k, ofa_narrow(d), sum);

                const gradient_plane p = {plan.dy_columns, weights, k, stride, ofa_narrow(d)};
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
                        int32_t y0, x0;
                        tap_rows pair = parity_taps(&p, py, px, &y0, &x0, chosen);
                        const int32_t down = pair.to;
                        const int32_t a0 = top / stride;  // bands start on multiples of the stride
                        const int32_t tall = (rows - py + stride - 1) / stride,
                                      width = (d.width - px + stride - 1) / stride,
                                      blocks = ofa_blocks(width);
                        const float *from = dy + ((int64_t)(a0 + y0 - first) * plan.dy_columns +
                                                  (p.narrow ? 0 : x0) + plan.halo) *
                                                     LANES;
                        for (int32_t r = 0, summed = 0; r < tall; r += 2) {
                            const int32_t high = tall - r < 2 ? 1 : 2;
                            skip_rows_outside(&pair, a0 + r + y0, high, d.out_height, down);
                            summed += width * high;
                            for (int32_t block = 0; block < blocks; block++) {
                                const int32_t o = width * block / blocks,
                                              wide = width * (block + 1) / blocks - o;
                                V acc[2 * OFA_BLOCK];
                                fetch_ahead(&ahead, lines);
                                pair.plane = from + r * dy_row + o * LANES;
                                sum_rows(&pair, wide, acc);
                                if (bent)
                                    WITH_ACTIVATION(activation, {
                                        write_gradients(acc, r, high, o, wide, py, px, 1, ACT,
                                                        &outputs);
                                    })
                                else
                                    write_gradients(acc, r, high, o, wide, py, px, 0,
                                                    OFA_ACT_IDENTITY, &outputs);
                            }
                            if (!sums || (summed < SUM_OUTPUTS && r + 2 < tall)) continue;
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
