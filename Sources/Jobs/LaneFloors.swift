// LaneFloors: from where a claim reads each lane. Claimed jobs leave dead entries at the front of the index;
// while an old transaction keeps them from being removed, reading from the start would take longer and longer.
// A lane is read from a place below which nothing can be available any more.

/// From where the lanes of one queue are read; places are `seq` of table live, which only grow.
struct LaneFloors: Sendable {
    /// A lane's place.
    private struct Place: Sendable {
        var floor: Int64 = 0
        /// Becomes the floor when every transaction that ran when it was noted has ended.
        var mark: Int64 = 0
        var horizon: Int64?
    }

    /// A question to the database: is there nothing available in the lane from `floor` up to `mark`?
    struct Check: Equatable, Sendable {
        let lane: Int
        let floor: Int64
        let mark: Int64
    }

    /// How far a lane has to get on before its floor follows.
    static let stride: Int64 = 256

    private var places: [Int: Place] = [:]

    /// The lanes with a floor, and their floors.
    var known: (lanes: [Int64], floors: [Int64]) {
        let raised = places.filter { $0.value.floor > 0 }.sorted { $0.key < $1.key }
        return (raised.map { Int64($0.key) }, raised.map(\.value.floor))
    }

    /// Notes where a claim found the first job of a lane; returns what has to be asked before the floor follows.
    ///
    /// `horizon` is the first transaction number that had not begun, `finished` the one before which
    /// all have ended: what they left available below the place is visible by then.
    mutating func note(lane: Int, first: Int64, horizon: Int64, finished: Int64) -> Check? {
        var place = places[lane] ?? Place()
        defer { places[lane] = place }
        if let noted = place.horizon {
            guard noted <= finished else { return nil }
            place.horizon = nil
            return Check(lane: lane, floor: place.floor, mark: place.mark)
        }
        if first - place.floor >= Self.stride {
            place.mark = first
            place.horizon = horizon
        }
        return nil
    }

    /// Raises a floor after its check has found nothing below.
    mutating func raise(_ check: Check) {
        places[check.lane, default: Place()].floor = check.mark
    }

    /// Forgets the floor of a lane where something was found below it.
    mutating func forget(lane: Int, above place: Int64) {
        if let known = places[lane], place < known.floor { places[lane] = nil }
    }

    /// Forgets all floors: the next claim reads from the start.
    mutating func reset() { places = [:] }
}
