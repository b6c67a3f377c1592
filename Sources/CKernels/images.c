// Converts stored images to views of normalised floats, and feature maps to the patches of im2col.
#include <math.h>
#include <string.h>
#include "ckernels.h"
#include "views.h"

// This file uses no fused multiply-add, so that every build gives the same bits.
#pragma clang fp contract(off)

void ofa_patches(const float *x, int32_t height, int32_t width, int32_t channels, int32_t kernel,
                 int32_t stride, int32_t row, int32_t rows, int32_t out_width, float *out) {
    int32_t pad = kernel / 2;
    for (int32_t r = 0; r < rows; r++)
        for (int32_t ox = 0; ox < out_width; ox++)
            for (int32_t ky = 0; ky < kernel; ky++) {
                // The pixels of one row of a patch are consecutive in the image.
                int32_t iy = (row + r) * stride + ky - pad, left = ox * stride - pad;
                const float *from = x + ((int64_t)iy * width + left) * channels;
                int32_t first = left < 0 ? -left : 0,
                        end = width - left < kernel ? width - left : kernel;
                if (iy < 0 || iy >= height) first = end = kernel;
                // Nearly every row of the stem's patches is copied here, with a constant size.
                if (end - first == 3 && kernel == 3 && channels == 3) {
                    memcpy(out, from, 9 * sizeof(float));
                    out += 9;
                    continue;
                }
                for (int32_t i = 0; i < first * channels; i++) *out++ = 0;
                for (int32_t i = first * channels; i < end * channels; i++) *out++ = from[i];
                for (int32_t i = end * channels; i < kernel * channels; i++) *out++ = 0;
            }
}

// Tests compare `ofa_views` with `ofa_crops`, a naive loop in which every output pixel reads its
// four source pixels.
static float pixel(const uint8_t *image, int32_t height, int32_t width, int32_t channels, int32_t y,
                   int32_t x, int32_t c, float scale, float offset) {
    if (y < 0 || y >= height || x < 0 || x >= width) return offset;
    return image[((int64_t)y * width + x) * channels + c] * scale + offset;
}

void ofa_crops(const uint8_t *images, int32_t height, int32_t width, int32_t channels,
               const ofa_crop *crops, int32_t count, int32_t size, const float *scale,
               const float *offset, float *out) {
    for (int32_t i = 0; i < count; i++) {
        const ofa_crop crop = crops[i];
        const uint8_t *image = images + (int64_t)crop.index * height * width * channels;
        for (int32_t oy = 0; oy < size; oy++) {
            float sy = crop.top + crop.step_y * oy, fy = floorf(sy), wy = sy - fy;
            for (int32_t ox = 0; ox < size; ox++) {
                float sx = crop.left + crop.step_x * ox, fx = floorf(sx), wx = sx - fx;
                int32_t y = (int32_t)fy, x = (int32_t)fx;
                for (int32_t c = 0; c < channels; c++) {
                    float p = pixel(image, height, width, channels, y, x, c, scale[c], offset[c]);
                    if (wx > 0 || wy > 0) {
                        float q =
                            pixel(image, height, width, channels, y, x + 1, c, scale[c], offset[c]);
                        float u =
                            pixel(image, height, width, channels, y + 1, x, c, scale[c], offset[c]);
                        float v = pixel(image, height, width, channels, y + 1, x + 1, c, scale[c],
                                        offset[c]);
                        p = (p * (1 - wx) + q * wx) * (1 - wy) + (u * (1 - wx) + v * wx) * wy;
                    }
                    *out++ = p;
                }
            }
        }
    }
}

// `ofa_views` works row by row; values that depend only on the column are computed once per view.
#if defined(__x86_64__) && defined(__linux__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif
#define INLINE static inline __attribute__((always_inline))

typedef float F4 __attribute__((vector_size(16), aligned(4)));

/// The columns of one view. A source row in scratch has one more pixel, of byte 0, at each end, so
/// column x of the image is pixel x + 1 of the row.
typedef struct {
    int32_t *left, *right;  // (size): offsets in a source row of an output column's two pixels
    float *weight;          // (size): the weight of the right pixel
    int32_t first, last;    // the first and last image column that is read, -1 ... width
    int32_t blended;        // whether any weight is not 0
} columns_of_view;

int64_t ofa_views_scratch(int32_t width, int32_t channels, int32_t size) {
    const int64_t row = ((int64_t)width + 2) * channels + 16, out = (int64_t)size * channels + 16;
    return 3 * row + 2 * out + 3 * ((int64_t)size + 16);
}

INLINE int32_t bounded(float x, int32_t width) {
    return x<-1 ? -1 : x>(float) width ? width : (int32_t)x;
}

