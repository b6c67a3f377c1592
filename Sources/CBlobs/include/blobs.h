// The filter of stored weights: groups bits of 32-bit elements by position, and reverses that.
//
// The functions allocate nothing; several threads may call them at the same time.
#pragma once
#include <stdint.h>

/// Shuffles the bits of `bytes` bytes of 32-bit elements, in blocks of 2,048 elements.
///
/// A block of n elements becomes 32 planes of n bits, lowest bit first: bit p of element e becomes
/// bit e % 32 of word e / 32 of plane p. The last block may be shorter; what follows its last
/// multiple of 32 elements is copied.
/// `in`, `out`: (bytes), not overlapping, of any alignment.
void ofa_bit_shuffle(const uint8_t *in, int64_t bytes, uint8_t *out);

/// Reverses `ofa_bit_shuffle`.
/// `in`, `out`: (bytes), not overlapping, of any alignment.
void ofa_bit_unshuffle(const uint8_t *in, int64_t bytes, uint8_t *out);
