// The shortest paths of a lineage: compared with an exhaustive search, and on a long chain and a wide fan.

import Postgres
import TestSupport
import Testing

@testable import Artifacts

@Suite struct LineagePathsTests {
    private let database: TemporaryDatabase
    private let connection: Connection
    private let lineage: Lineage

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        lineage = Lineage(connection)
    }

    /// Inserts artifacts 1…count, each of an attempt with its number, and inputs: pairs of a token and what it read.
    private func insert(_ count: Int, _ inputs: [(token: Int, read: Int)]) throws {
        try connection.script(
            """
            insert into ofa.artifact (kind, name, role, digest, run_id, job_id, token, stage)
            select 'supernet', 'n' || i, 'supernet', sha256(i::text::bytea), 1, i, i, 'train'
            from generate_series(1, \(count)) i
            """)
        let pairs = inputs.map { "(\($0.token), \($0.read), 'supernet')" }
        for start in stride(from: 0, to: pairs.count, by: 5000) {
            let some = pairs[start..<min(start + 5000, pairs.count)].joined(separator: ",")
            try connection.script(
                "insert into ofa.artifact_input (token, artifact_id, role) values \(some) on conflict do nothing"
            )
        }
    }

    private func paths(_ from: Int, _ to: Int, most: Int = 1, reach: Int = Lineage.usualReach)
        throws
        -> LineagePaths?
    {
        try lineage.paths(
            from: ArtifactID(rawValue: Int64(from)), to: ArtifactID(rawValue: Int64(to)),
            most: most, reach: reach)
    }

    @Test("lengths and numbers of shortest paths are those of an exhaustive search")
    func random() throws {
        let count = 160
        var state: UInt64 = 5
        func draw(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var inputs: [Set<Int>] = Array(repeating: [], count: count + 1)
        for id in 2...count { for _ in 0..<(draw(4)) { inputs[id].insert(1 + draw(id - 1)) } }
        try insert(count, inputs.enumerated().flatMap { id, read in read.map { (id, $0) } })
        for _ in 0..<150 {
            let from = 1 + draw(count / 2), to = 1 + draw(count)
            // The number of shortest paths from `from` to each artifact, in the order of their numbers.
            var best: [Int: (length: Int, count: Int)] = [from: (0, 1)]
            for id in stride(from: from + 1, through: to, by: 1) {
                let before = inputs[id].compactMap { best[$0] }
                guard let length = before.map(\.length).min() else { continue }
                let ways = before.filter { $0.length == length }.reduce(0) { $0 + $1.count }
                best[id] = (length + 1, ways)
            }
            let found = try paths(from, to, most: 1000)
            #expect(found?.count == (to < from ? nil : best[to]?.count), "\(from) \(to)")
            guard let found else { continue }
            #expect(found.paths.count == found.count && Set(found.paths).count == found.count)
            for path in found.paths {
                #expect(path.count == best[to]?.length)
                var last = from
                for edge in path {
                    #expect(edge.input.rawValue == last)
                    last = Int(edge.output.rawValue)
                    #expect(inputs[last].contains(Int(edge.input.rawValue)))
                }
                #expect(last == to)
            }
        }
    }

    @Test(
        "the ends of a chain of 3,000 artifacts are connected by the chain, and not the other way round"
    )
    func chain() throws {
        try insert(3001, (2...3000).map { ($0, $0 - 1) })
        let found = try #require(try paths(1, 3000))
        #expect(found.count == 1 && found.paths[0].count == 2999)
        #expect(found.paths[0].map(\.input.rawValue) == Array(1...2999))
        #expect(try paths(3000, 1) == nil && paths(1, 3001) == nil)
        #expect(try paths(7, 7)?.paths == [[]])
        let error = try #require(throws: ArtifactsError.self) { try paths(1, 3000, reach: 100) }
        #expect(error.code == .tooLarge && error.remedy == "raise --limit to search further")
    }

    @Test(
        "an artifact that 20,000 attempts read, whose outputs one attempt gathers, is two steps away"
    )
    func fan() throws {
        let last = 20_002
        try insert(
            last + 1,
            (2..<last).map { ($0, 1) } + (2..<last).map { (last, $0) } + [(last + 1, last)])
        let found = try #require(try paths(1, last))
        #expect(found.paths[0].map(\.output.rawValue) == [2, Int64(last)])
        #expect(found.count == 1001 && found.isCountOpen)
        let many = try #require(try paths(1, last, most: 2000))
        #expect(many.paths.count == 2000 && Set(many.paths).count == 2000)
        #expect(many.count == 2001 && many.isCountOpen)
        #expect(try paths(1, last + 1)?.paths[0].count == 3)
        #expect(try paths(1, 9000)?.count == 1)
        // Walks stop at their limit, whichever way the fan opens.
        #expect(try lineage.up(ArtifactID(rawValue: Int64(last)), limit: 50).artifacts.count == 50)
        #expect(try lineage.down(ArtifactID(rawValue: 1), limit: 50).edges.count == 49)
    }

    @Test("an edge between two wide levels is found before the many ways around it")
    func shortCut() throws {
        // 5,000 artifacts are made from 1 and read to make 5,002, which reads 1 too.
        let gathering = 5002
        try insert(
            gathering + 1,
            (2..<gathering).map { ($0, 1) } + (1..<gathering).map { (gathering, $0) }
                + [(gathering + 1, gathering)])
        let found = try #require(try paths(1, gathering + 1))
        #expect(found.paths.map { $0.map(\.output.rawValue) } == [[5002, 5003]])
        #expect(found.count == 1 && !found.isCountOpen)
    }

    @Test("edges of an attempt with more inputs than a walk returns are all found")
    func wideAttempt() throws {
        try insert(302, (2...300).map { (301, $0) } + [(302, 301), (302, 300)])
        let down = try lineage.down(ArtifactID(rawValue: 300), limit: 10)
        #expect(down.edges.map(\.input.rawValue) == [300, 300, 301])
        #expect(down.edges.map(\.output.rawValue) == [301, 302, 302])
        let both = try lineage.graph(
            .both, of: [ArtifactID(rawValue: 300)], Lineage.Scope(limit: 10))
        #expect(both.edges == down.edges)
    }

    @Test("an artifact read in two roles is one step, and an unknown artifact an error")
    func roles() throws {
        try insert(2, [(2, 1)])
        try connection.script("insert into ofa.artifact_input values (2, 1, 'teacher')")
        #expect(try paths(1, 2)?.paths[0].map(\.role) == ["supernet, teacher"])
        #expect(throws: ArtifactsError.self) { try paths(1, 12_345) }
    }
}
