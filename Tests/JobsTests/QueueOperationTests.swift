// Random operations on PostgreSQL and on the model side by side: every answer and everything that can be seen
// must agree after every step. OFA_QUEUE_OPERATIONS says how many (2,000), OFA_QUEUE_SEED where to begin.
import Foundation
import TestSupport
import Testing

@testable import Jobs

@Suite("Random operations")
struct QueueOperationTests {
    private static let settings = ProcessInfo.processInfo.environment
    private static let total = settings["OFA_QUEUE_OPERATIONS"].flatMap { Int($0) } ?? 2000
    private static let firstSeed = settings["OFA_QUEUE_SEED"].flatMap { UInt64($0) } ?? 1
    /// Operations of one story: long enough for rescues and retries, short enough to be played again.
    private static let length = 250
    /// How often a failing story is played again in search of a shorter one.
    private static let replays = 80

    /// A difference between the two, and where it appeared.
    private struct Difference: Error {
        let index: Int
        let text: String
    }

    @Test("PostgreSQL and the model in memory agree on every answer and on all that can be seen")
    func agree() throws {
        var played = 0
        var seed = Self.firstSeed
        var seen: [String: Int] = [:]
        while played < Self.total {
            let length = min(Self.length, Self.total - played)
            if let story = try Self.failingStory(seed: seed, length: length, &seen) {
                Issue.record(Comment(rawValue: story))
                return
            }
            played += length
            seed += 1
        }
        let counts = seen.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        print("\(played) operations from seed \(Self.firstSeed): \(counts.joined(separator: ", "))")
        guard played >= 1000 else { return }
        // Stories that never come to these prove nothing of them.
        for what in [
            "claim some", "end done", "end already", "end fenced", "cancel cancelled",
            "cancel requested", "retry ok", "retry refused: wrongState", "retry refused: notUnique",
            "enqueue refused: notUnique", "rescue some", "job discarded", "job cancelled",
            "run failed", "run completed", "group fired well", "group fired badly",
        ] {
            #expect(seen[what, default: 0] > 0, "no \(what) in \(played) operations")
        }
    }

    @Test("a shorter story is found for a difference that is there")
    func shrinks() throws {
        let story: [QueueOperation] = [
            .open(ttl: 50), .enqueue(shape: 0, copy: 0), .rescue, .promote, .pass(1),
            .claim(
                session: 1, limit: 1, run: nil, kinds: ["work"], threads: nil, alone: true),
            .permits("gpu", 2),
        ]
        let shorter = Self.shortest(story) { operations in
            operations.contains { if case .pass = $0 { true } else { false } }
        }
        #expect(shorter.map(\.description) == ["pass(1 s)"])
    }

    /// Plays a random story; the shortest failing one found, in words, or nil when all agrees.
    private static func failingStory(
        seed: UInt64, length: Int, _ seen: inout [String: Int]
    ) throws -> String? {
        var random = RetryTests.FixedNumbers(state: seed)
        var story: [QueueOperation] = []
        guard
            let first = try difference(
                &seen,
                next: { known, model in
                    if story.count >= length { return nil }
                    story.append(draw(known, model, &random))
                    return story.last
                })
        else { return nil }
        var last = first.text
        let shorter = try shortest(Array(story[...first.index])) { operations in
            var rest = operations.makeIterator()
            var unused: [String: Int] = [:]
            guard let found = try difference(&unused, next: { _, _ in rest.next() }) else {
                return false
            }
            last = found.text
            return true
        }
        let lines = shorter.map { "  \($0)" }.joined(separator: "\n")
        return "seed \(seed), \(shorter.count) of \(first.index + 1) operations:\n\(lines)\n\(last)"
    }

    /// Leaves operations out as long as the story still fails, at most `replays` times.
    private static func shortest(
        _ story: [QueueOperation], _ fails: ([QueueOperation]) throws -> Bool
    ) rethrows -> [QueueOperation] {
        var best = story
        var left = replays
        var size = max(1, best.count / 2)
        while left > 0 {
            var start = 0
            var isShorter = false
            while start < best.count, left > 0 {
                var candidate = best
                candidate.removeSubrange(start..<min(best.count, start + size))
                left -= 1
                if try !candidate.isEmpty && fails(candidate) {
                    best = candidate
                    isShorter = true
                } else {
                    start += size
                }
            }
            if size == 1, !isShorter { break }
            size = max(1, size / 2)
        }
        return best
    }

