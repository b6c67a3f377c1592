// The commit this program was built from.
#pragma once

/// Twelve hexadecimal digits, with "-dirty" behind them where files differed from it; "unknown"
/// without git.
const char *ofa_build_commit(void);
