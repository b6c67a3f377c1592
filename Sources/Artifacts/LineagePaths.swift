// The shortest paths from one artifact down to another: a breadth-first search from both ends. An
// artifact has a larger number than every artifact it was made from, so the search visits only
// numbers between the two ends.

import Postgres
import Schema

/// The shortest paths between two artifacts.
public struct LineagePaths: Sendable, Equatable {
    /// Some of the shortest paths, each as its edges from the ancestor to the descendant. Several
    /// edges between the same artifacts become one, whose role lists all roles.
    public let paths: [[LineageGraph.Edge]]
    /// The artifacts of `paths`, by number.
    public let artifacts: [ArtifactID: Artifact]
    /// The number of shortest paths; at least so many if `isCountOpen`.
    public let count: Int
    /// Whether there may be further shortest paths. The search counts no more than `countedPaths` or `most` if both
    /// ends have thousands of neighbours.
    public let isCountOpen: Bool
}

extension Lineage {
    /// The default limit on the number of artifacts that a search for a path reads.
    public static let usualReach = 200_000
    /// How many paths between two artifacts with thousands of neighbours each are counted.
    static let countedPaths = 1000

    /// Returns at most `most` of the shortest paths from `ancestor` down to `descendant`; nil if
    /// there is none. If both are the same artifact, the path has no edges. Errors: `notFound`;
    /// `tooLarge` if the search reads more than `reach` artifacts.
    public func paths(
        from ancestor: ArtifactID, to descendant: ArtifactID, most: Int = 1,
        reach: Int = usualReach
    ) throws -> LineagePaths? {
        let store = ArtifactStore(connection)
        let ends = try [store.get(ancestor), store.get(descendant)]
        guard ancestor != descendant else {
            return LineagePaths(
                paths: [[]], artifacts: [ancestor: ends[0]], count: 1, isCountOpen: false)
        }
        guard ancestor < descendant else { return nil }
        var search = PathSearch(
            ancestor.rawValue, descendant.rawValue, reach: reach,
            counted: max(most, Self.countedPaths))
        let direct = try connection.query(
            .lineageEdge(output: descendant.rawValue, input: ancestor.rawValue))
        if direct.isEmpty {
            guard try search.run({ try plannedQuery($0) }) else { return nil }
        } else {
            search.meet(directly: try direct.map { try $0.text("role") })
        }
        let paths = search.paths(most: most)
        let ids = Set(paths.joined().flatMap { [$0.input, $0.output] })
        let rows = try connection.query(
            .lineageArtifacts(detailed: false, artifacts: ids.map(\.rawValue)))
        let known = try rows.map { try Artifact($0) }
        return LineagePaths(
            paths: paths,
            artifacts: Dictionary(known.map { ($0.id, $0) }) { first, _ in first },
            count: search.count, isCountOpen: search.isCountOpen)
    }
}

/// A breadth-first search from both ends. `depth` and `links` have either all artifacts of a level
/// or none.
private struct PathSearch {
    /// One direction of the search.
    private struct Side {
        /// The artifact at which this side begins, and the artifact that it searches for.
        let start, bound: Int64
        let isUp: Bool
        var frontier: [Int64]
        var depth: [Int64: Int]
        var level = 0
        /// For each artifact that was reached: its neighbours one step nearer to `start`, with
        /// their roles.
        var links: [Int64: [Int64: [String]]] = [:]
        /// For each artifact whose neighbours were read: its neighbours in the direction of the
        /// search.
        var next: [Int64: [(id: Int64, role: String)]] = [:]
        /// How many artifacts beyond the frontier the next request may read: more each time, so
        /// that a long chain takes few requests.
        var ahead = 64
        /// The largest number of rows of a request.
        var rows = 4000
        /// Whether the last request could not read all neighbours of the frontier, because there
        /// are too many.
        var isWide = false

        init(_ start: Int64, bound: Int64, isUp: Bool) {
            (self.start, self.bound, self.isUp) = (start, bound, isUp)
            frontier = [start]
            depth = [start: 0]
        }

