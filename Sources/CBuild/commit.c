// Returns the commit that commit.h defines. The plugin CommitHeader rewrites commit.h before a
// build if the commit has changed. A new commit recompiles this file and relinks the programs, but
// recompiles no Swift module.
#include "CBuild.h"

#if __has_include("commit.h")
#include "commit.h"
#else
#define OFA_COMMIT "unknown"
#endif

const char *ofa_build_commit(void) { return OFA_COMMIT; }
