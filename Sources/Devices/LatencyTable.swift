// The latencies of parts of networks on one device, by resolution. A network's latency is the sum over its parts. A
// part without an entry is an error that names the part; nothing is interpolated.
import Networks

/// The measured latency of one part in milliseconds.
public struct LatencyEntry: Codable, Hashable, Sendable {
    /// Number of measurements.
    public var count: Int
    /// The mean of the measurements in milliseconds.
    public var mean: Double
    /// The standard deviation of the measurements in milliseconds.
    public var std: Double
    /// Percentiles of the timings, if this program made the timings; `LatencySurvey` first scales its timings to the
    /// machine's undisturbed speed.
    public var spread: Percentiles?

    /// Percentiles of all timings in milliseconds, and the number of disturbed timings.
    public struct Percentiles: Codable, Hashable, Sendable {
        /// The 10th, 50th, 90th and 99th percentile.
        public var p10, p50, p90, p99: Double
        /// Number of timings that were disturbed, or during which the machine's speed changed.
        public var outliers: Int
    }

    public init(count: Int, mean: Double, std: Double) {
        self.count = count
        self.mean = mean
        self.std = std
    }

    /// Summarises one or more timings in milliseconds. A shared machine may disturb some timings: see `steady`.
    public init(timings: [Double]) {
        let steady = Self.steady(timings).map { timings[$0] }
        self.init(timings: timings, counted: steady, outliers: timings.count - steady.count)
    }

    /// Makes an entry with the mean and deviation of the `counted` timings and the percentiles of all `timings`.
    init(timings: [Double], counted: [Double], outliers: Int) {
        let sorted = timings.sorted()
        self.init(milliseconds: counted)
        spread = Percentiles(
            p10: Self.percentile(0.1, of: sorted), p50: Self.percentile(0.5, of: sorted),
            p90: Self.percentile(0.9, of: sorted), p99: Self.percentile(0.99, of: sorted),
            outliers: outliers)
    }

    /// Returns the indices of the undisturbed timings: those at most a tenth above the 10th percentile. On a quiet
    /// machine nearly all timings are undisturbed. On a busy machine the mean of the undisturbed timings is near the
    /// mean on a quiet machine.
    static func steady(_ timings: [Double]) -> [Int] {
        let limit = 1.1 * percentile(0.1, of: timings.sorted())
        return timings.indices.filter { timings[$0] <= limit }
    }

    /// Returns the percentile at `share`, 0…1, of ascending values (at least one).
    static func percentile(_ share: Double, of sorted: [Double]) -> Double {
        sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]
    }

    /// Summarises one or more measurements in milliseconds; `std` is the population standard deviation.
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
    /// The entries by resolution and by the text of the key. A key has a latency of its own at every resolution.
    public private(set) var entries: [Int: [String: LatencyEntry]]
    /// The corrections by the space's name and resolution; nil if there are none.
    private var corrections: [String: [Int: LatencyCorrection]]?

    /// Makes a table of `entries`, without corrections.
    public init(entries: [Int: [String: LatencyEntry]] = [:]) { self.entries = entries }

    /// The correction for networks of the space named `space` at a resolution; `corrected` applies the correction.
    public subscript(correctionOf space: String, resolution: Int) -> LatencyCorrection? {
        get { corrections?[space]?[resolution] }
        set {
            var all = corrections ?? [:]
            all[space, default: [:]][resolution] = newValue
            corrections = all
        }
    }

    /// Throws `malformed` if a correction for a published space makes an entry negative or not finite. Corrections for
    /// other spaces are checked when they are applied, by `corrected`.
    func checkCorrections() throws {
        for space in SearchSpace.published where corrections?[space.name] != nil {
            _ = try corrected(for: space, named: space.name)
        }
    }

    /// The resolutions that have entries, ascending.
    public var resolutions: [Int] { entries.keys.sorted() }

    /// The latency of one part at one resolution; nil if it was not measured.
    public subscript(resolution: Int, key: LatencyKey) -> LatencyEntry? {
        get { entries[resolution]?[key.description] }
        set { entries[resolution, default: [:]][key.description] = newValue }
    }

    /// Adds the entries of `other`, which replace existing entries. A correction is fitted to the entries of one table
    /// at one image size. So a correction of either table is kept only if the other table has no entries at that image
    /// size, or the same entries.
    public mutating func merge(_ other: LatencyTable) {
        func kept(of one: LatencyTable, beside another: LatencyTable) -> [String: [Int:
            LatencyCorrection]]
        {
            (one.corrections ?? [:]).mapValues { sizes in
                sizes.filter { size, _ in
                    another.entries[size] == nil || another.entries[size] == one.entries[size]
                }
            }.filter { !$0.value.isEmpty }
        }
        let both = kept(of: self, beside: other).merging(kept(of: other, beside: self)) {
            $0.merging($1) { $1 }
        }
        corrections = both.isEmpty ? nil : both
        for (resolution, parts) in other.entries {
            entries[resolution, default: [:]].merge(parts) { $1 }
        }
    }

    /// Returns the parts of networks of `space` that have no entry at `resolution`.
    public func missingKeys(_ space: SearchSpace, resolution: Int) throws -> [LatencyKey] {
        try LatencyKey.all(in: space, resolution: resolution).filter { self[resolution, $0] == nil }
    }

    /// Returns the mean latency of one part in milliseconds. Errors: `missingLatency`, naming the resolution or the
    /// part that the table lacks; `what` is the table's name in the message.
    public func latencyMs(
        _ key: LatencyKey, resolution: Int, of what: String = "latency table"
    ) throws -> Double {
        guard let table = entries[resolution] else {
            let known = resolutions.map(String.init).joined(separator: ", ")
            throw DeviceError(
                .missingLatency, "the \(what) has no resolution \(resolution), only \(known)")
        }
        guard let entry = table[key.description] else {
            throw DeviceError(
                .missingLatency,
                "the \(what) has no entry \(key) at resolution \(resolution): it is of another space, or not whole"
            )
        }
        return entry.mean
    }

    /// Returns the latency of a network in milliseconds: the sum over its parts. Errors as for one part.
    public func latencyMs(_ shape: NetworkShape, of what: String = "latency table") throws -> Double
    {
        try shape.latencyKeys.reduce(0) {
            $0 + (try latencyMs($1, resolution: shape.resolution, of: what))
        }
    }

    /// Returns those image sizes of `sizes` that every table has; all of `sizes` if there is no table. Errors:
    /// `missingLatency` if no size is left, naming the sizes of each table.
    public static func common(_ sizes: [Int], of tables: [LatencyTable?]) throws -> [Int] {
        let tables = tables.compactMap { $0 }
        let common = sizes.filter { size in tables.allSatisfy { $0.entries[size] != nil } }
        guard common.isEmpty, !sizes.isEmpty else { return common }
        func list(_ sizes: [Int]) -> String { sizes.map(String.init).joined(separator: ", ") }
        throw DeviceError(
            .missingLatency,
            "the predictor was fitted on image sizes \(list(sizes)), and the tables have "
                + tables.map { $0.resolutions.isEmpty ? "none of them" : list($0.resolutions) }
                .joined(separator: " and "))
    }
}
