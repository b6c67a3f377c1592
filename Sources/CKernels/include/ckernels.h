// The engine's hot loops: one table of functions for each instruction set, chosen at run time.
//
// Layout everywhere: float32, NHWC, rows = images * height * width, channels innermost and
// contiguous. No function allocates; all scratch is lent by the caller. Sums over rows are kept in
// float for at most one block of rows or one band of an image and then added to double, so that
// large batches lose no accuracy.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { OFA_ACT_IDENTITY = 0, OFA_ACT_RELU = 1, OFA_ACT_RELU6 = 2, OFA_ACT_HSWISH = 3 };

/// Per-channel map followed by an activation: act(x * scale + shift). A null `scale` is the
/// identity.
typedef struct {
    const float *scale;  // (C)
    const float *shift;  // (C)
    int32_t activation;  // OFA_ACT_*
} ofa_affine;

/// The gradient of a batch norm's input as a per-channel map: dy = a * g + b * y + c.
typedef struct {
    const float *a;  // (C)
    const float *b;  // (C)
    const float *c;  // (C)
} ofa_norm_gradient;

/// The gradient that arrives at a convolution's output y, through gate, activation and batch norm:
///   g  = (d * gate + spread) * act'(y * scale + shift)
///   dy = a * g + b * y + c
/// d and y are (rows, C); gate and spread are (images, C). A null d reads as 0, a null gate as 1, a
/// null spread as 0, a null `map.scale` as no activation, a null `norm.a` as dy = g.
typedef struct {
    const float *d, *y, *gate, *spread;
    ofa_affine map;
    ofa_norm_gradient norm;
} ofa_upstream;

/// Geometry of a depthwise convolution, or of a maximum over windows, with padding kernel / 2 over
/// `images` images.
typedef struct {
    int32_t images, height, width, channels;  // of the input
    int32_t out_height, out_width;
    int32_t kernel, stride;
} ofa_depthwise;

/// One training image of a batch: the pixels of the source that it shows.
typedef struct {
    int32_t index;         // image number in the source array
    float top, left;       // source coordinates of the output's first pixel centre
    float step_y, step_x;  // source pixels per output pixel; step_x < 0 mirrors
} ofa_crop;

/// The epilogue of a convolution: applied to its output in registers, in this order. A null field
/// is skipped.
///   base      value += base: what the products before have summed; products only
///   shift     value = act(value + shift): a batch norm whose scale is folded into the weights
///   residual  value += residual; products only
///   sums      sums += sum(value - center), sum((value - center)^2)
///   mean      the mean over each image's pixels; depthwise only, and not together with sums
typedef struct {
    const float *base;      // (rows, C), laid out as the output
    const float *shift;     // (C)
    int32_t activation;     // OFA_ACT_*; read with shift
    const float *residual;  // (rows, C), laid out as the output
    const float *center;    // (C); read with sums
    double *sums;           // (2, C)
    float *mean;            // (images, C)
} ofa_end;

/// The two maps of a sum: for each whose raw values are not null, sums += sum(g), sum(g * (raw -
/// center)) of the gradient g that goes on to both.
typedef struct {
    const float *raw[2];     // (rows, C)
    const float *center[2];  // (C)
    double *sums[2];         // (2, C)
} ofa_sum_sides;

/// A thread that writes more floats than this in a pass uses streaming stores (`write_out`).
/// A smaller output of a convolution is stored in place; gradients always go through scratch.
enum { OFA_STREAM_FLOATS = 1024 * 1024 };

enum { OFA_AHEAD = 4 };  // the most arrays that a block of rows reads

/// The arrays that the next block of rows reads. Products prefetch them while they compute, an
/// equal share in each of the `calls` that are left.
typedef struct {
    const float *at[OFA_AHEAD];
    int64_t floats[OFA_AHEAD];
    int32_t calls;
} ofa_ahead;

