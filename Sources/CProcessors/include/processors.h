// Thread affinity through Linux calls that Swift's import of the C library lacks.
#pragma once

/// Returns 1 if the calling thread may use processor number `processor`, 0 if it may not, or if the
/// system does not say.
int ofa_processor_allowed(int processor);

/// Restricts the calling thread to the `count` processors in `processors`. Returns 1 on success, 0
/// if the kernel refuses or the system is not Linux.
int ofa_processors_allow(const int *processors, int count);
