// Decodes PNG with libpng to 8 bits per sample. 16-bit samples are reduced to their high byte,
// palette indices become colours, alpha is dropped, and gamma and colour profiles are ignored.
// Chunks that do not affect the decoded pixels are not unpacked.
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

#include "rows.h"

/// The largest width or height, the same as libpng's default. With this limit, each of libpng's row
/// buffers takes at most 8 MB.
enum { MOST_SIDE = 1000000 };

/// A PNG being read.
typedef struct {
    png_structp png;
    png_infop info;
    const uint8_t *at, *end;  // the bytes that were not read yet
    ofa_picture_notes *notes;
    int32_t is_short;      // the library asked for more bytes than there are
    int32_t has_all_rows;  // all rows were read; only closing chunks can be missing
    jmp_buf escape;
} reader;

static void leave(reader *r, int32_t fault, const char *text) {
    ofa_note_fault(r->notes, fault, text);
    longjmp(r->escape, 1);
}

static void on_error(png_structp png, png_const_charp message) {
    reader *r = png_get_error_ptr(png);
    if (r->is_short && r->has_all_rows) {
        ofa_note_warning(r->notes, "the closing IEND chunk is missing");
        longjmp(r->escape, 1);
    }
    const int32_t fault = r->is_short || strstr(message, "Not enough image data")
                              ? OFA_PICTURE_TRUNCATED
                          : strstr(message, "unhandled critical chunk") ? OFA_PICTURE_UNSUPPORTED
                          : strstr(message, "ut of memory")             ? OFA_PICTURE_MEMORY
                                                                        : OFA_PICTURE_DAMAGED;
    char text[256];
    if (r->notes->warnings > 0)
        snprintf(text, sizeof text, "%.100s (%.100s)", message, r->notes->warning);
    else
        snprintf(text, sizeof text, "%.200s", message);
    leave(r, fault, text);
}

static void on_warning(png_structp png, png_const_charp message) {
    reader *r = png_get_error_ptr(png);
    // If all pixels are there but the checksum of the data is wrong, the library only warns; here
    // this is a fault.
    if (strstr(message, "incorrect data check")) leave(r, OFA_PICTURE_DAMAGED, message);
    ofa_note_warning(r->notes, message);
}

static void give(png_structp png, png_bytep to, size_t count) {
    reader *r = png_get_io_ptr(png);
    if ((size_t)(r->end - r->at) < count) {
        r->is_short = 1;
        png_error(png, "the file ends early");
    }
    memcpy(to, r->at, count);
    r->at += count;
}

static uint32_t big_endian(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/// Checks the width and height in the header before the library reads them.
static void check_size(reader *r, const ofa_picture_limits *limits) {
    const uint8_t *bytes = r->at;
    if (r->end - bytes < 24 || memcmp(bytes + 12, "IHDR", 4)) return;
    const uint32_t width = big_endian(bytes + 16), height = big_endian(bytes + 20);
    char text[64];
    snprintf(text, sizeof text, "%ux%u", width, height);
    if (width == 0 || height == 0) leave(r, OFA_PICTURE_EMPTY, text);
    if (width > INT32_MAX || height > INT32_MAX) return;  // not valid: the library reports it
    if ((int64_t)width * height > limits->pixels || width > MOST_SIDE || height > MOST_SIDE)
        leave(r, OFA_PICTURE_TOO_LARGE, text);
}

/// Reads and checks everything before the pixels.
static void begin(reader *r, const uint8_t *bytes, int64_t count,
                  const ofa_picture_limits *limits, ofa_picture_header *header) {
    r->at = bytes;
    r->end = bytes + count;
    check_size(r, limits);
    r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, r, on_error, on_warning);
    if (!r->png) leave(r, OFA_PICTURE_MEMORY, "libpng cannot start");
    r->info = png_create_info_struct(r->png);
    if (!r->info) leave(r, OFA_PICTURE_MEMORY, "libpng cannot start");
    png_set_benign_errors(r->png, 1);
    png_set_user_limits(r->png, MOST_SIDE, MOST_SIDE);
    png_set_chunk_malloc_max(r->png, 1 << 20);
    // The first call skips all known chunks except IHDR, PLTE, tRNS, IDAT and IEND; the second
    // call skips tRNS.
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, (png_const_bytep) "tRNS", 1);
    png_set_read_fn(r->png, r, give);
    png_read_info(r->png, r->info);
    header->width = (int32_t)png_get_image_width(r->png, r->info);
    header->height = (int32_t)png_get_image_height(r->png, r->info);
    header->components = png_get_color_type(r->png, r->info) & PNG_COLOR_MASK_COLOR ? 3 : 1;
    header->is_whole = png_get_interlace_type(r->png, r->info) != PNG_INTERLACE_NONE;
    const int64_t pixels = (int64_t)header->width * header->height;
    if (header->is_whole && pixels * header->components > limits->memory)
        leave(r, OFA_PICTURE_MEMORY, "interlaced");
}

