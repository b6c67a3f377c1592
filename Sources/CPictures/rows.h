// Inside this module: the rows of a picture on their way into a view, and the notes about it.
#pragma once
#include "include/pictures.h"

/// Takes the next row of the view's part. `row` is (view.width, components), with one more
/// readable byte behind it.
void ofa_view_take(ofa_picture_view *view, int32_t components, const uint8_t *row);

/// Whether the view has all its rows.
int32_t ofa_view_is_complete(const ofa_picture_view *view);

/// Notes a fault with a text, unless there is one. Returns the fault.
int32_t ofa_note_fault(ofa_picture_notes *notes, int32_t fault, const char *text);

/// Counts a warning and keeps the first text.
void ofa_note_warning(ofa_picture_notes *notes, const char *text);
