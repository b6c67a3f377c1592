// A profile of a pass: the time of each operator, its floating-point operations, and the fewest bytes that it can move.

import Foundation

/// Times of operators, added up by part of the network and operator. Reading the clock around an operator costs tens of
/// nanoseconds.
public final class OperatorProfile {
    /// The totals of one operator at one place.
    public struct Line: Codable, Sendable {
        /// The part of the network, such as `blocks.3`.
        public let place: String
        /// The name of the operator.
        public let name: String
        /// How often the operator ran.
        public var calls = 0
        /// Total seconds of all calls.
        public var seconds = 0.0
        /// Floating-point operations, a multiply-add being two; 0 for passes that only move values.
        public var flops = 0
        /// Bytes that the operator reads or writes, each counted once: a lower bound.
        public var bytes = 0
    }

    /// The part of the network that runs now.
    public var place = ""
    private var lines: [String: Line] = [:]
    private var order: [String] = []

    /// Starts with no lines.
    public init() {}

    /// The lines, in the order of their first calls.
    public var all: [Line] { order.compactMap { lines[$0] } }

    func add(_ name: StaticString, seconds: Double, flops: Int, bytes: Int) {
        let key = "\(place) \(name)"
        if lines[key] == nil {
            lines[key] = Line(place: place, name: "\(name)")
            order.append(key)
        }
        lines[key]?.calls += 1
        lines[key]?.seconds += seconds
        lines[key]?.flops += flops
        lines[key]?.bytes += bytes
    }
}

extension CPUEngine {
    /// Runs `body`, which is a part of a layer but not a single operator; with a profile, records the time of `body`
    /// under `name`.
    public func timed(_ name: StaticString, _ body: () -> Void) { timed(name, floats: 0, body) }

    /// Runs the operator `body`; with a profile, records its time, `flops` operations and `floats` floats moved under
    /// `name`.
    @inline(__always)
    func timed(
        _ name: StaticString, flops: @autoclosure () -> Int = 0, floats: @autoclosure () -> Int,
        _ body: () -> Void
    ) {
        guard let profile else { return body() }
        let start = nanoseconds()
        body()
        let seconds = Double(nanoseconds() - start) * 1e-9
        profile.add(name, seconds: seconds, flops: flops(), bytes: 4 * floats())
    }

    private func nanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
