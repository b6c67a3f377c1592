// Thread affinity on Linux. On other systems both functions return 0.
#define _GNU_SOURCE
#include "processors.h"

#ifdef __linux__
#include <sched.h>

int ofa_processor_allowed(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
  return processor >= 0 && processor < CPU_SETSIZE && CPU_ISSET(processor, &set);
}

int ofa_processors_allow(const int *processors, int count) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int i = 0; i < count; i++) {
    if (processors[i] >= 0 && processors[i] < CPU_SETSIZE) CPU_SET(processors[i], &set);
  }
  return sched_setaffinity(0, sizeof set, &set) == 0;
}
#else
int ofa_processor_allowed(int processor) {
  (void)processor;
  return 0;
}

int ofa_processors_allow(const int *processors, int count) {
  (void)processors;
  (void)count;
  return 0;
}
#endif
