// A pipeline file: stages with their needs and parameters, and devices to specialise for. The file is validated here
// before anything is enqueued: keys, types, ranges, cycles, and that each input of a stage is made by an ancestor of
// the stage.

import Accounting
import Artifacts
import Devices
import Foundation
import Intake
import Jobs
import Networks
import Postgres

/// A validated pipeline.
public struct PipelineDefinition: Sendable {
    /// One stage with parsed parameters and resolved inputs.
    public struct Stage: Sendable {
        /// The stage's name, unique in the pipeline.
        public let name: String
        /// The kind of stage.
        public let kind: StageKind
        /// The stages that must end before this stage starts. They must succeed unless `onBad` says otherwise.
        public let needs: [String]
        /// What happens to this stage if a needed stage fails, keyed by the needed stage's name; `cancel` by default.
        public let onBad: [String: OnBad]
        /// The queue settings of the stage's jobs, such as priority; nil if the file sets none.
        public let terms: StageTerms?
        /// The parameters of the stage's kind.
        public let parameters: StageParameters
        /// The seed of the stage's random draws.
        public let seed: UInt64
        /// The source of each of the stage's inputs.
        public let inputs: [ArtifactRole: InputReference]
        /// The places (`file:line`) of the keys `dataKeys`.
        let places: [String: String]
    }

    /// The name of the pipeline and of its runs.
    public let name: String
    /// The seed of all random draws of the run; with several seeds, of the stages that are not repeated.
    public let seed: UInt64
    /// The search space of every stage.
    public let space: SearchSpace
    /// The devices by name.
    public let devices: [String: DeviceTarget]
    /// The stages in the order of the file.
    public let stages: [Stage]
    /// What the file asks for if the start of its runs may wait; nil if it may not.
    public let deferral: Deferral?
    /// The text of the file, with overrides and resolved folders appended as comments.
    public let text: String

    /// Notes about surprising effects of the file, one line each.
    public let notes: [String]

    /// The blobs of the artifacts that the file names as sources; nil if the artifacts were not looked up, and the
    /// stages' inputs have their references as in the file.
    let sourceBlobs: [SourceBlob]?

    /// What the definition was read from.
    private let source: (text: String, file: String, overrides: [String])

    /// Whether the file names artifacts as sources.
    public var namesArtifacts: Bool {
        stages.contains { stage in
            stage.inputs.values.contains { if case .artifact = $0 { true } else { false } }
        }
    }

    /// Whether the file names artifacts that have not been looked up.
    public var needsArtifacts: Bool { namesArtifacts && sourceBlobs == nil }

    /// SHA-256 of `text` without the keys of a start that may wait, in hexadecimal: equal hashes mean equal files, overrides and
    /// folders but for these keys, which say nothing of what a run computes.
    public let hash: String

    /// The hash under which earlier versions stored runs of this file, that of the whole `text`; nil if it is `hash`.
    public var formerHash: String? {
        let whole = Digest.of(Array(text.utf8)).hex
        return whole == hash ? nil : whole
    }

    /// Reads the file at `path`; `overrides` replace values by dotted path (`stages.full.epochs=1`) before anything is
    /// checked.
    public init(path: String, overrides: [String] = []) throws {
        try self.init(
            text: try YAMLDocument.contents(ofFile: path), file: path, overrides: overrides)
    }

    /// Reads a file's text; `file` is its path, used in errors and for relative folders.
    public init(text: String, file: String, overrides: [String] = []) throws {
        try self.init(text, file, overrides, nil)
    }

    /// Returns the definition with the artifacts that the file names as sources looked up in the database of
    /// `connection`. Errors are about the key that names an artifact: `missingInput` for one that does not exist, is of
    /// another kind, or whose bytes are not stored; `mismatch` for one of another space.
    public func withArtifacts(_ connection: Connection) throws -> PipelineDefinition {
        try PipelineDefinition(source.text, source.file, source.overrides, connection)
    }

