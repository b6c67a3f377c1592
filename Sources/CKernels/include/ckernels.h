// The engine's hot loops: one table of functions for each instruction set. The table is chosen at
// run time.
//
// Feature maps are in NHWC order: (rows, channels) with rows = images * height * width and channels
// contiguous. Their values are float32; maps that are passed as `ofa_map` or `ofa_target` may have
// bfloat16 values instead. All arithmetic is in float32: a 16-bit value is widened when it is read,
// which is exact, and rounded to the nearest value (ties to even; NaN stays NaN) when it is
// written. Sums are taken of the values before they are rounded. No function allocates; the caller
// lends all scratch. Most sums that are returned in double are kept in float for at most a few
// hundred rows and then added to the double, so that large batches do not lose accuracy. Loops on
// eight-bit codes are in codes.h.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { OFA_ACT_IDENTITY = 0, OFA_ACT_RELU = 1, OFA_ACT_RELU6 = 2, OFA_ACT_HSWISH = 3 };
enum { OFA_FLOAT32 = 0, OFA_BFLOAT16 = 1 };

/// Values of a feature map that are read: floats or, if `format` is OFA_BFLOAT16, the upper halves
/// of floats. A null `values` is no map.
typedef struct {
    const void *values;
    int32_t format;  // OFA_FLOAT32 or OFA_BFLOAT16
} ofa_map;

/// Values of a feature map that are written, in one of the formats of `ofa_map`.
typedef struct {
    void *values;
    int32_t format;
} ofa_target;

/// Per-channel map followed by an activation: act(x * scale + shift). If `scale` is null, the map
/// is the identity and no activation follows.
typedef struct {
    const float *scale, *shift;  // (C) each
    int32_t activation;  // OFA_ACT_*
} ofa_affine;

/// The gradient at a batch norm's input y, as a function for each channel: dy = a * g + b * y + c,
/// where g is the gradient at the norm's output.
typedef struct {
    const float *a, *b, *c;  // (C) each
} ofa_norm_gradient;

/// The gradient that arrives at a convolution's output y, through gate, activation and batch norm:
///   g  = (d * gate + mean_gradient) * act'(y * scale + shift)
///   dy = a * g + b * y + c
/// d and y are (rows, C); if d is bfloat16, so is y. gate and mean_gradient are (images, C). A null
/// d reads as 0, a null gate as 1, a null mean_gradient as 0. If `map.scale` is null, there is no
/// activation; if `norm.a` is null, dy = g.
typedef struct {
    ofa_map d, y;
    const float *gate, *mean_gradient;
    ofa_affine map;
    ofa_norm_gradient norm;
} ofa_upstream;

/// Geometry of a depthwise convolution, or of a maximum over windows, with padding kernel / 2 over
/// `images` images.
typedef struct {
    int32_t images, height, width, channels;  // of the input
    int32_t out_height, out_width, kernel, stride;
} ofa_depthwise;

/// What a row of outputs of a dense convolution reads from a zero-padded map: one row for each of
/// the `count` filter rows; these rows lie `distance` floats apart. In each row, an output reads
/// `depth` floats (kernel * inputs), which begin `step` floats (stride * inputs) after those of the
/// preceding output.
typedef struct {
    int32_t count, depth;
    int64_t distance, step;
} ofa_filter_rows;

/// The beginning of an inverted residual block, with packed weights and folded norms:
///   y = act(depthwise(act(x · expand + expand_shift)) + shift)
/// `d` has the geometry of one image of the depthwise convolution. If `inputs` is 0, there is no
/// expansion: the depthwise convolution reads x itself, which then has d.channels channels.
typedef struct {
    ofa_depthwise d;
    int32_t inputs;             // channels of x
    int32_t activation;         // OFA_ACT_* of both convolutions
    const float *expand;        // (inputs, C), packed by `pack`
    const float *expand_shift;  // (C)
    const float *filter;        // (kernel * kernel, C), packed by `pack_filter`
    const float *shift;         // (C)
} ofa_expansion;

/// One image of a training batch, as a crop of a source image.
typedef struct {
    int32_t index;         // image number in the source array
    float top, left;       // source coordinates of the output's first pixel centre
    float step_y, step_x;  // source pixels per output pixel; step_x < 0 mirrors
} ofa_crop;

