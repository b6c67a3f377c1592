// Functions for this module only: they give decoded rows to a view, and note faults and warnings.
#pragma once
#include "include/pictures.h"

/// Takes the next row of the view's part, and writes the output rows for which all input rows were
/// taken. `row` is (view.width, components), and one more byte after its end must be readable.
void ofa_view_take(ofa_picture_view *view, int32_t components, const uint8_t *row);

/// Stores a fault and its text in `notes`, unless a fault is already stored. Returns the stored
/// fault.
int32_t ofa_note_fault(ofa_picture_notes *notes, int32_t fault, const char *text);

/// Counts a warning, and stores its text if it is the first.
void ofa_note_warning(ofa_picture_notes *notes, const char *text);
