// The energy counters of NVIDIA's GPUs, through the maker's management library (NVML), which is
// loaded when the program runs: neither headers nor the library are needed to build.
#pragma once
#include <stdint.h>

/// An open library with its devices.
struct ofa_gpus;

/// Loads the library `path` and finds the devices whose energy counter can be read. Returns NULL
/// if there is no such library, if it cannot be used, or if no device has a counter.
struct ofa_gpus *ofa_gpus_open(const char *path);

/// Returns the number of devices with a counter.
int ofa_gpus_count(const struct ofa_gpus *gpus);

/// Writes the name of device `index` to `name`, which has room for `length` bytes with the final 0.
void ofa_gpus_name(const struct ofa_gpus *gpus, int index, char *name, int length);

/// Returns the counter of device `index` in millijoules; -1 if it cannot be read.
int64_t ofa_gpus_millijoules(const struct ofa_gpus *gpus, int index);

/// Closes the library.
void ofa_gpus_close(struct ofa_gpus *gpus);
