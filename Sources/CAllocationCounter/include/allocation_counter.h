// Counts memory allocations by thread. Tests use this to assert that a piece of work allocates
// nothing.
#pragma once
#include <stdint.h>

/// Returns 1 if allocations can be counted on this platform, else 0. Counting needs glibc, where
/// the original functions have second names, such as `__libc_malloc`.
int ofa_allocations_countable(void);

/// Starts (1) or stops (0) counting the allocations of the calling thread.
void ofa_allocations_watch(int watched);

/// Returns the number of allocations of watched threads since the last call of this function.
int64_t ofa_allocations_taken(void);
