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
/// g = (d * gate + spread) * act'(y * scale + shift), dy = a * g + b * y + c. d null reads as 0,
/// gate null as 1, spread null as 0, a null `map.scale` as no activation, a null `norm.a` as dy =
/// g. d and y are (rows, C), gate and spread (images, C).
typedef struct {
    const float *d, *y, *gate, *spread;
    ofa_affine map;
    ofa_norm_gradient norm;
} ofa_upstream;

/// Geometry of a depthwise convolution with padding kernel / 2 over `images` images.
typedef struct {
    int32_t images, height, width, channels;  // of the input
    int32_t out_height, out_width;
    int32_t kernel, stride;
} ofa_depthwise;

/// One training image's place in a batch: which pixels of the source it shows.
typedef struct {
    int32_t index;         // image number in the source array
    float top, left;       // source coordinates of the output's first pixel centre
    float step_y, step_x;  // source pixels per output pixel; step_x < 0 mirrors
} ofa_crop;

/// What is done to a convolution's output while it is in registers, in this order; all null does
/// nothing.
typedef struct {
    const float *shift;  // (C) or null: value = act(value + shift), a batch norm whose scale is in
                         // the weights
    int32_t activation;  // OFA_ACT_*, with shift
    const float
        *residual;  // (rows, C), laid out as the output, or null: value += residual; products only
    const float *center;  // (C), with sums
    double *sums;         // (2, C) or null: += sum(value - center), sum((value - center)^2)
    float *mean;  // (images, C) or null: the mean over each image's pixels; depthwise only, without
                  // sums
} ofa_end;

/// A thread's result of more floats than this goes past the caches (`write_out`). A convolution
/// makes a smaller one where it belongs; a gradient makes all of its results in scratch first.
enum { OFA_STREAM_FLOATS = 1024 * 1024 };

enum { OFA_AHEAD = 4 };  // how many arrays a block reads at most

