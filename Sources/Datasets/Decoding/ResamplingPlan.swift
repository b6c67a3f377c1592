// The weights of one axis of a view, and the part of the picture that they read.
import CPictures

/// Plans the resampling of one axis; its memory is reused.
final class ResamplingPlan {
    private let places = PictureMemory<Int32>(zero: 0)
    private let weights = PictureMemory<Int32>(zero: 0)
    /// The plan; its pointers are valid until the next `set`.
    private(set) var axis = ofa_axis()
    /// The samples of the picture that are read.
    private(set) var part = 0..<0

    /// Plans `count` outputs from number `from` on, of the `resized` that the `length` samples from
    /// `start` on become. Mirroring applies to a resampled axis only.
    func set(
        start: Int, length: Int, resized: Int, from: Int, count: Int, isMirrored: Bool = false
    ) {
        axis = ofa_axis()
        axis.count = Int32(count)
        guard length != resized else {
            part = start + from..<start + from + count
            return
        }
        guard let first = places.room(for: 2 * count).baseAddress else { return }
        let (n, m, from, outputs) = (Int64(length), Int64(resized), Int64(from), Int32(count))
        let lengths = first + count, mirrored: Int32 = isMirrored ? 1 : 0
        let taps = ofa_axis_windows(n, m, from, outputs, mirrored, first, lengths)
        guard let table = weights.room(for: Int(taps) * count).baseAddress else { return }
        ofa_axis_weights(n, m, from, outputs, mirrored, taps, first, lengths, table)
        // Windows move in one direction, so the two ends bound all of them.
        let lowest = min(first[0], first[count - 1])
        let end = max(first[0], first[count - 1]) + taps
        for x in 0..<count { first[x] -= lowest }
        part = start + Int(lowest)..<start + Int(end)
        axis.taps = taps
        axis.first = UnsafePointer(first)
        axis.weights = UnsafePointer(table)
    }
}
