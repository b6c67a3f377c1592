// A libFuzzer target for the picture parsers. It reads a picture's header and decodes a view of the
// picture (a resampled part), as grey or RGB, with or without a check of the rest of the file.
// Limits are small, so that a finding is an error in the code and not just a large picture.
//
// ops/fuzz.sh builds and runs it.
#include <stdlib.h>
#include <string.h>

#include "pictures.h"

enum { SIDE = 40 };

/// Computes the resampling of one axis from `n` samples to SIDE, and sets `*end` to the number of
/// input samples that the resampling reads. The caller must free `*first` and `*weights`.
static ofa_axis plan(int64_t n, int32_t **first, int32_t **weights, int32_t *end) {
    ofa_axis axis = {.count = SIDE};
    int32_t *length = malloc(SIDE * sizeof *length);
    *first = malloc(SIDE * sizeof **first);
    axis.taps = ofa_axis_windows(n, SIDE, 0, SIDE, 0, *first, length);
    *weights = malloc((size_t)axis.taps * SIDE * sizeof **weights);
    ofa_axis_weights(n, SIDE, 0, SIDE, 0, axis.taps, *first, length, *weights);
    axis.first = *first;
    axis.weights = *weights;
    *end = (*first)[SIDE - 1] + axis.taps;
    free(length);
    return axis;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const ofa_picture_limits limits = {1 << 20, 8 << 20, 100};
    const int is_png = size > 1 && data[1] == 'P';
    ofa_picture_notes notes;
    ofa_picture_header header;
    memset(&notes, 0, sizeof notes);
    if ((is_png ? ofa_png_header : ofa_jpeg_header)(data, (int64_t)size, &limits, &header, &notes))
        return 0;
    ofa_picture_view view;
    memset(&view, 0, sizeof view);
    // The low bits of the input's size choose the variant, so that a file of the corpus always
    // tests the same variant.
    view.channels = size & 1 ? 3 : 1;
    view.is_checked = size & 2 ? 1 : 0;
    view.x = size & 4 ? header.width / 3 : 0;
    view.y = size & 4 ? header.height / 3 : 0;
    int32_t *first[2], *weights[2];
    view.across = plan(header.width - view.x, &first[0], &weights[0], &view.width);
    view.down = plan(header.height - view.y, &first[1], &weights[1], &view.height);
    view.brightness = 1.1f;
    view.saturation = 0.7f;
    view.row = malloc((size_t)header.width * 4 + 64);
    view.part = malloc((size_t)view.width * 3 + 64);
    view.four = calloc(4, (size_t)view.width * 3 + 64);
    view.quad = malloc((size_t)view.width * 16 + 64);
    view.ring = malloc(((size_t)view.down.taps + 3) * SIDE * 3);
    view.line = malloc(SIDE * 3 + 64);
    view.bytes = malloc(SIDE * SIDE * 3);
    if (header.is_whole)
        view.whole = malloc((size_t)header.width * (size_t)header.height *
                            (size_t)header.components);
    (is_png ? ofa_png_view : ofa_jpeg_view)(data, (int64_t)size, &limits, &header, &view, &notes);
    for (int i = 0; i < 2; i++) {
        free(first[i]);
        free(weights[i]);
    }
    free(view.row);
    free(view.part);
    free(view.four);
    free(view.quad);
    free(view.ring);
    free(view.line);
    free(view.bytes);
    free(view.whole);
    return 0;
}
