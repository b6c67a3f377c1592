// Compiles in commit.h, which the plugin CommitHeader rewrites before a build where the commit has
// changed. A change compiles this file and links; no Swift module is built again for it.
#include "CBuild.h"

#if __has_include("commit.h")
#include "commit.h"
#else
#define OFA_COMMIT "unknown"
#endif

const char *ofa_build_commit(void) { return OFA_COMMIT; }