/// What the next block of rows will read: products fetch it into the cache while they compute, a
/// share in each of the `calls` that are left.
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

    /// Five sums over each image's pixels, added to (images, C) arrays that lie `part` floats
    /// apart: d * act(z), d * act'(z), d * act'(z) * (y - center), act'(z), act'(z) * (y - center),
    /// where z = y * scale + shift. From them follow the gradient of a gate on act(z) and, once
    /// that is known, what `gradient_sums` would give.
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

    /// Both gradients of `depthwise`, with the upstream's dy. dfilter (kernel * kernel, C) += ...;
    /// dx = (input gradient + add) * act'(x * scale + shift), with sums += sum(dx), sum(dx * (x -
    /// center)) if given. `add`, the gradient that reaches the input another way, is laid out as x;
    /// null reads as 0.
    void (*depthwise_gradient)(ofa_depthwise d, const ofa_upstream *upstream, const float *x,
                               ofa_affine map, const float *filter, const float *add, float *dx,
                               const float *center, double *sums, float *dfilter, float *scratch);

    /// Floats that a packed matrix of `depth` x `columns` takes.
    int64_t (*packed_floats)(int32_t depth, int32_t columns);

    /// Packs the matrix whose element (k, j) is w[k * depth_stride + j * column_stride], columns
    /// times `factor` if given, for `product`; only the panels that start at a column in first ..<
    /// end, so that threads can share it.
    void (*pack)(const float *w, int64_t depth_stride, int64_t column_stride, int32_t depth,
                 int32_t columns, const float *factor /*(columns)*/, int32_t first, int32_t end,
                 float *packed);

    /// c (rows, columns) = a (rows, depth) · packed, then `end`; c may be end's residual. `ahead`
    /// may be null.
    void (*product)(const float *a, int64_t a_row, int32_t rows, int32_t depth, const float *packed,
                    int32_t columns, float *c, int64_t c_row, const ofa_end *end, ofa_ahead *ahead);

    /// c (m, n) += aᵀ · b with a (rows, m) and b (rows, n). `ahead` may be null.
    void (*outer_product)(const float *a, int64_t a_row, int32_t m, const float *b, int64_t b_row,
                          int32_t n, int32_t rows, float *c, int64_t c_row, ofa_ahead *ahead);

    /// Floats that `sparse_product` works in.
    int64_t (*sparse_scratch)(int32_t rows, int32_t depth);

    /// c (rows, columns) = act(a (rows, depth) · w (depth, columns) + shift), where many of a are
    /// zero: those are passed over, whatever they would be multiplied with.
    void (*sparse_product)(const float *a, int64_t a_row, int32_t rows, int32_t depth,
                           const float *w, int32_t columns, const float *shift, int32_t activation,
                           float *c, int64_t c_row, float *scratch);

    /// c (columns) = act(shift + the sum of `count` listed rows of w (…, columns)): up to rounding
    /// what `sparse_product` gives for a row of zeros and ones. A row counts as often as it is
    /// listed.
    void (*sum_listed)(const float *w, int32_t columns, const int32_t *rows, int32_t count,
                       const float *shift, int32_t activation, float *c);

    /// to = max(to, from + value) for n floats.
    void (*raise)(const float *from, float value, int64_t n, float *to);

    /// Copies n floats of a result that was made in scratch to where it belongs. `all` is how many
    /// floats the thread writes in this pass: many go past the caches, because they would only push
    /// out what is needed sooner, and memory need not read what is overwritten.
    void (*write_out)(const float *from, int64_t n, int64_t all, float *to);

    /// 1 where all of n floats are finite, else 0.
    int32_t (*all_finite)(const float *x, int64_t n);

    /// One SGD step with Nesterov momentum on n values; the gradient is the sum of `parts` arrays,
    /// which are set to zero: v = momentum * v + (g + decay * w); w -= rate * (g + decay * w +
    /// momentum * v).
    void (*sgd)(float *w, float *v, float *const *gradients, int32_t parts, int64_t n, float rate,
                float momentum, float decay);
} ofa_kernels;

/// Floats of scratch that a depthwise pass over `d` needs on one thread, for any instruction set.
int64_t ofa_depthwise_scratch(ofa_depthwise d);

/// How many bands of rows a depthwise pass over `d` cuts each image into: outputs forward, inputs
/// for the gradient.
typedef struct {
    int32_t forward, gradient;
} ofa_bands;
ofa_bands ofa_depthwise_bands(ofa_depthwise d);

/// The table called `name` ("scalar", "vector4", "avx2", "avx512"), or null where this build or
/// processor has none.
const ofa_kernels *ofa_kernels_named(const char *name);

/// The fastest table that this processor can run.
const ofa_kernels *ofa_kernels_best(void);

/// Writes the patches of `rows` output rows of one image: out is (rows * out_width, k * k *
/// channels), order (ky, kx, channel); zero outside the image. First output row: `row`.
void ofa_patches(const float *x /*(H, W, C)*/, int32_t height, int32_t width, int32_t channels,
                 int32_t kernel, int32_t stride, int32_t row, int32_t rows, int32_t out_width,
                 float *out);

/// sums (2, C) += over images of gate * five[1] + spread * five[3] and gate * five[2] + spread *
/// five[4], where five are the arrays of `gate_sums`.
void ofa_gate_totals(const float *five, const float *gate /*(images, C)*/,
                     const float *spread /*(images, C)*/, int32_t images, int32_t channels,
                     int64_t part, double *sums);

/// Gathers `count` crops of uint8 images (H, W, C), bilinear, byte 0 outside, mapped by value *
/// scale + offset; out is (count, size, size, C).
void ofa_crops(const uint8_t *images, int32_t height, int32_t width, int32_t channels,
               const ofa_crop *crops, int32_t count, int32_t size, const float *scale /*(C)*/,
               const float *offset /*(C)*/, float *out);

#ifdef __cplusplus
}
#endif
