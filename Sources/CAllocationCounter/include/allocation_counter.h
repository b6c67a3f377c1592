// Counts the allocations of chosen threads, for tests that say there are none.
#pragma once
#include <stdint.h>

/// Whether allocations can be counted here: with glibc, whose own functions stay reachable beside
/// ours.
int ofa_allocations_countable(void);

/// Begins (1) or ends (0) to count the allocations of the calling thread.
void ofa_allocations_watch(int watched);

/// How many allocations the watched threads made since this was last asked.
int64_t ofa_allocations_taken(void);