/// The epilogue of a convolution. It is applied to each output value in registers, in the order
/// below. A step whose field is null is skipped.
///   base      value += base, the sum over earlier taps; only for `product`
///   shift     value = act(value + shift), for a batch norm whose scale is folded into the weights
///   residual  value += residual; only for `product`
///   sums      sums += sum(value - center), sum((value - center)^2)
///   mean      mean = the mean over each image's pixels; only for `depthwise`, not with sums
typedef struct {
    const float *base;      // (rows, C), laid out as the output
    const float *shift;     // (C)
    int32_t activation;     // OFA_ACT_*; read with shift
    const float *residual;  // (rows, C), laid out as the output
    const float *center;    // (C); read with sums
    double *sums;           // (2, C)
    float *mean;            // (images, C)
} ofa_end;

/// The two inputs of a `sum_activated`, for `sum_activated_gradient`. For each input whose `raw` is
/// not null: sums += sum(g), sum(g * (raw - center)), where g is the gradient of both inputs.
typedef struct {
    const float *raw[2];     // (rows, C)
    const float *center[2];  // (C)
    double *sums[2];         // (2, C)
} ofa_sum_sides;

/// A thread that writes more floats than this in one pass of a convolution computes in scratch and
/// copies with streaming stores (`write_out`). Smaller outputs are stored directly, but input
/// gradients are always computed in scratch first.
enum { OFA_STREAM_FLOATS = 1024 * 1024 };
enum { OFA_AHEAD = 4 };  // the most arrays that an `ofa_ahead` lists

