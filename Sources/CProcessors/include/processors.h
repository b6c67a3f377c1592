// Thread affinity through Linux calls that Swift's import of the C library lacks.
#pragma once

/// Whether the calling thread may use a processor: 1 yes, 0 no or unknown.
int ofa_processor_allowed(int processor);

/// Restricts the calling thread to these processors; 1 on success, 0 if the kernel refuses or
/// cannot. processors: (count)
int ofa_processors_allow(const int *processors, int count);
