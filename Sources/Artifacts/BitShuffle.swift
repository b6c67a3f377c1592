// The filter that makes float32 weights compressible: it puts bit b of many neighbouring weights
// side by side.
//
// The signs and high exponent bits of neighbouring weights hardly vary; their mantissa bits are
// noise. Grouped by bit position, the signs and exponent bits become long repetitions that LZ4
// compresses well; the mantissa bits hardly shrink. Idea and layout: Masui et al., "A compression
// scheme for radio data in high performance computing", 2015 (bitshuffle).
//
// The loop is C (CBlobs/shuffle.c), built for several instruction sets.

import CBlobs

/// The bit shuffle of 32-bit elements, in blocks of 8 KiB.
public enum BitShuffle {
    /// The size of an element in bytes.
    public static let elementSize = 4

    /// Groups bits by position: a block of n elements becomes 32 planes of n bits, lowest bit
    /// first.
    ///
    /// Bit p of element e of a block becomes bit e % 32 of word e / 32 of plane p. The last block
    /// may be shorter; what follows its last multiple of 32 elements is copied unchanged.
    public static func shuffle(_ bytes: [UInt8]) -> [UInt8] {
        LZ4Frame.mapped(bytes) { ofa_bit_shuffle($0, $1, $2) }
    }

    /// Reverses `shuffle`.
    public static func unshuffle(_ planes: [UInt8]) -> [UInt8] {
        LZ4Frame.mapped(planes) { ofa_bit_unshuffle($0, $1, $2) }
    }
}