/// The arrays that the next block of rows reads, in units of four bytes. Products and depthwise
/// passes prefetch these arrays while they compute. Each of the remaining `calls` calls prefetches
/// an equal share.
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
    void (*affine)(ofa_map y, int32_t images, int32_t pixels, int32_t channels, ofa_affine map,
                   const float *gate, ofa_map residual, float *out);

    /// out(images, C) = mean over pixels of act(y * scale + shift).
    void (*mean)(ofa_map y, int32_t images, int32_t pixels, int32_t channels, ofa_affine map,
                 float *out);

    /// sums += sum(g), sum(g * (y - center)) with g of `upstream`.
    void (*gradient_sums)(const ofa_upstream *upstream, int32_t images, int32_t pixels,
                          int32_t channels, const float *center, double *sums);

    /// Adds five sums over each image's pixels to (images, C) arrays that lie `part` floats apart,
    /// with z = y * scale + shift:
    ///   0: d * act(z)    1: d * act'(z)    2: d * act'(z) * (y - center)
    ///   3: act'(z)       4: act'(z) * (y - center)
    /// Array 0 is the gradient of a gate on act(z); `ofa_gate_totals` computes the result of
    /// `gradient_sums` from the other four without another pass over the map.
    void (*gate_sums)(const float *d, ofa_map y, int32_t images, int32_t pixels, int32_t channels,
                      ofa_affine map, const float *center, float *out, int64_t part);

    /// out = dy of `upstream`; out may be the same memory as an `upstream->d` of floats.
    void (*norm_gradient)(const ofa_upstream *upstream, int32_t images, int32_t pixels,
                          int32_t channels, float *out);

    /// y = depthwise(act(x * scale + shift), filter), then `end`; filter is (kernel * kernel, C),
    /// times `factor` (C) unless that is null. `scratch` holds ofa_depthwise_scratch floats.
    void (*depthwise)(ofa_depthwise d, ofa_map x, ofa_affine map, const float *filter,
                      const float *factor, ofa_target y, const ofa_end *end, float *scratch);

    /// Both gradients of `depthwise` from the upstream's dy:
    ///   dfilter (kernel * kernel, C) += filter gradient
    ///   dx = (input gradient + add) * act'(x * scale + shift)
    ///   sums += sum(dx), sum(dx * (x - center)), unless `sums` is null
    /// `add`, laid out as x, is the gradient that reaches the input by another path; null reads
    /// as 0.
    void (*depthwise_gradient)(ofa_depthwise d, const ofa_upstream *upstream, ofa_map x,
                               ofa_affine map, const float *filter, ofa_map add, ofa_target dx,
                               const float *center, double *sums, float *dfilter, float *scratch);

    /// out = the maximum of act(x * scale + shift) over windows of d.kernel x d.kernel pixels;
    /// pixels outside the map are skipped. A window that contains NaN gives NaN.
    void (*max_pool)(ofa_depthwise d, const float *x, ofa_affine map, float *out);

    /// dx = the gradient of `max_pool` at act(x * scale + shift), given `dout`: each output's
    /// gradient goes to the first maximum of its window in row-major order (to the last NaN, if
    /// the window contains any).
    void (*max_pool_gradient)(ofa_depthwise d, const float *x, ofa_affine map, const float *dout,
                              float *dx);

    /// out = the mean of act(x * scale + shift) over adjacent windows of size x size pixels; a
    /// window that crosses the border averages only the pixels inside the map. out is (images,
    /// ceil(height / size), ceil(width / size), channels).
    void (*mean_pool)(const float *x, int32_t images, int32_t height, int32_t width,
                      int32_t channels, int32_t size, ofa_affine map, float *out);

    /// dx = the gradient of `mean_pool` at act(x * scale + shift), or dx += that gradient if
    /// `accumulate` is not 0.
    void (*mean_pool_gradient)(const float *dout, int32_t images, int32_t height, int32_t width,
                               int32_t channels, int32_t size, int32_t accumulate, float *dx);

    /// out = act(a' + b'), where a' is a after `a_map` with its activation, and b' is b after
    /// `b_map`.
    void (*sum_activated)(const float *a, ofa_affine a_map, const float *b, ofa_affine b_map,
                          int64_t rows, int32_t channels, int32_t activation, float *out);

    /// g = d * act'(out), for the activations whose slope follows from their output: identity, relu
    /// and relu6. Adds to the sums of `sides`. g may be d.
    void (*sum_activated_gradient)(const float *d, const float *out, int32_t activation,
                                   const ofa_sum_sides *sides, int64_t rows, int32_t channels,
                                   float *g);

    /// Returns the number of floats in a packed matrix of `depth` x `columns`.
    int64_t (*packed_floats)(int32_t depth, int32_t columns);

    /// Packs the matrix with elements (k, j) = w[k * depth_stride + j * column_stride] * factor[j]
    /// for `product`; a null factor reads as 1. Packs only the panels whose first column lies in
    /// first ..< end, so that threads can share the work.
    void (*pack)(const float *w, int64_t depth_stride, int64_t column_stride, int32_t depth,
                 int32_t columns, const float *factor /*(columns)*/, int32_t first, int32_t end,
                 float *packed);

    /// c (rows, columns) = a (rows, depth) · packed, then the epilogue `end`, whose residual or
    /// base may be the same memory as c. Prefetches this call's share of the arrays of `ahead`,
    /// unless `ahead` is null.
    void (*product)(const float *a, int64_t a_row, int32_t rows, int32_t depth, const float *packed,
                    int32_t columns, float *c, int64_t c_row, const ofa_end *end, ofa_ahead *ahead);

    /// Returns the end of the panel of a packed matrix that starts at column `first`. A range of
    /// whole panels, which begins depth * first floats into the packed matrix, is a packed matrix.
    int32_t (*panel_end)(int32_t columns, int32_t first);

    /// y (columns) = act(x (depth) · packed + shift); a null shift reads as 0.
    void (*gemv)(const float *x, int32_t depth, const float *packed, int32_t columns,
                 const float *shift, int32_t activation, float *y);

    /// c (pixels, columns) = `pixels` outputs of a row of a dense convolution, then the epilogue
    /// `end`, without sums and base. x is the first of the floats that the first output reads;
    /// `packed` is the matrix (from->count * from->depth, columns).
    void (*convolve)(const float *x, const ofa_filter_rows *from, int32_t pixels,
                     const float *packed, int32_t columns, float *c, const ofa_end *end);

    /// Returns the number of floats in a packed filter of (taps, channels).
    int64_t (*packed_filter_floats)(int32_t taps, int32_t channels);

    /// Packs filter (taps, channels), times `factor` (channels) unless that is null.
    void (*pack_filter)(const float *filter, const float *factor, int32_t taps, int32_t channels,
                        float *packed);

    /// Computes rows `top` ..< `bottom` of y, an image of `block`, for the channels `first` ..<
    /// `end`, which are whole panels of a matrix of d.channels columns. `x` and `y` are whole
    /// images. Unless `mean` is null, mean (C) = the sum over these rows' outputs, divided by the
    /// number of pixels of the whole image. `scratch` holds ofa_expansion_scratch floats.
    void (*expand_depthwise)(const ofa_expansion *block, const float *x, int32_t top,
                             int32_t bottom, int32_t first, int32_t end, float *y, float *mean,
                             float *scratch);

    /// c (m, n) += aᵀ · b with a (rows, m) and b (rows, n). `ahead` may be null.
    void (*outer_product)(const float *a, int64_t a_row, int32_t m, const float *b, int64_t b_row,
                          int32_t n, int32_t rows, float *c, int64_t c_row, ofa_ahead *ahead);

    /// Returns the number of floats of scratch that `sparse_product` needs.
    int64_t (*sparse_scratch)(int32_t rows, int32_t depth);

    /// c (rows, columns) = act(a (rows, depth) · w (depth, columns) + shift) for an `a` with many
    /// zeros. Zeros are skipped, so a zero times an infinite weight counts as 0.
    void (*sparse_product)(const float *a, int64_t a_row, int32_t rows, int32_t depth,
                           const float *w, int32_t columns, const float *shift, int32_t activation,
                           float *c, int64_t c_row, float *scratch);

    /// c (columns) = act(shift + sum of `count` listed rows of w (any, columns)). The result
    /// equals, up to rounding, that of `sparse_product` for a row of `a` that has 1 at the listed
    /// places and 0 elsewhere. A row of w that is listed twice counts twice.
    void (*sum_listed)(const float *w, int32_t columns, const int32_t *rows, int32_t count,
                       const float *shift, int32_t activation, float *c);

    /// to = max(to, from + value) for n floats.
    void (*max_plus)(const float *from, float value, int64_t n, float *to);

    /// Writes n floats of a result from scratch to `to`. `all` is the number of values that the
    /// thread writes in this pass: above OFA_STREAM_FLOATS, the vector kernels use streaming
    /// stores, which evict nothing from the caches and do not read the lines that they overwrite.
    void (*write_out)(const float *from, int64_t n, int64_t all, ofa_target to);

    /// Returns 1 if all n floats are finite, else 0.
    int32_t (*all_finite)(const float *x, int64_t n);

    /// Returns the sum of the squares of n floats in double; the sum is finite exactly if all n
    /// floats are.
    double (*sum_squares)(const float *x, int64_t n);

    /// Takes one SGD step with Nesterov momentum on n values, and sets the gradient g to zero:
    ///   v  = momentum * v + (g + decay * w)
    ///   w -= rate * (g + decay * w + momentum * v)
    void (*sgd)(float *w, float *v, float *gradient, int64_t n, float rate, float momentum,
                float decay);

    /// Runs `rounds` rounds of multiply-adds on values that stay in registers, to measure the peak
    /// rate. Sets *result to the sum of all values, each of which tends to 1. Returns the number of
    /// values, which is the number of multiply-adds of a round.
    int64_t (*multiply_adds)(int64_t rounds, float *result);

    /// Returns the sum of n floats in float; it takes no longer than to read them, which measures
    /// the bandwidth of the memory where they are.
    float (*sum_floats)(const float *x, int64_t n);
} ofa_kernels;