    private init(
        _ text: String, _ file: String, _ overrides: [String], _ connection: Connection?
    ) throws {
        source = (text, file, overrides)
        let replaced = try YAMLOverrides(overrides)
        let document = try YAMLDocument(text, file: file)
        let top = try YAMLReader(document, file: file, overrides: replaced)
        try PipelineKeys.check(top)
        name = try top.required(try top.text("name"), "name")
        let seeds = try Seeds(top), scale = try top.number("epoch_scale", in: 0.001...1000) ?? 1
        seed = seeds.first
        deferral = try Self.readDeferral(top)
        space = try SpaceReader.read(top)
        devices = try Self.readDevices(try top.mapping("devices"))
        let list = try top.required(try top.mapping("stages"), "stages")
        guard !list.keys.isEmpty else { throw top.error("stages", "has no stage") }
        let place = FilePlace(file)
        let drafts = try seeds.repeating(
            try Self.readDrafts(list, space: space, devices: devices, place: place, scale))
        let artifacts = connection.map { [space] in ArtifactSources($0, space: space) }
        stages = try Self.stages(drafts, space, artifacts)
        sourceBlobs = artifacts?.blobs
        notes = Self.notes(drafts, stages)
        try top.finish()
        try replaced.finish()
        self.text = document.text + Self.remarks(replaced, place, without: [])
        let keys = Set(["deferrable"] + Self.deferralKeys)
        let lasting =
            document.text(without: keys) + Self.remarks(replaced, place, without: keys)
        hash = Digest.of(Array(lasting.utf8)).hex
    }

    /// Returns the command line's overrides and the resolved folders as comments. They are appended to the file's text,
    /// because a run depends on them as well as on the text. Overrides of `keys` are left out.
    private static func remarks(
        _ replaced: YAMLOverrides, _ place: FilePlace, without keys: Set<String>
    ) -> String {
        let kept = replaced.values.filter { !keys.contains($0.key) }
        let set = kept.sorted { $0.key < $1.key }.map {
            "# --set \($0.key)=\(Shown.line($0.value))\n"
        }
        let folders = place.resolved.sorted { $0.key < $1.key }.map {
            "# \($0.key) is \($0.value)\n"
        }
        return (set + folders).joined()
    }

    private static func readDevices(_ list: YAMLReader?) throws -> [String: DeviceTarget] {
        var devices: [String: DeviceTarget] = [:]
        for name in list?.keys ?? [] {
            guard let list, let entry = try list.mapping(name) else { continue }
            let kind = try entry.required(
                try entry.choice("kind", DeviceTarget.Kind.self), "kind")
            let positive = 1e-9...1e15
            let limits = Constraints(
                latencyMsMax: try entry.number("max_latency_ms", in: positive),
                peakMemoryKBMax: try entry.number("max_peak_memory_kb", in: positive),
                flashKBMax: try entry.number("max_flash_kb", in: positive),
                macsMax: try entry.count("max_macs", in: 1...1_000_000_000_000_000),
                paramsMax: try entry.count("max_params", in: 1...1_000_000_000_000_000),
                energyMJMax: try entry.number("max_energy_mj", in: positive))
            var device = DeviceTarget(
                name: name, kind: kind, limits: limits,
                batch: try entry.integer("batch", in: 1...4096) ?? 1,
                threads: try entry.integer("threads", in: DeviceTarget.threadCounts) ?? 1,
                bytesPerWeight: try readBytes("bytes_per_weight", entry),
                bytesPerActivation: try readBytes("bytes_per_activation", entry))
            device.energy = try readEnergy(entry, device.energyModel)
            devices[name] = device
            try entry.finish()
        }
        return devices
    }

    /// Returns the value of `key`, which says how many bytes a stored number has; nil if the key is missing.
    private static func readBytes(_ key: String, _ entry: YAMLReader) throws -> Int? {
        guard let bytes = try entry.integer(key) else { return nil }
        guard DeviceTarget.numberSizes.contains(bytes) else {
            throw entry.error(
                key,
                "is \(bytes); numbers have \(SearchSpace.listed(DeviceTarget.numberSizes)) bytes")
        }
        return bytes
    }

    /// Returns the energy model of a device; missing keys take the figures of `published`. Nil if all keys are missing.
    private static func readEnergy(_ entry: YAMLReader, _ published: EnergyModel) throws
        -> EnergyModel?
    {
        let keys = ["pj_per_mac", "pj_per_weight_byte", "pj_per_activation_byte"]
        let values = try keys.map { try entry.number($0, in: 0...1e12) }
        guard values.contains(where: { $0 != nil }) else { return nil }
        var model = published
        model.picojoulesPerMAC = values[0] ?? model.picojoulesPerMAC
        model.picojoulesPerWeightByte = values[1] ?? model.picojoulesPerWeightByte
        model.picojoulesPerActivationByte = values[2] ?? model.picojoulesPerActivationByte
        return model
    }

