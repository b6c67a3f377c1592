// Encodes pictures as PNG and JPEG into a buffer of the caller.
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>
#include <png.h>

#include "rows.h"

/// A picture being written.
typedef struct {
    uint8_t *out;
    int64_t room, written;
    ofa_picture_notes *notes;
    jmp_buf escape;
    // For PNG only.
    png_structp png;
    png_infop info;
    // For JPEG only.
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr destination;
} writer;

static void leave(writer *w, int32_t fault, const char *text) {
    ofa_note_fault(w->notes, fault, text);
    longjmp(w->escape, 1);
}

static void prepare(writer *w, uint8_t *out, int64_t room, ofa_picture_notes *notes) {
    memset(w, 0, sizeof *w);
    w->out = out;
    w->room = room;
    w->notes = notes;
}

static void on_png_error(png_structp png, png_const_charp message) {
    leave(png_get_error_ptr(png), OFA_PICTURE_DAMAGED, message);
}

static void on_png_warning(png_structp png, png_const_charp message) {
    writer *w = png_get_error_ptr(png);
    ofa_note_warning(w->notes, message);
}

static void put(png_structp png, png_bytep bytes, size_t count) {
    writer *w = png_get_io_ptr(png);
    if (w->room - w->written < (int64_t)count)
        leave(w, OFA_PICTURE_ROOM, "the buffer is full");
    memcpy(w->out + w->written, bytes, count);
    w->written += (int64_t)count;
}

static void flush_nothing(png_structp png) { (void)png; }

static void write_png(writer *w, const uint8_t *pixels, int32_t width, int32_t height,
                      int32_t channels) {
    w->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, w, on_png_error, on_png_warning);
    if (!w->png) leave(w, OFA_PICTURE_MEMORY, "libpng cannot start");
    w->info = png_create_info_struct(w->png);
    if (!w->info) leave(w, OFA_PICTURE_MEMORY, "libpng cannot start");
    png_set_write_fn(w->png, w, put, flush_nothing);
    png_set_IHDR(w->png, w->info, (png_uint_32)width, (png_uint_32)height, 8,
                 channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(w->png, w->info);
    const int64_t bytes = (int64_t)width * channels;
    for (int32_t y = 0; y < height; y++) png_write_row(w->png, pixels + bytes * y);
    png_write_end(w->png, NULL);
}

int32_t ofa_png_write(const uint8_t *pixels, int32_t width, int32_t height, int32_t channels,
                      uint8_t *out, int64_t room, int64_t *written, ofa_picture_notes *notes) {
    writer w;
    prepare(&w, out, room, notes);
    if (setjmp(w.escape) == 0) write_png(&w, pixels, width, height, channels);
    png_destroy_write_struct(&w.png, &w.info);
    *written = w.written;
    return notes->fault;
}

static void on_jpeg_error(j_common_ptr jpeg) {
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    leave(jpeg->client_data, OFA_PICTURE_DAMAGED, text);
}

static void print_nothing(j_common_ptr jpeg) { (void)jpeg; }

static void start_room(j_compress_ptr jpeg) {
    writer *w = jpeg->client_data;
    w->destination.next_output_byte = w->out;
    w->destination.free_in_buffer = (size_t)w->room;
}

static boolean no_more_room(j_compress_ptr jpeg) {
    leave(jpeg->client_data, OFA_PICTURE_ROOM, "the buffer is full");
    return FALSE;
}

static void end_room(j_compress_ptr jpeg) {
    writer *w = jpeg->client_data;
    w->written = w->room - (int64_t)w->destination.free_in_buffer;
}

static void write_jpeg(writer *w, const uint8_t *pixels, int32_t width, int32_t height,
                       int32_t channels, int32_t quality) {
    struct jpeg_compress_struct *jpeg = &w->jpeg;
    jpeg_create_compress(jpeg);
    w->destination.init_destination = start_room;
    w->destination.empty_output_buffer = no_more_room;
    w->destination.term_destination = end_room;
    jpeg->dest = &w->destination;
    jpeg->image_width = (JDIMENSION)width;
    jpeg->image_height = (JDIMENSION)height;
    jpeg->input_components = channels;
    jpeg->in_color_space = channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    for (int c = 0; c < jpeg->num_components; c++)
        jpeg->comp_info[c].h_samp_factor = jpeg->comp_info[c].v_samp_factor = 1;
    jpeg_start_compress(jpeg, TRUE);
    const int64_t bytes = (int64_t)width * channels;
    for (int32_t y = 0; y < height; y++) {
        // The cast drops const: libjpeg does not change the row.
        JSAMPROW row = (JSAMPROW)(pixels + bytes * y);
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

int32_t ofa_jpeg_write(const uint8_t *pixels, int32_t width, int32_t height, int32_t channels,
                       int32_t quality, uint8_t *out, int64_t room, int64_t *written,
                       ofa_picture_notes *notes) {
    writer w;
    prepare(&w, out, room, notes);
    w.jpeg.err = jpeg_std_error(&w.errors);
    w.errors.error_exit = on_jpeg_error;
    w.errors.output_message = print_nothing;
    w.jpeg.client_data = &w;
    if (setjmp(w.escape) == 0) write_jpeg(&w, pixels, width, height, channels, quality);
    jpeg_destroy_compress(&w.jpeg);
    *written = w.written;
    return notes->fault;
}