/// Products of bfloat16 values with sums in float, on processors that have instructions for these.
/// Values come in pairs, which the two factors of a sum share: a pair takes the memory of a float,
/// the first value its lower half. The exact products of the rounded values are added in an order
/// that the processor determines.
typedef struct {
    const char *name;

    /// Rounds, in place, a matrix that `pack` of the kernels of the same name has packed, and pairs
    /// rows 2k and 2k + 1 of this matrix. Handles the panels that `pack` handles for first ..< end.
    /// `depth` is even.
    void (*pair_matrix)(float *packed, int32_t depth, int32_t columns, int32_t first, int32_t end);

    /// Rounds a block of rows (rows, channels). `across` (rows, channels / 2) gets pairs of
    /// channels 2c and 2c + 1; `down` ((rows + 1) / 2, channels) gets pairs of rows 2r and 2r + 1,
    /// where a missing last row counts as zeros. Either may be null. `channels` is even.
    void (*pair_rows)(const float *from, int32_t rows, int32_t channels, float *across,
                      float *down);

    /// As `product` of ofa_kernels, with `a` paired across and `packed` paired; `depth` and `a_row`
    /// count pairs. The epilogue has neither base nor shift.
    void (*product)(const float *a, int64_t a_row, int32_t rows, int32_t depth, const float *packed,
                    int32_t columns, float *c, int64_t c_row, const ofa_end *end, ofa_ahead *ahead);

    /// As `outer_product` of ofa_kernels, with `a` and `b` paired down; `rows` counts pairs.
    void (*outer_product)(const float *a, int64_t a_row, int32_t m, const float *b, int64_t b_row,
                          int32_t n, int32_t rows, float *c, int64_t c_row, ofa_ahead *ahead);
} ofa_pairs;