typedef struct {
    const char *name;
    int32_t lanes;

    /// out = act(y * scale + shift) * gate + residual; `gate` is (images, C) or null, `residual`
    /// (rows, C) or null.
    void (*affine)(const float *y, int32_t images, int32_t pixels, int32_t channels, ofa_affine map,
                   const float *gate, const float *residual, float *out);

    /// out(images, C) = mean over pixels of act(y * scale + shift).
    void (*mean)(const float *y, int32_t images, int32_t pixels, int32_t channels, ofa_affine map,
                 float *out);

    /// sums += sum(g), sum(g * (y - center)) with the upstream's g.
    void (*gradient_sums)(const ofa_upstream *upstream, int32_t images, int32_t pixels,
                          int32_t channels, const float *center, double *sums);

    /// Adds five sums over each image's pixels to (images, C) arrays that lie `part` floats apart,
    /// with z = y * scale + shift:
    ///   0: d * act(z)    1: d * act'(z)    2: d * act'(z) * (y - center)
    ///   3: act'(z)       4: act'(z) * (y - center)
    /// The first is the gradient of a gate on act(z); `ofa_gate_totals` makes the result of
    /// `gradient_sums` from the others without another pass over the map.
    void (*gate_sums)(const float *d, const float *y, int32_t images, int32_t pixels,
                      int32_t channels, ofa_affine map, const float *center, float *out,
                      int64_t part);

    /// out = dy of the upstream; out may be its d.
    void (*norm_gradient)(const ofa_upstream *upstream, int32_t images, int32_t pixels,
                          int32_t channels, float *out);

    /// y = depthwise(act(x * scale + shift), filter), then `end`; filter is (kernel * kernel, C),
    /// times `factor` (C) if given. `scratch` holds ofa_depthwise_scratch floats.
    void (*depthwise)(ofa_depthwise d, const float *x, ofa_affine map, const float *filter,
                      const float *factor, float *y, const ofa_end *end, float *scratch);

    /// Both gradients of `depthwise` from the upstream's dy:
    ///   dfilter (kernel * kernel, C) += ...
    ///   dx = (input gradient + add) * act'(x * scale + shift)
    ///   sums += sum(dx), sum(dx * (x - center)), unless null
    /// `add`, laid out as x, is the gradient that reaches the input by another path; null reads
    /// as 0.
    void (*depthwise_gradient)(ofa_depthwise d, const ofa_upstream *upstream, const float *x,
                               ofa_affine map, const float *filter, const float *add, float *dx,
                               const float *center, double *sums, float *dfilter, float *scratch);

    /// out = the maximum of act(x * scale + shift) over windows of d.kernel x d.kernel pixels,
    /// those outside the map left out. NaN is a maximum.
    void (*max_pool)(ofa_depthwise d, const float *x, ofa_affine map, float *out);

    /// dx = the gradient of `max_pool` at act(x * scale + shift), given `dout`: each output's goes
    /// to the first maximum of its window in row-major order.
    void (*max_pool_gradient)(ofa_depthwise d, const float *x, ofa_affine map, const float *dout,
                              float *dx);

    /// out = the mean of act(x * scale + shift) over windows of size x size pixels, one after the
    /// other; a window over the border has the pixels inside only. out is (images, ceil(height /
    /// size), ceil(width / size), channels).
    void (*mean_pool)(const float *x, int32_t images, int32_t height, int32_t width,
                      int32_t channels, int32_t size, ofa_affine map, float *out);

    /// dx = the gradient of `mean_pool` at act(x * scale + shift), or dx += it with `accumulate`.
    void (*mean_pool_gradient)(const float *dout, int32_t images, int32_t height, int32_t width,
                               int32_t channels, int32_t size, int32_t accumulate, float *dx);

    /// out = act(a' + b') with a' = a's map applied to a and b' likewise; maps' activations too.
    void (*sum_activated)(const float *a, ofa_affine a_map, const float *b, ofa_affine b_map,
                          int64_t rows, int32_t channels, int32_t activation, float *out);

    /// g = d * act'(out), for activations whose slope their value tells: identity, relu and relu6.
    /// Takes the sums of `sides`. g may be d.
    void (*sum_activated_gradient)(const float *d, const float *out, int32_t activation,
                                   const ofa_sum_sides *sides, int64_t rows, int32_t channels,
                                   float *g);

    /// Floats of a packed matrix of `depth` x `columns`.
    int64_t (*packed_floats)(int32_t depth, int32_t columns);

    /// Packs the matrix with elements (k, j) = w[k * depth_stride + j * column_stride] * factor[j]
    /// for `product`; a null factor reads as 1. Packs only the panels whose first column lies in
    /// first ..< end, so that threads can share the work.
    void (*pack)(const float *w, int64_t depth_stride, int64_t column_stride, int32_t depth,
                 int32_t columns, const float *factor /*(columns)*/, int32_t first, int32_t end,
                 float *packed);

    /// c (rows, columns) = a (rows, depth) · packed, then `end`. c may be the residual of `end`;
    /// `ahead` may be null.
    void (*product)(const float *a, int64_t a_row, int32_t rows, int32_t depth, const float *packed,
                    int32_t columns, float *c, int64_t c_row, const ofa_end *end, ofa_ahead *ahead);

    /// c (m, n) += aᵀ · b with a (rows, m) and b (rows, n). `ahead` may be null.
    void (*outer_product)(const float *a, int64_t a_row, int32_t m, const float *b, int64_t b_row,
                          int32_t n, int32_t rows, float *c, int64_t c_row, ofa_ahead *ahead);

    /// Floats of scratch that `sparse_product` needs.
    int64_t (*sparse_scratch)(int32_t rows, int32_t depth);

    /// c (rows, columns) = act(a (rows, depth) · w (depth, columns) + shift) for an `a` with many
    /// zeros, which are skipped: also a zero times an infinite weight counts as 0.
    void (*sparse_product)(const float *a, int64_t a_row, int32_t rows, int32_t depth,
                           const float *w, int32_t columns, const float *shift, int32_t activation,
                           float *c, int64_t c_row, float *scratch);

    /// c (columns) = act(shift + sum of `count` listed rows of w (any, columns)): up to rounding
    /// the result of `sparse_product` for a row of zeros and ones. A row listed twice counts twice.
    void (*sum_listed)(const float *w, int32_t columns, const int32_t *rows, int32_t count,
                       const float *shift, int32_t activation, float *c);

    /// to = max(to, from + value) for n floats.
    void (*raise)(const float *from, float value, int64_t n, float *to);

    /// Copies n floats of a result from scratch to its place. `all` is the number of floats the
    /// thread writes in this pass: above OFA_STREAM_FLOATS streaming stores are used, which evict
    /// nothing from the caches and do not read the lines they overwrite.
    void (*write_out)(const float *from, int64_t n, int64_t all, float *to);

    /// 1 where all of n floats are finite, else 0.
    int32_t (*all_finite)(const float *x, int64_t n);

    /// The sum of the squares of n floats in double: finite exactly where all of them are.
    double (*sum_squares)(const float *x, int64_t n);

    /// One SGD step with Nesterov momentum on n values. The gradient g is set to zero afterwards:
    ///   v  = momentum * v + (g + decay * w)
    ///   w -= rate * (g + decay * w + momentum * v)
    void (*sgd)(float *w, float *v, float *gradient, int64_t n, float rate, float momentum,
                float decay);
} ofa_kernels;

