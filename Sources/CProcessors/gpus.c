// Energy counters of GPUs. The functions of NVML are looked up by name (NVML API Reference:
// nvmlInit_v2, nvmlDeviceGetCount_v2, nvmlDeviceGetHandleByIndex_v2, nvmlDeviceGetName,
// nvmlDeviceGetTotalEnergyConsumption, nvmlShutdown); each returns 0 on success.
#include "gpus.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { most_gpus = 64, name_length = 96 };

struct ofa_gpus {
  void *library;
  int (*shutdown)(void);
  int (*energy)(void *, unsigned long long *);
  int count;
  void *devices[most_gpus];
  char names[most_gpus][name_length];
};

// Looks `name` up and stores its address in `function`, a pointer to a pointer to a function.
static int find(void *library, const char *name, void *function) {
  void *address = dlsym(library, name);
  memcpy(function, &address, sizeof address);
  return address != NULL;
}

int64_t ofa_gpus_millijoules(const struct ofa_gpus *gpus, int index) {
  unsigned long long energy = 0;
  if (index < 0 || index >= gpus->count) return -1;
  if (gpus->energy(gpus->devices[index], &energy) != 0 || energy > INT64_MAX) return -1;
  return (int64_t)energy;
}

// Keeps the devices whose counter can be read.
static void find_devices(struct ofa_gpus *gpus, unsigned count,
                         int (*handle)(unsigned, void **), int (*name)(void *, char *, unsigned)) {
  for (unsigned device = 0; device < count && gpus->count < most_gpus; device++) {
    int place = gpus->count;
    if (handle(device, &gpus->devices[place]) != 0) continue;
    char *text = gpus->names[place];
    if (name(gpus->devices[place], text, name_length) != 0) {
      snprintf(text, name_length, "GPU %u", device);
    }
    text[name_length - 1] = 0;
    gpus->count = place + 1;
    if (ofa_gpus_millijoules(gpus, place) < 0) gpus->count = place;
  }
}

struct ofa_gpus *ofa_gpus_open(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return NULL;
  struct ofa_gpus *gpus = calloc(1, sizeof *gpus);
  int (*init)(void), (*count)(unsigned *), (*handle)(unsigned, void **);
  int (*name)(void *, char *, unsigned);
  unsigned devices = 0;
  if (gpus == NULL || !find(library, "nvmlInit_v2", &init) ||
      !find(library, "nvmlShutdown", &gpus->shutdown) ||
      !find(library, "nvmlDeviceGetCount_v2", &count) ||
      !find(library, "nvmlDeviceGetHandleByIndex_v2", &handle) ||
      !find(library, "nvmlDeviceGetName", &name) ||
      !find(library, "nvmlDeviceGetTotalEnergyConsumption", &gpus->energy) || init() != 0) {
    free(gpus);
    dlclose(library);
    return NULL;
  }
  gpus->library = library;
  if (count(&devices) == 0) find_devices(gpus, devices, handle, name);
  if (gpus->count > 0) return gpus;
  ofa_gpus_close(gpus);
  return NULL;
}

int ofa_gpus_count(const struct ofa_gpus *gpus) { return gpus->count; }

void ofa_gpus_name(const struct ofa_gpus *gpus, int index, char *name, int length) {
  if (length < 1) return;
  snprintf(name, (size_t)length, "%s", gpus->names[index]);
}

void ofa_gpus_close(struct ofa_gpus *gpus) {
  gpus->shutdown();
  dlclose(gpus->library);
  free(gpus);
}