    private static func readDrafts(
        _ list: YAMLReader, space: SearchSpace, devices: [String: DeviceTarget], place: FilePlace,
        _ epochScale: Double
    ) throws -> [StageDraft] {
        var drafts: [StageDraft] = []
        for name in list.keys {
            guard let entry = try list.mapping(name) else { continue }
            let kind = try entry.required(try entry.choice("kind", StageKind.self), "kind")
            let needs = try entry.texts("needs") ?? []
            guard !name.hasPrefix(NamedSource.prefix) else {
                throw list.error(
                    name, "is no name of a stage: it would be taken for an artifact",
                    remedy: "begin it with another word")
            }
            for need in needs where !list.keys.contains(need) {
                guard !need.hasPrefix(NamedSource.prefix) else {
                    throw entry.error(
                        "needs",
                        "names '\(Shown.excerpt(need))', an artifact, and artifacts need not be waited for",
                        remedy: "name it at the key of the input: \(kind.sourceWords)",
                        code: .invalidGraph)
                }
                throw entry.error(
                    "needs",
                    "names '\(Shown.excerpt(need))', which is no stage of this file",
                    remedy: NearestName.remedy(need, among: list.keys), code: .invalidGraph)
            }
            let parameters = try StageParameters.read(
                kind, named: name, from: entry, space: space, devices: devices, place: place
            ).scaled(epochScale, entry)
            let terms = try StageTerms.read(kind, from: entry)
            try check(terms, against: parameters, in: space, entry)
            let sources = try NamedSource.read(kind, parameters, from: entry)
            let onBad = try StageTerms.readOnBad(needs, from: entry)
            try entry.finish()
            drafts.append(
                StageDraft(
                    name: name, kind: kind, needs: needs, onBad: onBad, terms: terms,
                    parameters: parameters, sources: sources, seed: 0, entry: entry))
        }
        return drafts
    }

    private static func stages(
        _ drafts: [StageDraft], _ space: SearchSpace, _ artifacts: ArtifactSources?
    ) throws -> [Stage] {
        let graph = try StageGraph(drafts, artifacts)
        let stages = try drafts.map { draft in
            let inputs = try graph.inputs(of: draft)
            try StageTerms.check(draft.onBad, inputs, draft.entry)
            return Stage(
                name: draft.name, kind: draft.kind, needs: draft.needs, onBad: draft.onBad,
                terms: draft.terms, parameters: try graph.parameters(of: draft, inputs),
                seed: draft.seed, inputs: inputs,
                places: Dictionary(
                    uniqueKeysWithValues: dataKeys.map { ($0, draft.entry.place($0)) }))
        }
        let entries = Dictionary(uniqueKeysWithValues: drafts.map { ($0.name, $0.entry) })
        let check = TrainedCheck(
            stages, entries, space, domains: artifacts?.domains ?? [:],
            normalizations: artifacts?.normalizations ?? [:])
        for stage in stages { try check.check(stage) }
        return stages
    }

    /// Returns the largest number of subnets that one shard can measure. A shard's job lists its subnets after the
    /// definition of the space, and its result lists their accuracies; arguments and result are at most 1 MiB each.
    static func mostSubnetsOfShard(_ space: SearchSpace) throws -> Int {
        // `each` is the number of bytes for one subnet's genes, accuracy and punctuation; 64 KiB remain for other
        // arguments.
        let each = try JSONText.encode(space.largest).utf8.count + 48
        let definition = try JSONText.encode(space).utf8.count
        return max(1, ((1 << 20) - (1 << 16) - definition) / each)
    }

    /// Throws `invalidValue` for a quorum above the number of shards, and for shards that are too large for the queue.
    private static func check(
        _ terms: StageTerms?, against parameters: StageParameters, in space: SearchSpace,
        _ entry: YAMLReader
    ) throws {
        guard case .sampleAccuracy(let sampling) = parameters else { return }
        let most = try mostSubnetsOfShard(space)
        guard sampling.subnets <= most * sampling.shards else {
            throw entry.error(
                "shards",
                "is \(sampling.shards) for \(sampling.subnets) subnets; at most \(most) fit into one",
                remedy: "raise it"
            )
        }
        guard case .quorum(let count) = terms?.rule, count > sampling.shards else { return }
        throw entry.error(
            "rule", "wants \(count) of \(sampling.shards) shards",
            remedy: "lower it or raise shards")
    }
}
