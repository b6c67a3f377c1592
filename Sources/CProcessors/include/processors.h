// Thread affinity through Linux calls that Swift's import of the C library lacks.
#pragma once

/// Returns 1 if the calling thread may run on processor number `processor`. Returns 0 if the thread
/// may not, or if the system does not report it.
int ofa_processor_allowed(int processor);

/// Restricts the calling thread to the processors whose `count` numbers are in `processors`.
/// Returns 1 on success, 0 if the kernel refuses or the system is not Linux.
int ofa_processors_allow(const int *processors, int count);
