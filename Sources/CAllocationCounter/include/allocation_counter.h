// Counts the allocations of chosen threads, for tests that assert that there are none.
#pragma once
#include <stdint.h>

/// Returns whether allocations can be counted on this platform: only with glibc, whose own
/// functions can be called by other names (`__libc_malloc`).
int ofa_allocations_countable(void);

/// Starts (1) or stops (0) counting the allocations of the calling thread.
void ofa_allocations_watch(int watched);

/// Returns the number of allocations of watched threads since the last call.
int64_t ofa_allocations_taken(void);
