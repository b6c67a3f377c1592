/* Kernels: see kernels.h */
