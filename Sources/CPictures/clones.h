// CLONES: an attribute that builds a function for several instruction sets; the loader chooses one.
#pragma once

#if defined(CLONES)
// A build for tests of a single instruction set may define CLONES as empty.
#elif defined(__x86_64__) && defined(__linux__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif
