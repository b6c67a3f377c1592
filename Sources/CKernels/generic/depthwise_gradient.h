// Computes the input and the filter gradient of a depthwise convolution, band by band; depthwise.h
// describes the scheme.
#pragma once
#include "depthwise_planes.h"
#include "depthwise_taps.h"

/// The operands of a filter gradient.
typedef struct {
    const float *dy;        // the first output gradient
    const float *x;         // the input at the first tap of the first output
    int64_t dy_row, x_row;  // floats of a row of each plane
    int32_t rows, columns;  // of the output gradients
    int32_t row, height;    // the map row that `x` points to; the rows of the map
    int32_t stride;
} filter_rows;

/// Adds to total[ky, kx] the sum over rows and columns of dy * x(stride * row + ky, stride * column
/// + kx). Takes `together` filter rows at a time, so that their sums stay in registers. For an
/// output row, these filter rows are skipped if all of them lie outside the map. A `wide` other
/// than 0 requires stride 1 and is the width of the map; then columns outside the map are skipped
/// too.
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

/// Calls `sum_filter` with the kernel and, on narrow maps, the width as constants.
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

/// Returns the taps that contribute to the gradients at input positions of parity (py, px). The
/// taps are in ascending order of the output row and column that they read; their weights are
/// copied to `weights`. Sets `top` and `left`: for input position (stride * a + py, stride * b +
/// px), the first tap reads output position (a + top, b + left).
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

/// The operands of one chunk's input gradients in a band, and the sums of these gradients.
typedef struct {
    ofa_map x;         // from the band's first raw input of this chunk on
    ofa_map add;       // the gradients of this chunk from another path, or null
    float *out;        // the band's first input gradient of this chunk
    V scale, shift;    // the input's map
    V mid, s, q;       // the center of the sums; the sums of g and of g * (x - mid)
    M live;
    int32_t channels, width, stride;
} chunk_gradients;

/// Computes input gradients from the sums `acc` (`high` rows, `wide` columns) and writes the
/// gradients. The sums belong to input positions of parity (py, px). Among the positions of this
/// parity, the first sum belongs to row r and column o.
INLINE void write_gradients(const V *acc, int32_t r, int32_t high, int32_t o, int32_t wide,
                            int32_t py, int32_t px, int has_map, int32_t activation, int half,
                            chunk_gradients *to) {
    for (int32_t y = 0; y < high; y++)
        for (int32_t t = 0; t < wide; t++) {
            int64_t at = ((int64_t)((r + y) * to->stride + py) * to->width +
                          (o + t) * to->stride + px) *
                         to->channels;
            V v = load((const float *)(acc + y * wide + t));
            if (to->add.values)
                v += load_at(to->add.values, at, to->live, to->add.format == OFA_BFLOAT16);
            if (has_map) {
                V from = load_at(to->x.values, at, to->live, half);
                v *= slope(from * to->scale + to->shift, activation);
                to->s += v;
                to->q += v * (from - to->mid);
            }
            store_part(to->out + at, v, to->live);
        }
}

/// The values that all bands and chunks of a call share.
typedef struct {
    ofa_depthwise d;
    const ofa_upstream *u;
    ofa_map x, add;
    const float *center;
    ofa_affine map;
    double *sums;
    ofa_gradient_plan plan;
    int32_t activation;
    int has_map;  // whether a map or sums are given
    int64_t in_row, in_image, out_row, out_image;
    float *packed, *total, *dy, *xs, *chosen, *band;  // the parts of scratch
} gradient_pass;

INLINE gradient_pass pass_of(ofa_depthwise d, const ofa_upstream *u, ofa_map x, ofa_affine map,
                             ofa_map add, const float *center, double *sums, float *scratch) {
    gradient_pass p = {.d = d, .u = u, .x = x, .add = add, .center = center, .map = map,
                       .sums = sums};
    p.plan = ofa_plan_gradient(d, LANES);
    p.activation = map.scale ? map.activation : OFA_ACT_IDENTITY;
    p.has_map = map.scale || sums;
    p.in_row = (int64_t)d.width * d.channels;
    p.in_image = d.height * p.in_row;
    p.out_row = (int64_t)d.out_width * d.channels;
    p.out_image = d.out_height * p.out_row;
    p.packed = scratch;
    p.total = p.packed + ofa_packed_floats(d, LANES);
    p.dy = p.total + ofa_packed_floats(d, LANES);
    p.xs = p.dy + p.plan.dy_floats;
    p.chosen = p.xs + p.plan.x_floats;
    p.band = p.chosen + 49 * LANES;
    return p;
}

/// A band of one image: the input rows `top` ..< `top + rows`. Its input gradient reads the output
/// gradients from output row `first` on. The filter gradient is summed band by band: this band adds
/// the output rows `own` ..< `end`, for which stride * row is in the band.
typedef struct {
    int32_t image, top, rows, first, own, end;
} gradient_band;