        /// Reads the neighbours of the frontier. Sets `isWide` and reads nothing if there are too
        /// many.
        mutating func load(_ ask: (Request) throws -> [Row]) throws {
            let missing = frontier.filter { next[$0] == nil }
            if missing.isEmpty { return }
            let found = try ask(request(missing, ahead: missing.count + ahead))
            var read: [Int64: [(id: Int64, role: String)]] = [:]
            for row in found {
                read[try row.int64("id"), default: []] +=
                    try row.optionalInt64("next_id").map { [($0, try row.text("role"))] } ?? []
            }
            // If the request reached its limit of rows, the rows of the last artifact may be
            // incomplete.
            if found.count >= rows, let last = found.last { read[try last.int64("id")] = nil }
            isWide = missing.contains { read[$0] == nil }
            if isWide { return }
            next.merge(read) { first, _ in first }
            ahead = min(2 * ahead, 4096)
        }

        private func request(_ artifacts: [Int64], ahead: Int) -> Request {
            isUp
                ? .lineageStepUp(artifacts: artifacts, bound: bound, most: rows, ahead: ahead)
                : .lineageStepDown(artifacts: artifacts, most: rows, bound: bound, ahead: ahead)
        }

        /// Records that an artifact is one step beyond an artifact of the frontier.
        mutating func link(_ id: Int64, to other: Int64, _ role: String) {
            depth[id] = level + 1
            links[id, default: [:]][other, default: []] += [role]
        }

        /// Moves on by one level.
        mutating func advance() {
            level += 1
            var reached: [Int64] = []
            for id in frontier {
                for (other, role) in next[id] ?? [] {
                    if depth[other] == nil {
                        depth[other] = level
                        reached.append(other)
                    }
                    if depth[other] == level {
                        links[other, default: [:]][id, default: []] += [role]
                    }
                }
            }
            frontier = reached
        }
    }

    private var up, down: Side
    private var meeting: [Int64] = []
    /// Whether `meeting` may lack artifacts.
    private(set) var isCountOpen = false
    private let reach, counted: Int

    init(_ ancestor: Int64, _ descendant: Int64, reach: Int, counted: Int) {
        up = Side(descendant, bound: ancestor, isUp: true)
        down = Side(ancestor, bound: descendant, isUp: false)
        (self.reach, self.counted) = (reach, counted)
    }

    /// Records that the descendant was made directly from the ancestor.
    mutating func meet(directly roles: [String]) {
        up.level = 1
        up.depth[down.start] = 1
        up.links[down.start] = [up.start: roles]
        meeting = [down.start]
    }

    /// Searches, one level of the side with the smaller frontier at a time; returns whether the
    /// sides met.
    mutating func run(_ ask: (Request) throws -> [Row]) throws -> Bool {
        while !up.frontier.isEmpty && !down.frontier.isEmpty {
            if up.isWide && down.isWide {
                if try meetBetween(ask) { return true }
                (up.isWide, down.isWide) = (false, false)
                up.rows *= 8
                down.rows *= 8
            }
            let isUp =
                down.isWide || !up.isWide && up.frontier.count <= down.frontier.count
            try step(isUp ? \.up : \.down, ask)
            let other = isUp ? down.depth : up.depth
            meeting = (isUp ? up : down).frontier.filter { other[$0] != nil }
            if !meeting.isEmpty { return true }
            guard up.next.count + down.next.count <= reach else {
                throw ArtifactsError(
                    .tooLarge,
                    "no path was found among \(up.next.count + down.next.count) artifacts",
                    remedy: "raise --limit to search further")
            }
        }
        return false
    }

