// The resampling weights of one axis of a view, and the range of rows or columns that is read.
import CPictures

/// Plans the resampling of one axis; the memory is reused for the next plan.
final class ResamplingPlan {
    private let places = PictureMemory<Int32>(zero: 0)
    private let weights = PictureMemory<Int32>(zero: 0)
    /// The plan; its pointers are valid until the next `set`.
    private(set) var axis = ofa_axis()
    /// The rows or columns of the picture that are read.
    private(set) var part = 0..<0

    /// Plans one axis. The `length` samples from `start` on are resampled to `resized` outputs, of which only `count`
    /// are computed, from output `from` on. `isMirrored` has an effect only if `length` and `resized` differ.
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
        // The windows advance in one direction, so the first and the last window bound the range of all windows.
        let lowest = min(first[0], first[count - 1])
        let end = max(first[0], first[count - 1]) + taps
        for x in 0..<count { first[x] -= lowest }
        part = start + Int(lowest)..<start + Int(end)
        axis.taps = taps
        axis.first = UnsafePointer(first)
        axis.weights = UnsafePointer(table)
    }
}
