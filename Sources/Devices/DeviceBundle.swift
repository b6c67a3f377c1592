// The plan of a bundle with which another device measures itself: a model of every part of a space's networks, models
// of whole networks to check and correct the table, and for each image size a model that does nothing, which shows the
// time to call a model. The plan follows from the space, the image sizes, the batch and a seed, so the same plan can be
// made again to check the results.

import Networks

/// The models of a bundle, with names that results refer to.
public struct DeviceBundle: Sendable {
    /// What a bundle was made for.
    public struct Source: Codable, Sendable, Equatable {
        /// The version of the plan. Another version may draw other networks or write other models.
        public static let currentVersion = 1

        /// The plan's version.
        public var version = Source.currentVersion
        /// The device, the space, and the hash of the space's definition.
        public var device, space, spaceHash: String
        /// Images per run.
        public var batch: Int
        /// Image sizes, ascending.
        public var resolutions: [Int]
        /// The number of whole networks, over all sizes.
        public var networks: Int
        /// The seed of the whole networks' draw.
        public var seed: UInt64

        public init(
            device: String, space: String, spaceHash: String, batch: Int, resolutions: [Int],
            networks: Int, seed: UInt64
        ) {
            (self.device, self.space, self.spaceHash) = (device, space, spaceHash)
            (self.batch, self.resolutions) = (batch, resolutions)
            (self.networks, self.seed) = (networks, seed)
        }

        /// The names of the fields in files.
        enum CodingKeys: String, CodingKey, CaseIterable {
            case version, device, space
            case spaceHash = "space_hash"
            case batch, resolutions, networks, seed
        }
    }

    /// The kinds of models.
    public enum Kind: String, Codable, Sendable {
        /// A model that returns its input.
        case overhead
        /// A part of networks.
        case part
        /// A whole network.
        case network
    }

    /// One model.
    public struct Entry: Encodable, Sendable {
        /// The name in results, unique in the bundle.
        public let name: String
        /// What the model is.
        public let kind: Kind
        /// The image size.
        public let resolution: Int
        /// The file's path in the bundle.
        public let file: String
        /// The key in latency tables; nil unless this is a part.
        public let key: LatencyKey?
        /// The genes; nil unless this is a whole network.
        public let arch: SubnetConfig?
        /// The layers; empty for a model that does nothing.
        public let layers: [Layer]

        /// Encodes what the runner and a reader need: everything but the layers.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(name, forKey: .name)
            try fields.encode(kind, forKey: .kind)
            try fields.encode(resolution, forKey: .resolution)
            try fields.encode(file, forKey: .file)
            try fields.encodeIfPresent(key?.description, forKey: .key)
            try fields.encodeIfPresent(arch, forKey: .arch)
        }