/// Returns the products of pairs that go with the kernels called `name`, or null if this build or
/// this processor has none: "scalar" and, with AVX-512 BF16, "avx512".
const ofa_pairs *ofa_pairs_named(const char *name);

/// Returns the number of floats of scratch that a depthwise pass over `d` needs on one thread; the
/// number suffices for every instruction set.
int64_t ofa_depthwise_scratch(ofa_depthwise d);

/// Returns the number of floats of scratch that `expand_depthwise` needs; the number suffices for
/// every instruction set.
int64_t ofa_expansion_scratch(ofa_depthwise d);

/// The numbers of bands into which depthwise passes cut an image: bands of output rows in the
/// forward pass, bands of input rows in the gradient pass.
typedef struct {
    int32_t forward, gradient;
} ofa_bands;
ofa_bands ofa_depthwise_bands(ofa_depthwise d);

/// Returns the table called `name` ("scalar", "vector4", "avx2", "avx512"), or null if this build
/// lacks the table or this processor cannot run it.
const ofa_kernels *ofa_kernels_named(const char *name);

/// Returns the table with the widest vectors that this processor can run.
const ofa_kernels *ofa_kernels_best(void);

/// Writes the patches (im2col) of `rows` output rows of one image, from output row `row` on. out is
/// (rows * out_width, kernel * kernel * channels) in the order (ky, kx, channel); zero outside the
/// image.
void ofa_patches(const float *x /*(H, W, C)*/, int32_t height, int32_t width, int32_t channels,
                 int32_t kernel, int32_t stride, int32_t row, int32_t rows, int32_t out_width,
                 float *out);

/// Sets `out` (rows, columns, channels): its pixel (r, i) is the map's pixel (top + r * step, left
/// + i * step), or zero outside the map. `x` begins with the map's row `first`.
void ofa_shifted(const float *x, int32_t first, int32_t height, int32_t width, int32_t channels,
                 int32_t top, int32_t left, int32_t step, int32_t rows, int32_t columns,
                 float *out);

/// Inverts `ofa_shifted`: sets the map's pixel (top + r * step, left + i * step) to pixel (r, i) of
/// `from`. All of these pixels must lie inside the map; `map` points to row 0.
void ofa_unshifted(const float *from, int32_t width, int32_t channels, int32_t top, int32_t left,
                    int32_t step, int32_t rows, int32_t columns, float *map);

/// Adds the sums of `gradient_sums` over all images to `sums`, computed from the arrays `parts` of
/// `gate_sums`:
///   sums[0, c] += gate * parts[1] + mean_gradient * parts[3]
///   sums[1, c] += gate * parts[2] + mean_gradient * parts[4]
void ofa_gate_totals(const float *parts, const float *gate /*(images, C)*/,
                     const float *mean_gradient /*(images, C)*/, int32_t images, int32_t channels,
                     int64_t part, double *sums);

/// Gathers `count` crops of uint8 images (H, W, C) with bilinear interpolation. Bytes outside the
/// image are 0. Each value becomes value * scale + offset. out is (count, size, size, C). Tests
/// compare `ofa_views` with this function.
void ofa_crops(const uint8_t *images, int32_t height, int32_t width, int32_t channels,
               const ofa_crop *crops, int32_t count, int32_t size, const float *scale /*(C)*/,
               const float *offset /*(C)*/, float *out);

#ifdef __cplusplus
}
#endif
