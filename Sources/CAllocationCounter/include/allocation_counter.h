// Counts the allocations of chosen threads, for tests that assert there are none.
#pragma once
#include <stdint.h>

/// Whether allocations can be counted on this platform: with glibc only, whose own functions stay
/// callable beside ours.
int ofa_allocations_countable(void);

/// Starts (1) or stops (0) counting the allocations of the calling thread.
void ofa_allocations_watch(int watched);

/// The number of allocations of watched threads since the last call.
int64_t ofa_allocations_taken(void);
