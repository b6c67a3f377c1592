// Sums that an operator takes while it writes a map, and the handle by which a norm finds them.

/// The handle of two sums a channel that an operator left on its engine; good until the engine has taken a few more.
public struct ChannelSums: Equatable, Sendable {
    /// Where the engine keeps them, and which of the sums kept there they are.
    let slot, serial: Int
    /// Where they begin, in numbers.
    let offset: Int
    /// Channels of the map.
    public let channels: Int

    /// The part of sums over several maps that is for `channels` channels from number `offset` on.
    func part(offset: Int, channels: Int) -> ChannelSums {
        ChannelSums(slot: slot, serial: serial, offset: self.offset + offset, channels: channels)
    }
}

/// The places of the last sums, which take turns, and what each thread sums by itself.
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

    /// Makes room for two sums of `channels` channels; what was summed stays.
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

    /// A slot for new sums; what was there is gone.
    func take(_ channels: Int) -> ChannelSums {
        reserve(channels)
        next = (next + 1) % Self.slots
        serials[next] += 1
        return ChannelSums(slot: next, serial: serials[next], offset: 0, channels: channels)
    }

    /// Where thread `thread` sums; the first thread's is the total.
    func array(_ sums: ChannelSums, thread: Int) -> UnsafeMutablePointer<Double> {
        thread == 0 ? totals[sums.slot] : others[thread - 1]
    }

    /// The sums; a handle that is too old is a programmer's error.
    func values(_ sums: ChannelSums) -> UnsafePointer<Double> {
        precondition(
            serials[sums.slot] == sums.serial,
            "sums of \(sums.channels) channels were read after too many others had been taken")
        return UnsafePointer(totals[sums.slot] + sums.offset)
    }
}
