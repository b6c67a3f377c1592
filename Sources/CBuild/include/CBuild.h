// The commit from which this program was built.
#pragma once

/// Returns the first twelve digits of the commit, followed by "-dirty" if the work tree had
/// changes; "unknown" without git.
const char *ofa_build_commit(void);
