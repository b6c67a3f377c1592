// LaneFloors: the position in each lane below which no job is available, so that claims skip dead
// index entries. Claimed jobs leave dead entries at the front of the index; while an old snapshot
// prevents their removal, scanning from the start would become slower and slower.

/// The floors of all lanes of one queue. Positions are `seq` of table live, which only grows.
struct LaneFloors: Sendable {
    /// A lane's floor and its pending mark.
    private struct Place: Sendable {
        var floor: Int64 = 0
        /// Becomes the floor once every transaction that was running when it was recorded has
        /// ended.
        var mark: Int64 = 0
        var horizon: Int64?
    }

    /// A check in the database: nothing is available in the lane from `floor` up to `mark`.
    struct Check: Equatable, Sendable {
        let lane: Int
        let floor: Int64
        let mark: Int64
    }

    /// How far a lane must advance before its floor follows.
    static let stride: Int64 = 256

    private var places: [Int: Place] = [:]

    /// The lanes with a floor, and their floors.
    var known: (lanes: [Int64], floors: [Int64]) {
        let raised = places.filter { $0.value.floor > 0 }.sorted { $0.key < $1.key }
        return (raised.map { Int64($0.key) }, raised.map(\.value.floor))
    }

    /// Records where a claim found the first job of a lane; returns the check required before the
    /// floor can advance.
    ///
    /// `horizon` (xmax) is the first transaction id not yet assigned, `finished` (xmin) the one
    /// before which all have ended, so that everything they left available below `first` is
    /// visible.
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

    /// Raises a floor after its check found nothing below.
    mutating func raise(_ check: Check) {
        places[check.lane, default: Place()].floor = check.mark
    }

    /// Resets the floor of a lane after a job was found below it.
    mutating func forget(lane: Int, above place: Int64) {
        if let known = places[lane], place < known.floor { places[lane] = nil }
    }

    /// Resets all floors: the next claim reads from the start.
    mutating func reset() { places = [:] }
}