        private enum CodingKeys: String, CodingKey {
            case name, kind, resolution, file, key, arch
        }
    }

    /// What the bundle is for.
    public let source: Source
    /// The models, by image size.
    public let entries: [Entry]
    /// The space of the networks.
    let space: SearchSpace

    /// Plans the bundle of `source` for `space`.
    ///
    /// Errors: `invalidOption` without image sizes or whole networks, or for image sizes that the space lacks.
    public init(_ source: Source, _ space: SearchSpace) throws {
        try space.checkResolutions(source.resolutions)
        guard !source.resolutions.isEmpty, source.networks >= 1, source.batch >= 1 else {
            throw DeviceError(
                .invalidOption,
                "a bundle needs an image size, a whole network and a batch of 1 or more")
        }
        self.source = source
        self.space = space
        entries = try source.resolutions.enumerated().flatMap { place, resolution in
            func entry(
                _ name: String, _ kind: Kind, _ file: String, key: LatencyKey? = nil,
                arch: SubnetConfig? = nil, layers: [Layer] = []
            ) -> Entry {
                Entry(
                    name: "\(resolution) \(name)", kind: kind, resolution: resolution,
                    file: "\(resolution)/\(file).onnx", key: key, arch: arch, layers: layers)
            }
            let parts = try LatencyKey.all(in: space, resolution: resolution).enumerated().map {
                entry($1.description, .part, "part-\($0)", key: $1, layers: $1.layers)
            }
            let numbers = stride(from: place, to: source.networks, by: source.resolutions.count)
            let networks = try numbers.map { number in
                let arch = LatencySurvey.whole(
                    number, of: space, resolution: resolution, seed: source.seed)
                return entry(
                    "network \(number)", .network, "network-\(number)", arch: arch,
                    layers: Array(try NetworkShape(space, arch).layers))
            }
            return [entry("overhead", .overhead, "overhead")] + parts + networks
        }
    }

    /// Returns the table of the timings in `results`, and the comparison of the table with the timings of whole
    /// networks.
    ///
    /// A network takes the time of a call only once. So the time of the model that does nothing is subtracted from each
    /// part except those that begin a network.
    ///
    /// In a network a part runs after other parts, whose data has displaced some of its own in the caches. How much
    /// depends on the sizes of networks and caches. Therefore there are two candidates for the table: the first run of
    /// each visit of a part, and the repeated runs. The candidate whose uncorrected sums are closer to the whole networks
    /// becomes the table; corrected, both are about as close, but a correction does not change the parts' proportions. Of whole networks the repeated runs count, since a network in use runs again and again.
    ///
    /// Errors: `malformed`, naming the model, if timings are missing, superfluous, too few or not positive.
    public func table(_ results: BundleResults) throws -> BundleTable {
        let names = Set(entries.map(\.name))
        if let other = results.milliseconds.keys.filter({ !names.contains($0) }).min() {
            throw DeviceError(
                .malformed, "there are timings of '\(other)', which the bundle does not have",
                remedy: "import the results of this bundle's run.py")
        }
        let usual = results.runs
        let wholes = try entries.compactMap { entry in
            try entry.arch.map {
                LatencySurvey.Whole(arch: $0, entry: try results.timings(of: entry.name, usual[0]))
            }
        }
        let candidates = try usual.map { runs in
            let table = try partTable(results, runs)
            return BundleTable(
                table: table, check: try LatencyCheck(table, wholes, space), runs: runs)
        }
        return candidates.dropFirst().reduce(candidates[0]) { best, other in
            other.check.meanError < best.check.meanError ? other : best
        }
    }

    /// Returns the table of the parts' timings in `runs`.
    private func partTable(_ results: BundleResults, _ runs: BundleResults.Runs) throws
        -> LatencyTable
    {
        var table = LatencyTable()
        for resolution in source.resolutions {
            let own = entries.filter { $0.resolution == resolution }
            let first = try PartRoles(space, resolution: resolution).first
            let call = own.first { $0.kind == .overhead }
            let overhead = try call.map { try results.timings(of: $0.name, runs).mean } ?? 0
            for entry in own {
                guard let key = entry.key else { continue }
                let found = try results.timings(of: entry.name, runs)
                table[resolution, key] =
                    first.contains(key.description) ? found : found.lessened(by: overhead)
            }
        }
        return table
    }
}

/// The latency table that a bundle's results give.
public struct BundleTable: Sendable {
    /// The table, without corrections.
    public var table: LatencyTable
    /// The comparison with the whole networks, and the correction fitted to them.
    public let check: LatencyCheck
    /// The runs of parts that the table is made from.
    public let runs: BundleResults.Runs
}

extension LatencyEntry {
    /// The least share of a part's timing that remains when the time of a call is subtracted: timings of the smallest
    /// parts are hardly longer than the call, but every part takes some time.
    private static let leastShare = 0.02

    /// Returns this entry with the mean reduced by `milliseconds`, but not below `leastShare` of the mean; all other
    /// times are reduced in the same proportion.
    fileprivate func lessened(by milliseconds: Double) -> LatencyEntry {
        let factor = max(Self.leastShare, 1 - milliseconds / mean)
        var entry = LatencyEntry(count: count, mean: factor * mean, std: factor * std)
        entry.spread = spread.map {
            Percentiles(
                p10: factor * $0.p10, p50: factor * $0.p50, p90: factor * $0.p90,
                p99: factor * $0.p99, outliers: $0.outliers)
        }
        return entry
    }
}