int32_t ofa_png_header(const uint8_t *bytes, int64_t count, const ofa_picture_limits *limits,
                       ofa_picture_header *header, ofa_picture_notes *notes) {
    reader r;
    memset(&r, 0, sizeof r);
    r.notes = notes;
    if (setjmp(r.escape) == 0) begin(&r, bytes, count, limits, header);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    return notes->fault;
}

/// Makes the library deliver `components` bytes per pixel. Returns the number of passes over the
/// rows, which is more than 1 if the picture is interlaced.
static int unfold(reader *r, const ofa_picture_header *header) {
    const int kind = png_get_color_type(r->png, r->info);
    const int depth = png_get_bit_depth(r->png, r->info);
    if (depth == 16) png_set_strip_16(r->png);
    if (kind == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(r->png);
    if (kind == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(r->png);
    png_set_strip_alpha(r->png);
    const int passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    if (png_get_rowbytes(r->png, r->info) != (size_t)header->width * (size_t)header->components)
        leave(r, OFA_PICTURE_UNSUPPORTED, "rows of an unexpected length");
    return passes;
}

/// Gives row `y` of the picture to the view, if the row is in the view's part.
static void take(ofa_picture_view *view, int32_t components, int32_t y, const uint8_t *row) {
    if (y >= view->y && y < view->y + view->height)
        ofa_view_take(view, components, row + (int64_t)view->x * components);
}

static void read_rows(reader *r, const ofa_picture_header *header, ofa_picture_view *view) {
    const int passes = unfold(r, header);
    const int32_t components = header->components;
    const int64_t bytes = (int64_t)header->width * components;
    if (header->is_whole) {
        for (int pass = 0; pass < passes; pass++)
            for (int32_t y = 0; y < header->height; y++)
                png_read_row(r->png, view->whole + bytes * y, NULL);
        for (int32_t y = 0; y < header->height; y++) {
            // `take` gets a copy of the row, because it may read one byte after the row's end.
            memcpy(view->row, view->whole + bytes * y, (size_t)bytes);
            take(view, components, y, view->row);
        }
    } else {
        const int32_t end = view->is_checked ? header->height : view->y + view->height;
        for (int32_t y = 0; y < end; y++) {
            png_read_row(r->png, view->row, NULL);
            take(view, components, y, view->row);
        }
    }
    if (view->is_checked) {
        r->has_all_rows = 1;
        png_read_end(r->png, NULL);
    }
}

int32_t ofa_png_view(const uint8_t *bytes, int64_t count, const ofa_picture_limits *limits,
                     const ofa_picture_header *header, ofa_picture_view *view,
                     ofa_picture_notes *notes) {
    reader r;
    ofa_picture_header own;
    memset(&r, 0, sizeof r);
    r.notes = notes;
    if (setjmp(r.escape) == 0) {
        begin(&r, bytes, count, limits, &own);
        // The caller's buffers fit `header`. If the bytes have changed after `header` was read,
        // decoding must not overrun these buffers.
        if (memcmp(&own, header, sizeof own))
            leave(&r, OFA_PICTURE_ROOM, "the header is another picture's");
        read_rows(&r, &own, view);
    }
    png_destroy_read_struct(&r.png, &r.info, NULL);
    return notes->fault;
}
