// The hot loops of views. Integer arithmetic, or floating point without fused multiply-add: every
// processor gives the same bytes and bits.
#pragma once
#include "pictures.h"

/// Resamples a row: `row` is (pixels, channels) with one more readable byte behind it, `out` is
/// (axis.count, channels).
void ofa_resample_across(const uint8_t *row, int32_t channels, const ofa_axis *axis, uint8_t *out);
/// Weaves four rows of three channels, `stride` bytes apart, into `quad`, (pixels, 4 rows, 4
/// bytes). 16 bytes behind a row are read, three pixels behind `quad`'s last are written.
void ofa_weave(const uint8_t *rows, int64_t stride, int32_t pixels, uint8_t *quad);
/// Resamples four rows of three channels that were woven into `quad`; each of `out` is
/// (axis.count, 3).
void ofa_resample_quad(const uint8_t *quad, const ofa_axis *axis, uint8_t *const out[4]);
/// An output row of `count` bytes: the weighted sum of `taps` rows of `ring`, which has `rows`
/// rows of `count` bytes; the first is row `slot`, the one after the last is row 0.
void ofa_resample_down(const uint8_t *ring, int32_t rows, int32_t slot, const int32_t *weights,
                       int32_t taps, int32_t count, uint8_t *out);
/// Brightness and saturation of a row of `pixels` pixels, in place, rounded to bytes after each.
void ofa_colour_bytes(uint8_t *row, int32_t pixels, int32_t channels, float brightness,
                      float saturation, int32_t saturation_first);
/// out = byte * scale[c] + offset[c] for a row of `pixels` pixels.
void ofa_normalise(const uint8_t *row, int32_t pixels, int32_t channels, const float *scale,
                   const float *offset, float *out);
/// Adds the bytes of whole pixels and their squares to `sums` and `squares`, which have one element
/// a channel; `channels` is 1 ... 4.
void ofa_byte_sums(const uint8_t *bytes, int64_t count, int32_t channels, int64_t *sums,
                   int64_t *squares);
/// Grey of RGB pixels, (19595 R + 38470 G + 7471 B + 32768) >> 16. In place is allowed.
void ofa_grey(const uint8_t *rgb, int32_t pixels, uint8_t *out);
/// RGB of libjpeg's CMYK pixels. `out` must not overlap.
void ofa_cmyk_to_rgb(const uint8_t *cmyk, int32_t pixels, uint8_t *out);
/// Resamples all of `pixels`, (height, width, channels), to (down.count, across.count, channels):
/// the naive loops, the oracle of the rest. `between` is (height, across.count, channels).
void ofa_resample_naive(const uint8_t *pixels, int32_t height, int32_t width, int32_t channels,
                        const ofa_axis *across, const ofa_axis *down, uint8_t *between,
                        uint8_t *out);
