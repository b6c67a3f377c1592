// The engine's hot loops: one table of functions for each instruction set, chosen at run time.
//
// Layout everywhere: float32, NHWC, rows = images * height * width, channels innermost and contiguous.
// No function allocates; all scratch is lent by the caller. Sums over rows are kept in float for at most
// one block of rows or one band of an image and then added to double, so that large batches lose no accuracy.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { OFA_ACT_IDENTITY = 0, OFA_ACT_RELU = 1, OFA_ACT_RELU6 = 2, OFA_ACT_HSWISH = 3 };

/// Per-channel map followed by an activation: act(x * scale + shift). A null `scale` is the identity.
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

/// Geometry of a depthwise convolution with padding kernel / 2 over `images` images.
typedef struct {
    int32_t images, height, width, channels;  // of the input
    int32_t out_height, out_width;
    int32_t kernel, stride;
} ofa_depthwise;

/// One training image's place in a batch: which pixels of the source it shows.
typedef struct {
    int32_t index;                      // image number in the source array
    float top, left;                    // source coordinates of the output's first pixel centre
    float step_y, step_x;               // source pixels per output pixel; step_x < 0 mirrors
} ofa_crop;

typedef struct {
    const char *name;
    int32_t lanes;

    /// sums[c] += sum(y - center), sums[C + c] += sum((y - center)^2) over `rows` rows.
    void (*moments)(const float *y /*(rows, C)*/, int64_t rows, int32_t channels,
                    const float *center /*(C)*/, double *sums /*(2, C)*/);

    /// out = act(y * scale + shift) * gate + residual; `gate` is (images, C) or null, `residual` (rows, C) or null.
    void (*affine)(const float *y, int32_t images, int32_t pixels, int32_t channels, ofa_affine map,
                   const float *gate, const float *residual, float *out);

    /// out(images, C) = mean over pixels of act(y * scale + shift).
    void (*mean)(const float *y, int32_t images, int32_t pixels, int32_t channels, ofa_affine map, float *out);

    /// g = (d * gate + spread) * act'(y * scale + shift), with d null read as 0, gate null as 1, spread null as 0
    /// (gate and spread are (images, C)); g may be d. sums += sum(g), sum(g * (y - center)). sums may be null.
    void (*gradient)(const float *d, const float *y, int32_t images, int32_t pixels, int32_t channels,
                     ofa_affine map, const float *gate, const float *spread, const float *center,
                     float *g, double *sums);

    /// dgate(images, C) = sum over pixels of d * act(y * scale + shift).
    void (*gate_gradient)(const float *d, const float *y, int32_t images, int32_t pixels, int32_t channels,
                          ofa_affine map, float *dgate);

    /// out = a * g + b * y + c; out may be g.
    void (*norm_gradient)(const float *g, const float *y, int64_t rows, int32_t channels,
                          ofa_norm_gradient map, float *out);

    /// y = depthwise(act(x * scale + shift), filter); filter is (kernel * kernel, C).
    /// With sums: sums += sum(y - center), sum((y - center)^2). `scratch` holds ofa_depthwise_scratch floats.
    void (*depthwise)(ofa_depthwise d, const float *x, ofa_affine map, const float *filter, float *y,
                      const float *center, double *sums, float *scratch);

    /// Both gradients of `depthwise`. dy = a * g + b * y + c per channel; dfilter (kernel * kernel, C) += ...;
    /// dx = (input gradient) * act'(x * scale + shift), with sums += sum(dx), sum(dx * (x - center)) if given.
    void (*depthwise_gradient)(ofa_depthwise d, const float *g, const float *y, ofa_norm_gradient norm,
                               const float *x, ofa_affine map, const float *filter, float *dx,
                               const float *center, double *sums, float *dfilter, float *scratch);

    /// One SGD step with Nesterov momentum on n values; the gradient is the sum of `parts` arrays, which are
    /// set to zero: v = momentum * v + (g + decay * w); w -= rate * (g + decay * w + momentum * v).
    void (*sgd)(float *w, float *v, float *const *gradients, int32_t parts, int64_t n, float rate,
                float momentum, float decay);
} ofa_kernels;

/// Floats of scratch that a depthwise pass over `d` needs on one thread, for any instruction set.
int64_t ofa_depthwise_scratch(ofa_depthwise d);

/// The table called `name` ("scalar", "vector4", "avx2", "avx512"), or null where this build or processor has none.
const ofa_kernels *ofa_kernels_named(const char *name);

/// The fastest table that this processor can run.
const ofa_kernels *ofa_kernels_best(void);

/// Writes the patches of `rows` output rows of one image: out is (rows * out_width, channels * k * k), order
/// (channel, ky, kx) as in the weights (Cout, Cin, k, k); zero outside the image. First output row: `row`.
void ofa_patches(const float *x /*(H, W, C)*/, int32_t height, int32_t width, int32_t channels, int32_t kernel,
                 int32_t stride, int32_t row, int32_t rows, int32_t out_width, float *out);

/// Gathers `count` crops of uint8 images (H, W, C), bilinear, byte 0 outside, mapped by value * scale + offset;
/// out is (count, size, size, C).
void ofa_crops(const uint8_t *images, int32_t height, int32_t width, int32_t channels, const ofa_crop *crops,
               int32_t count, int32_t size, const float *scale /*(C)*/, const float *offset /*(C)*/,
               float *out);


#ifdef __cplusplus
}
#endif