    /// Lets the server look for artifacts between the two frontiers; returns whether it found more than are counted,
    /// so that the neighbours of the frontiers need not be read.
    private mutating func meetBetween(_ ask: (Request) throws -> [Row]) throws -> Bool {
        // An edge from one frontier to the other is shorter; at the start there is none.
        if up.level + down.level > 0 {
            let (outputs, inputs) = (Set(up.frontier), Set(down.frontier))
            let edges = try ask(
                .lineageEdges(
                    artifacts: up.frontier + down.frontier, most: counted + 1, hidden: nil)
            )
            let isAdjacent = try edges.contains {
                try outputs.contains($0.int64("output_id"))
                    && inputs.contains($0.int64("input_id"))
            }
            if isAdjacent { return false }
        }
        let found = try ask(
            .lineageMeeting(
                below: up.frontier, bound: down.start, most: counted + 1, above: down.frontier))
        guard found.count > counted else { return false }
        for row in found {
            let id = try row.int64("id")
            up.link(id, to: try row.int64("output_id"), try row.text("output_role"))
            down.link(id, to: try row.int64("input_id"), try row.text("input_role"))
        }
        (meeting, isCountOpen) = (Array(Set(try found.map { try $0.int64("id") })), true)
        return true
    }

    private mutating func step(
        _ side: WritableKeyPath<Self, Side>, _ ask: (Request) throws -> [Row]
    ) throws {
        try self[keyPath: side].load(ask)
        if !self[keyPath: side].isWide { self[keyPath: side].advance() }
    }

    /// The number of shortest paths; at most `Int.max`.
    var count: Int {
        var upCounts: [Int64: Int] = [up.start: 1], downCounts: [Int64: Int] = [down.start: 1]
        return meeting.reduce(0) { sum, id in
            let (product, overflows) = Self.paths(id, up, &upCounts).multipliedReportingOverflow(
                by: Self.paths(id, down, &downCounts))
            let total = sum.addingReportingOverflow(product)
            return overflows || total.overflow ? .max : total.partialValue
        }
    }

    /// Returns the number of shortest paths from `id` back to the start of a side.
    private static func paths(_ id: Int64, _ side: Side, _ known: inout [Int64: Int]) -> Int {
        // This uses a stack instead of recursion, because a chain of artifacts may be long. The
        // loop ends, because links lead to smaller depths.
        var stack = [id]
        while let one = stack.last {
            if known[one] != nil {
                stack.removeLast()
                continue
            }
            let links = (side.links[one] ?? [:]).keys
            let missing = links.filter { known[$0] == nil }
            if missing.isEmpty {
                known[one] = links.reduce(0) {
                    let sum = $0.addingReportingOverflow(known[$1] ?? 0)
                    return sum.overflow ? .max : sum.partialValue
                }
                stack.removeLast()
            } else {
                stack += missing
            }
        }
        return known[id] ?? 0
    }

    /// Returns at most `most` of the shortest paths, in the order of their artifacts' numbers.
    func paths(most: Int) -> [[LineageGraph.Edge]] {
        var paths: [[LineageGraph.Edge]] = []
        for middle in meeting.sorted() {
            let room = most - paths.count
            if room <= 0 { break }
            let before = Self.walks(from: middle, down, most: room)
            let after = Self.walks(from: middle, up, most: room)
            for first in before {
                for last in after where paths.count < most {
                    paths.append(first.reversed() + last)
                }
            }
        }
        return paths
    }

    /// Returns at most `most` ways from an artifact back to the start of a side. Each way lists its
    /// edges in the order of this walk; every edge points from the ancestor to the descendant.
    private static func walks(from id: Int64, _ side: Side, most: Int) -> [[LineageGraph.Edge]] {
        var finished: [[LineageGraph.Edge]] = []
        var stack: [(id: Int64, edges: [LineageGraph.Edge])] = [(id, [])]
        while let (one, edges) = stack.popLast(), finished.count < most {
            if one == side.start {
                finished.append(edges)
                continue
            }
            for (next, roles) in (side.links[one] ?? [:]).sorted(by: { $0.key > $1.key }) {
                let (input, output) = side.isUp ? (one, next) : (next, one)
                let edge = LineageGraph.Edge(
                    input: ArtifactID(rawValue: input), output: ArtifactID(rawValue: output),
                    role: Set(roles).sorted().joined(separator: ", "))
                stack.append((next, edges + [edge]))
            }
        }
        return finished
    }
}
