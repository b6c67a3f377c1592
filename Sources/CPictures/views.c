// Turns decoded rows into the output of a view. A row is converted to the view's channels,
// resampled across (horizontally) and stored in a ring buffer. As soon as the buffer has all rows
// that an output row needs, they are resampled down (vertically), and the output row is coloured
// and written. So a few rows of memory suffice for a picture of any height.
#include <string.h>

#include "resampling.h"
#include "rows.h"

static void copy_text(char *to, const char *from) {
    strncpy(to, from, 255);
    to[255] = 0;
}

int32_t ofa_note_fault(ofa_picture_notes *notes, int32_t fault, const char *text) {
    if (notes->fault == OFA_PICTURE_FINE) {
        notes->fault = fault;
        copy_text(notes->text, text);
    }
    return notes->fault;
}

void ofa_note_warning(ofa_picture_notes *notes, const char *text) {
    if (notes->warnings == 0) copy_text(notes->warning, text);
    if (notes->warnings < INT32_MAX) notes->warnings++;
}

const char *ofa_notes_text(const ofa_picture_notes *notes) { return notes->text; }
const char *ofa_notes_warning(const ofa_picture_notes *notes) { return notes->warning; }

/// Returns the row in the view's channels: `row` itself, or a converted copy in `view.part`.
static const uint8_t *converted(ofa_picture_view *view, int32_t components, const uint8_t *row) {
    const int32_t pixels = view->width;
    uint8_t *part = view->part;
    if (components == view->channels) return row;
    if (components == 1) {
        for (int32_t x = 0; x < pixels; x++)
            for (int32_t c = 0; c < 3; c++) part[3 * (int64_t)x + c] = row[x];
        return part;
    }
    if (components == 4) {
        ofa_cmyk_to_rgb(row, pixels, part);
        row = part;
    }
    if (view->channels == 1) ofa_grey(row, pixels, part);
    return part;
}

/// Writes one row to `out`: resampled across, mirrored or copied.
static void across(const ofa_picture_view *view, const uint8_t *row, uint8_t *out) {
    const int32_t channels = view->channels, pixels = view->across.count;
    if (view->across.taps > 0) {
        ofa_resample_across(row, channels, &view->across, out);
    } else if (view->is_mirrored) {
        for (int32_t x = 0; x < pixels; x++)
            for (int32_t c = 0; c < channels; c++)
                out[(int64_t)x * channels + c] = row[(int64_t)(pixels - 1 - x) * channels + c];
    } else {
        memcpy(out, row, (size_t)pixels * (size_t)channels);
    }
}

/// Returns where output row `view.rows_out` is written.
static uint8_t *target(const ofa_picture_view *view) {
    const int64_t bytes = (int64_t)view->across.count * view->channels;
    return view->bytes ? view->bytes + bytes * view->rows_out : view->line;
}

/// Changes the colours of output row `view.rows_out`, writes its floats, and increments
/// `view.rows_out`.
static void finish(ofa_picture_view *view, uint8_t *line) {
    const int32_t channels = view->channels, pixels = view->across.count;
    if (view->brightness != 1 || view->saturation != 1)
        ofa_colour_bytes(line, pixels, channels, view->brightness, view->saturation,
                         view->saturation_first);
    if (view->floats)
        ofa_normalise(line, pixels, channels, view->scale, view->offset,
                      view->floats + (int64_t)pixels * channels * view->rows_out);
    view->rows_out++;
}

/// Resamples the row horizontally into the ring buffer. Rows of three channels are collected and
/// resampled four at a time. Returns whether the ring buffer has all rows taken so far.
static int32_t keep(ofa_picture_view *view, const uint8_t *row) {
    const int64_t bytes = (int64_t)view->across.count * view->channels;
    const int32_t rows = view->down.taps + 3, y = view->rows_in++;
    if (view->channels != 3 || view->across.taps == 0) {
        across(view, row, view->ring + y % rows * bytes);
        return 1;
    }
    const int64_t stride = (int64_t)view->width * 3 + 64;
    memcpy(view->four + y % 4 * stride, row, (size_t)view->width * 3);
    if (y % 4 != 3 && y + 1 < view->height) return 0;
    uint8_t *out[4];
    // If fewer than four rows are left, the unused output rows go to `view.line`, which is
    // overwritten later.
    for (int32_t i = 0; i < 4; i++)
        out[i] = i <= y % 4 ? view->ring + (y - y % 4 + i) % rows * bytes : view->line;
    ofa_weave(view->four, stride, view->width, view->quad);
    ofa_resample_quad(view->quad, &view->across, out);
    return 1;
}

void ofa_view_take(ofa_picture_view *view, int32_t components, const uint8_t *row) {
    const ofa_axis *down = &view->down;
    row = converted(view, components, row);
    if (down->taps == 0) {
        if (view->rows_out >= down->count) return;
        uint8_t *line = target(view);
        across(view, row, line);
        view->rows_in++;
        return finish(view, line);
    }
    if (!keep(view, row)) return;
    const int32_t rows = down->taps + 3;
    while (view->rows_out < down->count) {
        const int32_t y = view->rows_out, first = down->first[y];
        if (first + down->taps > view->rows_in) return;
        uint8_t *line = target(view);
        ofa_resample_down(view->ring, rows, first % rows, down->weights + (int64_t)y * down->taps,
                          down->taps, view->across.count * view->channels, line);
        finish(view, line);
    }
}

void ofa_pixels_view(const uint8_t *pixels, const ofa_picture_header *header,
                     ofa_picture_view *view) {
    const int64_t components = header->components;
    for (int32_t y = 0; y < view->height; y++) {
        const uint8_t *row =
            pixels + ((int64_t)(view->y + y) * header->width + view->x) * components;
        // `ofa_view_take` gets a copy of the row, because it may read one byte after the row's end.
        memcpy(view->row, row, (size_t)(view->width * components));
        ofa_view_take(view, header->components, view->row);
    }
}