INLINE void place_columns(columns_of_view *columns, ofa_crop crop, int32_t width, int32_t channels,
                          int32_t size) {
    columns->first = width;
    columns->last = -1;
    columns->blended = 0;
    for (int32_t ox = 0; ox < size; ox++) {
        float sx = crop.left + crop.step_x * ox, fx = floorf(sx), wx = sx - fx;
        int32_t x = bounded(fx, width), next = bounded(fx + 1, width);
        columns->weight[ox] = wx;
        columns->left[ox] = (x + 1) * channels;
        columns->right[ox] = (next + 1) * channels;
        if (wx > 0) columns->blended = 1;
        if (x < columns->first) columns->first = x;
        if (next > columns->last) columns->last = next;
    }
}

/// Writes to `row` the part of source row y that `columns` reads, as floats, with byte 0 outside
/// the image.
INLINE void read_row(const uint8_t *image, int32_t height, int32_t width, int32_t channels,
                     int32_t y, const columns_of_view *columns, const float *scale,
                     const float *offset, float *row) {
    const int32_t from = columns->first < 0 ? 0 : columns->first;
    const int32_t to = columns->last >= width ? width : columns->last + 1;  // one past the last
    float *pixels = row + channels;
    if (y < 0 || y >= height) {
        for (int32_t i = (columns->first) * channels; i < (columns->last + 1) * channels; i++)
            pixels[i] = offset[i];
        return;
    }
    const uint8_t *bytes = image + (int64_t)y * width * channels;
    for (int32_t i = from * channels; i < to * channels; i++)
        pixels[i] = bytes[i] * scale[i] + offset[i];
    for (int32_t c = 0; c < channels; c++) {
        row[c] = offset[c];
        pixels[width * channels + c] = offset[c];
    }
}

/// Interpolates a source row at the output's columns; with weights of 0, this copies pixels.
INLINE void blend_along(const float *row, const columns_of_view *columns, int32_t channels,
                        int32_t size, float *out) {
    const int32_t *left = columns->left, *right = columns->right;
    const float *weight = columns->weight;
    if (channels == 3) {  // moves four floats per pixel: both rows have room for one more
        for (int32_t ox = 0; ox < size; ox++) {
            F4 p = *(const F4 *)(row + left[ox]);
            if (columns->blended) {
                F4 q = *(const F4 *)(row + right[ox]);
                p = p * (1 - weight[ox]) + q * weight[ox];
            }
            *(F4 *)(out + 3 * ox) = p;
        }
    } else if (channels == 1) {
        for (int32_t ox = 0; ox < size; ox++)
            out[ox] = row[left[ox]] * (1 - weight[ox]) + row[right[ox]] * weight[ox];
    } else {
        for (int32_t ox = 0; ox < size; ox++)
            for (int32_t c = 0; c < channels; c++)
                out[ox * channels + c] =
                    row[left[ox] + c] * (1 - weight[ox]) + row[right[ox] + c] * weight[ox];
    }
}

INLINE float clamped(float x) { return x < 0 ? 0 : x > 255 ? 255 : x; }

INLINE void saturate(float *row, int32_t size, float kept) {
    for (int32_t x = 0; x < size; x++) {
        float r = row[3 * x], g = row[3 * x + 1], b = row[3 * x + 2];
        float grey = (1 - kept) * (0.299f * r + 0.587f * g + 0.114f * b);
        row[3 * x] = clamped(kept * r + grey);
        row[3 * x + 1] = clamped(kept * g + grey);
        row[3 * x + 2] = clamped(kept * b + grey);
    }
}

/// Changes the colours of a row of byte values, then normalises the row.
INLINE void colour_row(ofa_view view, int32_t channels, int32_t size, const float *scale,
                       const float *offset, float *row) {
    const int saturated = channels == 3 && view.saturation != 1;
    if (saturated && view.saturation_first) saturate(row, size, view.saturation);
    for (int32_t i = 0; i < size * channels; i++) row[i] = clamped(row[i] * view.brightness);
    if (saturated && !view.saturation_first) saturate(row, size, view.saturation);
    for (int32_t c = 0; c < channels; c++)
        for (int32_t x = 0; x < size; x++)
            row[x * channels + c] = row[x * channels + c] * scale[c] + offset[c];
}

/// Repeats the `channels` values of a pixel over `count` floats, so that one loop can process a
/// row.
INLINE void broadcast(const float *values, int32_t channels, int64_t count, float *out) {
    for (int64_t i = 0; i < count; i++) out[i] = i < channels ? values[i] : out[i - channels];
}

