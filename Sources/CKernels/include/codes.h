// Loops on maps of eight-bit codes: one table of functions for each instruction set, all with the
// same results to the bit. The definition of what they compute is Networks/Quantised.
//
// Maps are uint8 in NHWC order, weights int8, sums int32. Channels are handled in blocks of
// OFA_CODE_BLOCK. No function allocates.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { OFA_CODE_BLOCK = 16 };

/// How the sums of a layer become codes:
///   code = round(min(max((sum + bias) * factor, -zero), 255 - zero)) + zero, half to even
/// and then table[code], unless `table` is null. `bias` and `factor` have one value for each
/// channel, up to a multiple of OFA_CODE_BLOCK.
typedef struct {
    const int32_t *bias;
    const float *factor;
    const uint8_t *table;  // (256)
    int32_t zero;
} ofa_code_end;

/// Where a product stores its codes: those of row r and of the columns of block b begin at
///   c + (places ? places[r] : r * row) + b * block
typedef struct {
    uint8_t *c;
    const int32_t *places;
    int64_t row, block;
} ofa_code_place;

/// Geometry of a depthwise convolution on planes: zero-padded maps of one block of channels,
/// (rows, row / OFA_CODE_BLOCK pixels, OFA_CODE_BLOCK).
typedef struct {
    int32_t out_height, out_width, kernel, stride;
    int64_t row;  // bytes between two rows of a plane
} ofa_code_window;

typedef struct {
    const char *name;

    /// c (rows, columns) = codes of a (rows, depth) · packed. Reads each row of `a` up to the next
    /// multiple of 4 columns; the packed weights of columns beyond `depth` are 0.
    void (*product)(const uint8_t *a, int64_t a_row, int32_t rows, int32_t depth,
                    const int8_t *packed, int32_t columns, const ofa_code_end *end,
                    const ofa_code_place *to);

    /// sums (columns) = a (depth) · packed + bias, for the layer with the logits.
    void (*sums)(const uint8_t *a, int32_t depth, const int8_t *packed, int32_t columns,
                 const int32_t *bias, int32_t *sums);

    /// Writes `channels` codes (at most OFA_CODE_BLOCK) of each output pixel of one plane; pixels
    /// lie y_row bytes apart. `packed` is one block of `ofa_code_pack_filter`. Reads at most
    /// OFA_CODE_SLACK bytes beyond the last row of the plane.
    void (*depthwise)(const ofa_code_window *w, const uint8_t *plane, const int8_t *packed,
                      int32_t channels, const ofa_code_end *end, uint8_t *y, int64_t y_row);

    /// y = table[x] for n codes; y may be x.
    void (*map)(const uint8_t *x, int64_t n, const uint8_t *table, uint8_t *y);

    /// y = round(fma(a, first, fma(b, second, base))), clamped, for n codes.
    void (*sum)(const uint8_t *a, const uint8_t *b, int64_t n, float base, float first,
                float second, uint8_t *y);

    /// y (pixels, channels) = round((x - x_zero) * (gate[channel] - gate_zero) * factor + zero).
    void (*gate)(const uint8_t *x, const uint8_t *gate, int32_t pixels, int32_t channels,
                 int32_t x_zero, int32_t gate_zero, float factor, int32_t zero, uint8_t *y);

    /// sums (channels) = the sums over pixels of x (pixels, channels).
    void (*totals)(const uint8_t *x, int32_t pixels, int32_t channels, int32_t *sums);

    /// Returns the codes of n floats: round(min(max(x / scale, -zero), 255 - zero)) + zero.
    void (*quantise)(const float *x, int64_t n, float scale, int32_t zero, uint8_t *y);
} ofa_code_kernels;

enum { OFA_CODE_SLACK = 64 };

/// Returns the bytes of the packed weights of a matrix (columns, depth).
int64_t ofa_code_packed(int32_t depth, int32_t columns);

/// Packs w (columns, depth): block,
/// depth / 4, column, 4. Missing columns and depths are 0. If `shift` is not null, shift (columns)
/// = the sums of each column's weights.
void ofa_code_pack(const int8_t *w, int32_t depth, int32_t columns, int8_t *packed,
                   int32_t *shift);

/// Returns the bytes of one block of a packed depthwise filter.
int64_t ofa_code_packed_filter(int32_t kernel);

/// Packs the filters (channels, kernel * kernel) of one block: row, four taps, channel, 4.
void ofa_code_pack_filter(const int8_t *w, int32_t kernel, int32_t channels, int8_t *packed);

/// Copies an image's channels `first` ..< first + channels to a plane with `pad` pixels of `zero`
/// on each side; the plane's rows are `row` bytes long.
void ofa_code_plane(const uint8_t *x, int32_t height, int32_t width, int32_t all, int32_t first,
                    int32_t channels, int32_t pad, uint8_t zero, int64_t row, uint8_t *plane);

/// Sets the `pad` pixels around a plane of size * size pixels to `zero`.
void ofa_code_border(int32_t size, int32_t pad, uint8_t zero, int64_t row, uint8_t *plane);

/// Writes the patches (im2col) of output row `row` of one image: (out_width, patch) with the order
/// (row, column, channel); `zero` outside the image, anything beyond the depth. May read
/// OFA_CODE_SLACK bytes beyond the image, and write as many beyond the patches.
void ofa_code_patches(const uint8_t *x, int32_t height, int32_t width, int32_t channels,
                      int32_t kernel, int32_t stride, int32_t row, int32_t out_width,
                      uint8_t zero, int64_t patch, uint8_t *out);

/// y = the maximum over windows of kernel * kernel pixels with padding `pad`.
void ofa_code_max_pool(const uint8_t *x, int32_t size, int32_t channels, int32_t kernel,
                       int32_t stride, int32_t pad, int32_t out, uint8_t *y);

/// Returns the table for the instruction set `name` ("scalar", "vector4", "avx2", "avx512"), or
/// null if it has none here; "vector4" has one on ARM only.
const ofa_code_kernels *ofa_code_kernels_named(const char *name);

/// Returns the table "scalar", which every processor can run.
const ofa_code_kernels *ofa_code_kernels_scalar(void);

#ifdef __cplusplus
}
#endif
