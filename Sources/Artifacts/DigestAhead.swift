// The SHA-256 of a stream of pieces, each computed beside its owner, on a thread of its own.

/// Computes a digest while its owner reads or writes the next piece. Only one thread at a time may use this class.
final class DigestAhead {
    /// The stream, which one thread at a time uses.
    private final class Sum: @unchecked Sendable {
        // Safe because a piece is added only after the thread that added the piece before has ended.
        private var stream = DigestStream()

        func update(_ bytes: [UInt8]) { stream.update(bytes) }

        /// Returns the digest of all pieces, and begins anew.
        func digest() -> Digest {
            var full = DigestStream()
            swap(&full, &stream)
            return full.digest()
        }
    }

    private let sum = Sum()
    private var last: Ahead<Void>?
    /// Pieces of at least this many bytes are hashed on a thread.
    private static let longBytes = 1 << 16

    // A process that exits after an error must have no thread left, because libcrypto frees its state at exit.
    deinit { last?.join() }

    /// Adds a piece. Returns at once if the piece before has been hashed.
    func update(_ bytes: [UInt8]) {
        last?.join()
        last = nil
        if bytes.count < Self.longBytes { return sum.update(bytes) }
        last = Ahead(isLong: true) { [sum] in sum.update(bytes) }
    }

    /// Returns the digest of all pieces.
    func digest() -> Digest {
        last?.join()
        last = nil
        return sum.digest()
    }
}
