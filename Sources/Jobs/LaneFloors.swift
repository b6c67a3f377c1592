// LaneFloors: the position in each lane below which no job is available, so that claims skip dead
// index entries. A lane has the jobs of equal kind, queue, priority and requirements. Claimed jobs
// leave dead index entries at the start of their lane. While an old snapshot prevents the removal
// of these entries, a scan from the start of the lane would become slower and slower.

/// The floors of all lanes of one database. A position is the `seq` of a row of table live; later
/// rows have higher positions.
struct LaneFloors: Sendable {
    /// A lane's floor, and the position that may become its next floor (the mark).
    private struct Place: Sendable {
        var floor: Int64 = 0
        /// A position that may become the floor. It is checked after the end of all transactions
        /// that were running when it was recorded.
        var mark: Int64 = 0
        var horizon: Int64?
    }

    /// A check to be made in the database: whether no job is available in the lane from `floor` up
    /// to, but not including, `mark`.
    struct Check: Equatable, Sendable {
        let lane: Int
        let floor: Int64
        let mark: Int64
    }

    /// A floor is raised only if the first job that a claim finds lies at least this far above it.
    static let stride: Int64 = 256

    private var places: [Int: Place] = [:]

    /// The lanes that have a floor above 0, and their floors.
    var known: (lanes: [Int64], floors: [Int64]) {
        let raised = places.filter { $0.value.floor > 0 }.sorted { $0.key < $1.key }
        return (raised.map { Int64($0.key) }, raised.map(\.value.floor))
    }

    /// Records the position `first` of the first job that a claim found in a lane. Returns the
    /// check that must succeed before the floor is raised, or nil if no check is due.
    ///
    /// `horizon` (xmax of the claim's snapshot) is the first transaction id not yet assigned; all
    /// transactions before `finished` (xmin of the snapshot) have ended. A mark is recorded with
    /// the current horizon, and checked once `finished` has reached that horizon. By then, all
    /// transactions from before that horizon have ended, so the check sees all jobs that they made
    /// available below the mark.
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

    /// Raises a floor to the mark of a check that found no job below the mark.
    mutating func raise(_ check: Check) {
        places[check.lane, default: Place()].floor = check.mark
    }

    /// Resets the floor of a lane if a job was found at `place`, below the floor.
    mutating func forget(lane: Int, above place: Int64) {
        if let known = places[lane], place < known.floor { places[lane] = nil }
    }

    /// Resets all floors: the next claim reads from the start.
    mutating func reset() { places = [:] }
}