    /// Plays a story on both; nil when they agree to the end and the audit is clean.
    private static func difference(
        _ seen: inout [String: Int],
        next: (QueueOperation.Known, QueueModel) throws -> QueueOperation?
    ) throws -> Difference? {
        let real = try PostgresQueue()
        let model = QueueModel()
        var knownReal = QueueOperation.Known()
        var knownModel = QueueOperation.Known()
        var index = 0
        while let operation = try next(knownModel, model) {
            let (one, two) = (
                try operation.play(on: real, &knownReal), try operation.play(on: model, &knownModel)
            )
            if one != two {
                return Difference(
                    index: index, text: "\(operation): PostgreSQL says \(one), the model \(two)")
            }
            let differences = try real.state().differences(from: model.state())
            if !differences.isEmpty {
                let text = differences.prefix(12).joined(separator: "\n")
                return Difference(
                    index: index, text: "after \(operation), PostgreSQL | the model:\n\(text)")
            }
            seen[operation.kind(of: one), default: 0] += 1
            index += 1
            if index % 25 == 0, let problem = try real.audit().first {
                return Difference(index: index - 1, text: "the audit: \(problem)")
            }
        }
        if let problem = try real.audit().first {
            return Difference(index: max(0, index - 1), text: "the audit: \(problem)")
        }
        for (name, line) in model.state().lines {
            let kind = name.prefix { $0 != " " }
            for end in [
                "discarded", "cancelled", "failed", "completed", "fired well", "fired badly",
            ]
            where line.hasPrefix(end) || line.hasSuffix(end) {
                seen["\(kind) \(end)", default: 0] += 1
            }
        }
        return nil
    }

    // MARK: Drawing

    private static func draw(
        _ known: QueueOperation.Known, _ model: QueueModel,
        _ random: inout RetryTests.FixedNumbers
    ) -> QueueOperation {
        func pick(_ count: Int) -> Int { Int.random(in: 0..<max(1, count), using: &random) }
        let sessions = model.validSessions
        if sessions.count < 2 { return .open(ttl: 100 + 100 * pick(3)) }
        // Mostly what is in hand, sometimes anything of long ago.
        func session() -> Int {
            pick(6) == 0 ? 1 + pick(known.sessions) : sessions[pick(sessions.count)]
        }
        func token() -> Int {
            let running = model.runningTokens
            return pick(5) == 0 || running.isEmpty
                ? 1 + pick(known.attempts.count) : running[pick(running.count)]
        }
        func job(isBad: Bool) -> String {
            let names = model.jobNames(isBad: isBad && pick(4) != 0)
            return names.isEmpty ? "1/a#0" : names[pick(names.count)]
        }
        func run() -> Int { max(1, model.runCount - pick(4)) }
        switch pick(100) {
        case 0..<6: return .enqueue(shape: pick(5), copy: pick(4))
        case 6..<8: return .open(ttl: [40, 100, 300][pick(3)])
        case 8..<9: return .close(session: session())
        case 9..<15: return .beat(session: session())
        case 15..<41:
            return .claim(
                session: session(), limit: [1, 1, 2, 3, 5][pick(5)],
                run: pick(6) == 0 ? run() : nil,
                kinds: pick(3) == 0 ? ["work"] : ["other", "work"],
                threads: pick(4) == 0 ? pick(4) : nil, alone: pick(5) != 0)
        case 41..<73: return .end(token: token(), end(pick(16), &random))
        case 73..<76: return .progress(token: token(), step: pick(1 << 40))
        case 76..<79: return .rescue
        case 79..<81: return .cancel(job: job(isBad: false))
        case 81..<82: return pick(3) == 0 ? .cancelRun(run()) : .rescue
        case 82..<88: return .retry(job: job(isBad: true))
        case 88..<89: return .retryRun(run())
        case 89..<90: return .pause(["side", "default"][pick(2)])
        case 90..<93: return .resume(["side", "default"][pick(2)])
        case 93..<95: return .permits(["gpu", "licence"][pick(2)], pick(4))
        case 95..<99: return .pass([1, 15, 30, 60][pick(4)])
        default: return .promote
        }
    }

    private static func end(_ kind: Int, _ random: inout RetryTests.FixedNumbers) -> AttemptEnd {
        func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }
        switch kind {
        case 0..<8: return .completed()
        case 8..<11:
            let children = (0..<pick(4)).map { _ in
                QueueShapes.children[pick(QueueShapes.children.count)]
            }
            return .completed(
                FanOut(
                    children: children,
                    then: pick(3) == 0
                        ? nil : QueueShapes.children[pick(QueueShapes.children.count)],
                    rule: [.allOk, .allDone, .quorum(1), .quorum(2)][pick(4)],
                    onBad: OnBad.allCases[pick(3)]))
        case 11: return .failed(retry: true)
        case 12, 13: return .failed(retry: false)
        case 14: return .released(crashed: pick(2) == 0)
        default: return .cancelled
        }
    }
}
