// Views of stored images as a batch: crops, optionally mirrored and with changed colours, as
// normalised floats.
//
// `ofa_crops` of ckernels.h is the oracle, the simple function with which tests compare
// `ofa_views`: without a change of colours, the results have the same bits. The oracle reads up to
// four source pixels for each output pixel. `ofa_views` keeps the last two source rows, converted
// to floats and interpolated along the row, so it converts most source rows only once per view.
// Images/s, one thread of a Zen 5 with AVX-512, a shared machine, best of 6 runs of 64 images:
//   source         output       crop                             oracle   ofa_views
//   224 x 224 x 3  128 x 128    half of the area                  4,779      33,925
//   224 x 224 x 3  128 x 128    half of the area, new colours     4,892*     18,168
//   224 x 224 x 3  224 x 224    whole                             4,362      24,767
//   224 x 224 x 3  224 x 224    0.3 of the area                   1,775      20,594
//   28 x 28 x 1    28 x 28      whole                           400,829   1,730,431
//   28 x 28 x 1    28 x 28      0.6 of the area                 220,292   1,101,985
//   * the oracle changes no colours
// ImagesTests compares the bits; `ofa-bench data` times the loader.
#pragma once
#include "ckernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/// A crop and the colour changes applied to its bytes before normalisation. Each change clamps
/// values to 0...255. Saturation changes images of three channels only: value becomes s * value +
/// (1 - s) * grey, with grey = 0.299 R + 0.587 G + 0.114 B.
typedef struct {
    ofa_crop crop;
    float brightness;          // factor of every value; 1 changes nothing
    float saturation;          // s above; 1 changes nothing
    int32_t saturation_first;  // 1: saturation before brightness; 0: after it
} ofa_view;

/// Returns the number of floats of scratch that `ofa_views` needs.
int64_t ofa_views_scratch(int32_t width, int32_t channels, int32_t size);

/// Writes `count` views of uint8 images (H, W, C) with bilinear interpolation. Bytes outside the
/// image are 0. Each value becomes value * scale + offset. out is (count, size, size, C).
void ofa_views(const uint8_t *images, int32_t height, int32_t width, int32_t channels,
               const ofa_view *views, int32_t count, int32_t size, const float *scale /*(C)*/,
               const float *offset /*(C)*/, float *out, float *scratch);

#ifdef __cplusplus
}
#endif