INLINE gradient_band band_of(const gradient_pass *p, int32_t image, int32_t top) {
    const int32_t stride = p->d.stride;
    const int32_t rows = p->d.height - top < p->plan.band ? p->d.height - top : p->plan.band;
    const int32_t end = (top + rows + stride - 1) / stride;
    return (gradient_band){image,
                           top,
                           rows,
                           top / stride - p->plan.halo,
                           (top + stride - 1) / stride,
                           end < p->d.out_height ? end : p->d.out_height};
}

INLINE int64_t at_most(int64_t value, int64_t most) { return value < most ? value : most; }

/// Returns the rows that the band's blocks prefetch: the rows that follow the band in memory, which
/// belong to the next band or to the next image.
INLINE ofa_ahead ahead_of(const gradient_pass *p, const gradient_band *b) {
    const ofa_upstream *u = p->u;
    const int32_t k = p->d.kernel, below = b->top + b->rows;
    const int64_t x_used = b->image * p->in_image + (below + k - 1 - k / 2) * p->in_row;
    const int64_t y_used =
        b->image * p->out_image + (below / p->d.stride + p->plan.halo) * p->out_row;
    const int64_t add_used = b->image * p->in_image + below * p->in_row;
    const int64_t x_all = p->d.images * p->in_image, y_all = p->d.images * p->out_image;
    const int64_t x_next = p->plan.band * p->in_row;
    int64_t y_next = at_most(p->plan.band / p->d.stride * p->out_row, y_all - y_used);
    if (y_next < 0) y_next = 0;
    return (ofa_ahead){
        {map_from(p->x, x_used).values, map_from(u->y, y_used).values,
         map_from(u->d, y_used).values, map_from(p->add, add_used).values},
        {as_floats(p->x, at_most(x_all - x_used, x_next)), as_floats(u->y, y_next),
         u->d.values ? as_floats(u->d, y_next) : 0,
         p->add.values ? as_floats(p->add, at_most(x_all - add_used, x_next)) : 0},
        1};
}

/// Returns the number of blocks that a band sums, over all chunks and parities.
INLINE int64_t blocks_of(const gradient_pass *p, const gradient_band *b) {
    const int32_t stride = p->d.stride;
    int64_t blocks = 0;
    for (int32_t py = 0; py < stride; py++)
        for (int32_t px = 0; px < stride; px++)
            blocks += ((b->rows - py + stride - 1) / stride + 1) / 2 *
                      ofa_blocks((p->d.width - px + stride - 1) / stride);
    return blocks * ((p->d.channels + LANES - 1) / LANES);
}

/// Fills the padded planes of one chunk: the output gradient in `dy`, the input in `xs`.
INLINE void fill_planes(const gradient_pass *p, const gradient_band *b, int32_t c, M m, V scale,
                        V shift) {
    const ofa_depthwise d = p->d;
    const ofa_upstream *u = p->u;
    const int32_t dy_rows = (b->rows + d.stride - 1) / d.stride + 2 * p->plan.halo;
    const int64_t at = b->image * p->out_image + c;
    V a = splat(1), e = splat(0), f = splat(0);
    if (u->norm.a) {
        a = load_part(u->norm.a + c, m);
        e = load_part(u->norm.b + c, m);
        f = load_part(u->norm.c + c, m);
    }
    const upstream_chunk chunk = load_upstream(u, b->image, d.channels, c, m);
    WITH_UPSTREAM(u, {
        fill_gradient(map_from(u->d, at).values, map_from(u->y, at).values, &chunk, d.out_height,
                      d.out_width, d.channels, m, a, e, f, b->first, dy_rows, -p->plan.halo,
                      p->plan.dy_columns, KIND, ACT, HALF, HALF_D, p->dy);
    })
    const int32_t k = d.kernel, pad = k / 2;
    const ofa_map x = map_from(p->x, b->image * p->in_image + c);
    WITH_ACTIVATION(p->activation, {
        WITH_FORMAT(x.format, HALF, {
            fill_affine(x.values, HALF, d.height, d.width, d.channels, m, scale, shift, ACT,
                        b->top - pad, b->rows + k - 1, k, -pad, p->plan.x_columns, p->xs);
        })
    })
}

/// Adds one chunk of a band to the filter's gradient.
INLINE void sum_chunk_filter(const gradient_pass *p, const gradient_band *b, int32_t c) {
    const ofa_gradient_plan *plan = &p->plan;
    const int32_t k = p->d.kernel, stride = p->d.stride;
    const filter_rows rows = {
        p->dy + ((int64_t)(b->own - b->first) * plan->dy_columns + plan->halo) * LANES,
        p->xs + (int64_t)(b->own * stride - b->top) * plan->x_columns * LANES,
        (int64_t)plan->dy_columns * LANES,
        (int64_t)plan->x_columns * LANES,
        b->end - b->own,
        p->d.out_width,
        b->own * stride - k / 2,
        p->d.height,
        stride};
    sum_filters(&rows, k, ofa_narrow(p->d), p->total + (int64_t)(c / LANES) * k * k * LANES);
}

