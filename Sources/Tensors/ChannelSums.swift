// The sums that an operator computes while it writes a map, and the handle that refers to them.

/// Refers to the two sums per channel that an operator computed. The engine keeps the sums of the last
/// four operators that computed sums, so a handle expires when the fourth such operator after it begins.
public struct ChannelSums: Equatable, Sendable {
    /// The engine's slot for the sums, and the serial number of the sums in the slot.
    let slot, serial: Int
    /// Offset of the first sum in the slot.
    let offset: Int
    /// Channels of the map.
    public let channels: Int

    /// Returns the handle of a part of these sums: the two sums for each of `channels` channels that start at sum
    /// `offset`. An operator that sums over several maps returns one part per map.
    func part(offset: Int, channels: Int) -> ChannelSums {
        ChannelSums(slot: slot, serial: serial, offset: self.offset + offset, channels: channels)
    }
}

/// The per-channel sums of the last four operators that computed sums, and the partial sums of each thread.
final class SumSlots {
    private static let slots = 4
    private let threads: Int
    private var totals: [UnsafeMutablePointer<Double>] = []
    private var others: [UnsafeMutablePointer<Double>] = []
    private var serials = [Int](repeating: 0, count: slots)
    private var next = 0
    private var capacity = 0

    init(threads: Int) { self.threads = threads }

    deinit {
        for pointer in totals + others { pointer.deallocate() }
    }

    /// Grows every slot to two sums for each of `channels` channels; existing sums stay valid.
    func reserve(_ channels: Int) {
        let channels = max(channels, 1)
        guard channels > capacity else { return }
        let old = totals
        totals = (0..<Self.slots).map { _ in .allocate(capacity: 2 * channels) }
        for slot in 0..<Self.slots {
            totals[slot].initialize(repeating: 0, count: 2 * channels)
            if slot < old.count { totals[slot].update(from: old[slot], count: 2 * capacity) }
        }
        for pointer in old + others { pointer.deallocate() }
        others = (1..<max(threads, 1)).map { _ in .allocate(capacity: 2 * channels) }
        capacity = channels
    }

    /// Returns the handle of new sums, which replace the oldest result.
    func take(_ channels: Int) -> ChannelSums {
        reserve(channels)
        next = (next + 1) % Self.slots
        serials[next] += 1
        return ChannelSums(slot: next, serial: serials[next], offset: 0, channels: channels)
    }

    /// Returns the array for the partial sums of thread `thread`; the array of thread 0 becomes the total.
    func array(_ sums: ChannelSums, thread: Int) -> UnsafeMutablePointer<Double> {
        thread == 0 ? totals[sums.slot] : others[thread - 1]
    }

    /// Returns the sums of a handle. Traps if the handle has expired.
    func values(_ sums: ChannelSums) -> UnsafePointer<Double> {
        precondition(
            serials[sums.slot] == sums.serial,
            "sums of \(sums.channels) channels were read after too many others had been taken")
        return UnsafePointer(totals[sums.slot] + sums.offset)
    }
}