/// Floats of scratch that a depthwise pass over `d` needs on one thread, for any instruction set.
int64_t ofa_depthwise_scratch(ofa_depthwise d);

/// How many bands of rows a depthwise pass over `d` cuts each image into: bands of output rows in
/// the forward pass, of input rows in the gradient.
typedef struct {
    int32_t forward, gradient;
} ofa_bands;
ofa_bands ofa_depthwise_bands(ofa_depthwise d);

/// The table called `name` ("scalar", "vector4", "avx2", "avx512"), or null if this build lacks it
/// or this processor cannot run it.
const ofa_kernels *ofa_kernels_named(const char *name);

/// The fastest table that this processor can run.
const ofa_kernels *ofa_kernels_best(void);

/// im2col: writes the patches of `rows` output rows of one image, from output row `row` on. out is
/// (rows * out_width, kernel * kernel * channels) in the order (ky, kx, channel); zero outside the
/// image.
void ofa_patches(const float *x /*(H, W, C)*/, int32_t height, int32_t width, int32_t channels,
                 int32_t kernel, int32_t stride, int32_t row, int32_t rows, int32_t out_width,
                 float *out);

/// out (rows, columns, channels): pixel (r, i) is the map's pixel (top + r * step, left + i *
/// step), zero outside its height x width. `x` begins with the map's row `first`.
void ofa_shifted(const float *x, int32_t first, int32_t height, int32_t width, int32_t channels,
                 int32_t top, int32_t left, int32_t step, int32_t rows, int32_t columns,
                 float *out);

/// The inverse for pixels inside the map: the map's pixel (top + r * step, left + i * step) =
/// from's (r, i). `map` begins with its row 0.
void ofa_spread_out(const float *from, int32_t width, int32_t channels, int32_t top, int32_t left,
                    int32_t step, int32_t rows, int32_t columns, float *map);

/// Adds over all images, from the five arrays of `gate_sums`, the sums that `gradient_sums` makes:
///   sums[0, c] += gate * five[1] + spread * five[3]
///   sums[1, c] += gate * five[2] + spread * five[4]
void ofa_gate_totals(const float *five, const float *gate /*(images, C)*/,
                     const float *spread /*(images, C)*/, int32_t images, int32_t channels,
                     int64_t part, double *sums);

/// Gathers `count` crops of uint8 images (H, W, C): bilinear, byte 0 outside the image, normalised
/// by value * scale + offset. out is (count, size, size, C). The oracle of `ofa_views`.
void ofa_crops(const uint8_t *images, int32_t height, int32_t width, int32_t channels,
               const ofa_crop *crops, int32_t count, int32_t size, const float *scale /*(C)*/,
               const float *offset /*(C)*/, float *out);

#ifdef __cplusplus
}
#endif
