// HashSplit: divides a data set that has no parts into train and val. Whether a picture is held out
// depends only on its name and a seed, so adding pictures does not move other pictures to another
// part.

/// A split of samples into `train` and `val` by a hash of their names.
public struct HashSplit: Sendable, Equatable, Codable {
    /// The expected share of samples that become `val`, at least 0 and below 1.
    public let heldOut: Double
    /// The seed of the hash; with another seed, other samples are held out.
    public let seed: UInt64

    /// Takes the share, at least 0 and below 1, and the seed.
    public init(heldOut: Double, seed: UInt64) {
        precondition(heldOut >= 0 && heldOut < 1, "a share of \(heldOut) cannot be held out")
        self.heldOut = heldOut
        self.seed = seed
    }

    /// Returns the part of a sample: `val` if `h / 2^64 < heldOut`, else `train`, where `h` is the digest of the seed
    /// (8 bytes, little endian) and the name. The name of a picture in a folder is its path below the root, which
    /// begins with the class. The name of a sample in an archive is the archive's path, a slash and the sample's key.
    public func part(of name: ByteName) -> DatasetPart {
        var digest = NameDigest()
        digest.add(seed)
        digest.add(name.bytes)
        return Double(digest.value >> 11) * 0x1p-53 < heldOut ? .val : .train
    }
}

/// A digest of names that is equal on every machine: 64-bit FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv). At the
/// end, the finaliser of MurmurHash3 mixes the bits, because the high bits of FNV-1a depend little on the last bytes.
struct NameDigest {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    /// Adds bytes.
    mutating func add(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }

    /// Adds a number as 8 bytes, little endian.
    mutating func add(_ number: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            add(CollectionOfOne(UInt8(truncatingIfNeeded: number >> shift)))
        }
    }

    /// The digest of the bytes and numbers added so far.
    var value: UInt64 {
        var mixed = state
        mixed = (mixed ^ mixed >> 33) &* 0xFF51_AFD7_ED55_8CCD
        mixed = (mixed ^ mixed >> 33) &* 0xC4CE_B9FE_1A85_EC53
        return mixed ^ mixed >> 33
    }
}
