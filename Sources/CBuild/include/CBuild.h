// The commit this program was built from.
#pragma once

/// Twelve hexadecimal digits, followed by "-dirty" if the work tree had changes; "unknown" without
/// git.
const char *ofa_build_commit(void);