/// The buffers of `ofa_views`, all in the caller's scratch.
typedef struct {
    columns_of_view columns;
    float *scales, *offsets;  // (source row): normalisation, or 1 and 0 if colours change first
    float *row, *kept[2];     // a source row; two source rows interpolated along the row
} place_of_views;

INLINE place_of_views place_in(float *scratch, int32_t width, int32_t channels, int32_t size) {
    const int64_t row = ((int64_t)width + 2) * channels + 16, out = (int64_t)size * channels + 16;
    place_of_views p;
    p.scales = scratch;
    p.offsets = p.scales + row;
    p.row = p.offsets + row;
    p.kept[0] = p.row + row;
    p.kept[1] = p.kept[0] + out;
    p.columns.weight = p.kept[1] + out;
    p.columns.left = (int32_t *)(p.columns.weight + size + 16);
    p.columns.right = p.columns.left + size + 16;
    return p;
}

/// Writes the rows of one view. If `changed`, each row is first written without normalisation; then
/// `colour_row` changes the colours of the row and normalises it.
INLINE void view_rows(const uint8_t *image, int32_t height, int32_t width, int32_t channels,
                      ofa_view view, int32_t changed, int32_t size, const float *scale,
                      const float *offset, float *out, place_of_views p) {
    const int64_t floats = (int64_t)size * channels;
    // If output and source pixels coincide, bytes are converted without interpolation.
    const int32_t straight = !p.columns.blended && view.crop.step_x == 1 && p.columns.first >= 0 &&
                             p.columns.first + size <= width;
    // The number of the source row in each of the two buffers `p.kept`; height + 1 means none.
    int32_t held[2] = {height + 1, height + 1};
    for (int32_t oy = 0; oy < size; oy++, out += floats) {
        float sy = view.crop.top + view.crop.step_y * oy, fy = floorf(sy), wy = sy - fy;
        const int32_t y[2] = {bounded(fy, height), bounded(fy + 1, height)};
        const float *from[2] = {0, 0};
        if (straight && wy == 0 && y[0] >= 0 && y[0] < height) {
            const uint8_t *bytes = image + ((int64_t)y[0] * width + p.columns.first) * channels;
            for (int64_t j = 0; j < floats; j++) out[j] = bytes[j] * p.scales[j] + p.offsets[j];
            if (changed) colour_row(view, channels, size, scale, offset, out);
            continue;
        }
        for (int32_t part = 0; part < (wy > 0 ? 2 : 1); part++) {
            int32_t slot = held[0] == y[part] ? 0 : held[1] == y[part] ? 1 : -1;
            if (slot < 0) {
                // Row y[1] must not overwrite row y[0], which is used next. Row y[0] must not
                // overwrite row y[1], if that row is in a buffer.
                slot = part == 1 ? from[0] == p.kept[0] : held[0] == y[1];
                read_row(image, height, width, channels, y[part], &p.columns, p.scales + channels,
                         p.offsets + channels, p.row);
                blend_along(p.row, &p.columns, channels, size, p.kept[slot]);
                held[slot] = y[part];
            }
            from[part] = p.kept[slot];
        }
        if (wy > 0) {
            const float *a = from[0], *b = from[1];
            for (int64_t j = 0; j < floats; j++) out[j] = a[j] * (1 - wy) + b[j] * wy;
        } else {
            memcpy(out, from[0], (size_t)floats * sizeof(float));
        }
        if (changed) colour_row(view, channels, size, scale, offset, out);
    }
}

CLONES
void ofa_views(const uint8_t *images, int32_t height, int32_t width, int32_t channels,
               const ofa_view *views, int32_t count, int32_t size, const float *scale,
               const float *offset, float *out, float *scratch) {
    const int64_t row = ((int64_t)width + 2) * channels + 16;
    const float one = 1, zero = 0;
    place_of_views place = place_in(scratch, width, channels, size);
    // Whether `scales` and `offsets` are those for changed colours: 1 yes, 0 no; -1 before the
    // first view.
    int32_t prepared = -1;
    for (int32_t i = 0; i < count; i++) {
        const ofa_view view = views[i];
        const int32_t changed = view.brightness != 1 || (view.saturation != 1 && channels == 3);
        if (changed != prepared) {
            broadcast(changed ? &one : scale, changed ? 1 : channels, row, place.scales);
            broadcast(changed ? &zero : offset, changed ? 1 : channels, row, place.offsets);
            prepared = changed;
        }
        place_columns(&place.columns, view.crop, width, channels, size);
        view_rows(images + (int64_t)view.crop.index * height * width * channels, height, width,
                  channels, view, changed, size, scale, offset,
                  out + (int64_t)i * size * size * channels, place);
    }
}
