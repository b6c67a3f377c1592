// How long every part of a network takes on one device, by resolution. A network's latency is the
// sum over its parts. A part that was not measured is an error naming it: nothing is interpolated.
import Networks

/// The measured latency of one part in milliseconds.
public struct LatencyEntry: Codable, Hashable, Sendable {
    /// Number of measurements.
    public var count: Int
    /// Their mean in milliseconds.
    public var mean: Double
    /// Their standard deviation in milliseconds.
    public var std: Double

    /// Makes an entry.
    public init(count: Int, mean: Double, std: Double) {
        self.count = count
        self.mean = mean
        self.std = std
    }

    /// Summarises measurements in milliseconds (at least one); the deviation is that of the
    /// population.
    public init(milliseconds: [Double]) {
        precondition(!milliseconds.isEmpty, "a latency needs a measurement")
        let total = Double(milliseconds.count)
        let average = milliseconds.reduce(0, +) / total
        count = milliseconds.count
        mean = average
        std = (milliseconds.reduce(0) { $0 + ($1 - average) * ($1 - average) } / total).squareRoot()
    }
}

/// A device's latencies by resolution and part.
public struct LatencyTable: Codable, Hashable, Sendable {
    /// Resolution to key text to latency. The same text may differ between resolutions, as
    /// measured.
    public private(set) var entries: [Int: [String: LatencyEntry]]

    /// Makes a table of these entries, or an empty one to be filled by measuring.
    public init(entries: [Int: [String: LatencyEntry]] = [:]) {
        self.entries = entries
    }

    /// The resolutions that have entries, ascending.
    public var resolutions: [Int] { entries.keys.sorted() }

    /// The latency of one part at one resolution; nil when it was not measured.
    public subscript(resolution: Int, key: LatencyKey) -> LatencyEntry? {
        get { entries[resolution]?[key.description] }
        set { entries[resolution, default: [:]][key.description] = newValue }
    }

    /// The parts of a space at one resolution that have no entry yet.
    public func missingKeys(_ space: SearchSpace, resolution: Int) throws -> [LatencyKey] {
        try LatencyKey.all(in: space, resolution: resolution).filter { self[resolution, $0] == nil }
    }

    /// The mean latency of one part in milliseconds; throws `missingLatency` naming it.
    public func latencyMs(_ key: LatencyKey, resolution: Int) throws -> Double {
        guard let table = entries[resolution] else {
            let known = resolutions.map(String.init).joined(separator: ", ")
            throw SearchError(
                .missingLatency, "the latency table has no resolution \(resolution), only \(known)")
        }
        guard let entry = table[key.description] else {
            throw SearchError(
                .missingLatency,
                "the latency table has no entry \(key) at resolution \(resolution): measure it")
        }
        return entry.mean
    }

    /// The latency of a network in milliseconds: the sum over its parts, in its order.
    public func latencyMs(_ shape: NetworkShape) throws -> Double {
        try shape.latencyKeys.reduce(0) {
            $0 + (try latencyMs($1, resolution: shape.resolution))
        }
    }
}
