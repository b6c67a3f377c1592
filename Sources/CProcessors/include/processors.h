// Which processors a thread may use: Linux has calls for it that Swift's view of the C library
// leaves out.
#pragma once

/// Whether the calling thread may use a processor: 1 yes, 0 no or unknown.
int ofa_processor_allowed(int processor);

/// Lets the calling thread use these processors only; 1 when the kernel agreed, 0 when it did not
/// or cannot.
/// processors: (count)
int ofa_processors_allow(const int *processors, int count);
