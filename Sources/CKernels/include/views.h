// Views of stored images as a batch: crops, mirrored or not, with their colours changed, as
// normalised floats.
//
// `ofa_crops` of ckernels.h is the oracle: without a change of colours the results have the same
// bits. It asks for four source pixels an output pixel; this one turns each source row into floats
// once, blends along the row once and between rows once. Images/s of one thread, oracle and this,
// Zen 5 with AVX-512, a shared machine, best of 6 times 64:
//   224 x 224 x 3 to 128 x 128: half of the area 4,779 and 33,925; with colours changed 4,892
//   (unchanged) and 18,168 224 x 224 x 3 to 224 x 224: whole 4,362 and 24,767; 0.3 of the area
//   1,775 and 20,594 28 x 28 x 1 to 28 x 28: whole 400,829 and 1,730,431; 0.6 of the area 220,292
//   and 1,101,985
// Tests/TensorsTests/ImagesTests holds the bits; `ofa-bench data` times the loader.
#pragma once
#include "ckernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/// A crop, and what is done to its bytes before they are mapped. Each change keeps values within
/// 0...255.
typedef struct {
    ofa_crop crop;
    float brightness;  // every value times this; 1 changes nothing
    float saturation;  // three channels only: s * value + (1 - s) * grey, grey = 0.299 R + 0.587 G
                       // + 0.114 B
    int32_t saturation_first;  // the order of the two; 0 or 1
} ofa_view;

/// Floats of scratch that `ofa_views` needs.
int64_t ofa_views_scratch(int32_t width, int32_t channels, int32_t size);

/// Writes `count` views of uint8 images (H, W, C), bilinear, byte 0 outside, mapped by value *
/// scale + offset; out is (count, size, size, C).
void ofa_views(const uint8_t *images, int32_t height, int32_t width, int32_t channels,
               const ofa_view *views, int32_t count, int32_t size, const float *scale /*(C)*/,
               const float *offset /*(C)*/, float *out, float *scratch);

#ifdef __cplusplus
}
#endif