/// Writes one chunk's input gradients at the positions of parity (py, px) into the scratch of the
/// band. Unless `sums` is null, adds the sums of these gradients to the call's `sums`.
INLINE void write_parity(const gradient_pass *p, const gradient_band *b, int32_t c, int32_t py,
                         int32_t px, chunk_gradients *outputs, ofa_ahead *ahead, int32_t lines) {
    const int32_t k = p->d.kernel, stride = p->d.stride, channels = p->d.channels;
    const gradient_plane plane = {p->plan.dy_columns,
                                  p->packed + (int64_t)(c / LANES) * k * k * LANES, k, stride,
                                  ofa_narrow(p->d)};
    int32_t y0, x0;
    tap_rows pair = parity_taps(&plane, py, px, &y0, &x0, p->chosen);
    const int32_t down = pair.to, a0 = b->top / stride;  // bands start on multiples of the stride
    const int32_t tall = (b->rows - py + stride - 1) / stride,
                  width = (p->d.width - px + stride - 1) / stride, blocks = ofa_blocks(width);
    const float *from = p->dy + ((int64_t)(a0 + y0 - b->first) * p->plan.dy_columns +
                                 (plane.narrow ? 0 : x0) + p->plan.halo) *
                                    LANES;
    for (int32_t r = 0, summed = 0; r < tall; r += 2) {
        const int32_t high = tall - r < 2 ? 1 : 2;
        skip_rows_outside(&pair, a0 + r + y0, high, p->d.out_height, down);
        summed += width * high;
        for (int32_t block = 0; block < blocks; block++) {
            const int32_t o = width * block / blocks, wide = width * (block + 1) / blocks - o;
            V acc[2 * OFA_BLOCK];
            fetch_ahead(ahead, lines);
            pair.plane = from + ((int64_t)r * p->plan.dy_columns + o) * LANES;
            sum_rows(&pair, wide, acc);
            if (p->has_map)
                WITH_ACTIVATION(p->activation, {
                    WITH_FORMAT(outputs->x.format, HALF, {
                        write_gradients(acc, r, high, o, wide, py, px, 1, ACT, HALF, outputs);
                    })
                })
            else
                write_gradients(acc, r, high, o, wide, py, px, 0, OFA_ACT_IDENTITY, 0, outputs);
        }
        if (!p->sums || (summed < SUM_OUTPUTS && r + 2 < tall)) continue;
        add_to(p->sums + c, outputs->s, channels - c);
        add_to(p->sums + channels + c, outputs->q, channels - c);
        outputs->s = outputs->q = splat(0);
        summed = 0;
    }
}

static void depthwise_gradient(ofa_depthwise d, const ofa_upstream *u, ofa_map x, ofa_affine map,
                               const float *filter, ofa_map add, ofa_target dx,
                               const float *center, double *sums, float *dfilter, float *scratch) {
    const int32_t taps = d.kernel * d.kernel, channels = d.channels;
    const gradient_pass p = pass_of(d, u, x, map, add, center, sums, scratch);
    pack_filter(filter, 0, taps, channels, p.packed);
    memset(p.total, 0, sizeof(float) * (size_t)ofa_packed_floats(d, LANES));
    for (int32_t n = 0; n < d.images; n++)
        for (int32_t top = 0; top < d.height; top += p.plan.band) {
            const gradient_band b = band_of(&p, n, top);
            ofa_ahead ahead = ahead_of(&p, &b);
            const int32_t lines = lines_a_tile(&ahead, blocks_of(&p, &b));
            const int64_t start = n * p.in_image + top * p.in_row;
            FOR_CHUNKS(channels) {
                V scale = map.scale ? load_part(map.scale + c, m) : splat(1);
                V shift = map.scale ? load_part(map.shift + c, m) : splat(0);
                fill_planes(&p, &b, c, m, scale, shift);
                sum_chunk_filter(&p, &b, c);
                chunk_gradients outputs = {map_from(x, start + c),
                                           map_from(add, start + c),
                                           p.band + c,
                                           scale,
                                           shift,
                                           sums ? load_part(center + c, m) : splat(0),
                                           splat(0),
                                           splat(0),
                                           m,
                                           channels,
                                           d.width,
                                           d.stride};
                for (int32_t py = 0; py < d.stride; py++)
                    for (int32_t px = 0; px < d.stride; px++)
                        write_parity(&p, &b, c, py, px, &outputs, &ahead, lines);
            }
            write_out(p.band, b.rows * p.in_row, d.images * p.in_image, target_from(dx, start));
        }
    FOR_CHUNKS(channels) for (int32_t t = 0; t < taps; t++) {
        float *at = dfilter + (int64_t)t * channels + c;
        store_part(at, load_part(at, m) + load(p.total + ((int64_t)(c / LANES) * taps + t) * LANES),
                   m);
    }
}
