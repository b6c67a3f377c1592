// A pipeline file: stages with their needs and parameters, and devices to specialise for. The file is validated here
// before anything is enqueued: keys, types, ranges, cycles, and that each input of a stage is made by an ancestor of
// the stage.

import Artifacts
import Devices
import Foundation
import Intake
import Jobs
import Networks

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
        /// The source of each of the stage's inputs.
        public let inputs: [ArtifactRole: InputReference]
        /// The places (`file:line`) of the keys `dataKeys`.
        let places: [String: String]
    }

    /// The name of the pipeline and of its runs.
    public let name: String
    /// The seed of all random draws of the run.
    public let seed: UInt64
    /// The search space of every stage.
    public let space: SearchSpace
    /// The devices by name.
    public let devices: [String: DeviceTarget]
    /// The stages in the order of the file.
    public let stages: [Stage]
    /// The text of the file, with overrides and resolved folders appended as comments.
    public let text: String

    /// Notes about surprising effects of the file, one line each.
    public let notes: [String]

    /// SHA-256 of `text`, in hexadecimal: equal hashes mean equal files, overrides and folders.
    public var hash: String { Digest.of(Array(text.utf8)).hex }

    /// Reads the file at `path`; `overrides` replace values by dotted path (`stages.full.epochs=1`) before anything is
    /// checked.
    public init(path: String, overrides: [String] = []) throws {
        try self.init(
            text: try YAMLDocument.contents(ofFile: path), file: path, overrides: overrides)
    }

    /// Reads a file's text; `file` is its path, used in errors and for relative folders.
    public init(text: String, file: String, overrides: [String] = []) throws {
        let replaced = try YAMLOverrides(overrides)
        let document = try YAMLDocument(text, file: file)
        let top = try YAMLReader(document, file: file, overrides: replaced)
        try PipelineKeys.check(top)
        name = try top.required(try top.text("name"), "name")
        seed = UInt64(try top.integer("seed") ?? 0)
        space = try SpaceReader.read(top)
        devices = try Self.readDevices(try top.mapping("devices"))
        let list = try top.required(try top.mapping("stages"), "stages")
        guard !list.keys.isEmpty else { throw top.error("stages", "has no stage") }
        let place = FilePlace(file)
        let drafts = try Self.readDrafts(list, space: space, devices: devices, place: place)
        stages = try Self.stages(drafts, space)
        notes = Self.notes(drafts, stages)
        try top.finish()
        try replaced.finish()
        self.text = document.text + Self.remarks(replaced, place, stages)
    }

    /// Returns the command line's overrides and the resolved folders as comments. They are appended to the file's text,
    /// because a run depends on them as well as on the text.
    private static func remarks(_ replaced: YAMLOverrides, _ place: FilePlace, _ stages: [Stage])
        -> String
    {
        let set = replaced.values.sorted { $0.key < $1.key }.map {
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
        _ list: YAMLReader, space: SearchSpace, devices: [String: DeviceTarget], place: FilePlace
    ) throws -> [StageDraft] {
        var drafts: [StageDraft] = []
        for name in list.keys {
            guard let entry = try list.mapping(name) else { continue }
            let kind = try entry.required(try entry.choice("kind", StageKind.self), "kind")
            let needs = try entry.texts("needs") ?? []
            for need in needs where !list.keys.contains(need) {
                throw entry.error(
                    "needs",
                    "names '\(Shown.excerpt(need))', which is no stage of this file",
                    remedy: NearestName.remedy(need, among: list.keys), code: .invalidGraph)
            }
            let parameters = try StageParameters.read(
                kind, from: entry, space: space, devices: devices, place: place)
            let terms = try StageTerms.read(kind, from: entry)
            try check(terms, against: parameters, in: space, entry)
            let onBad = try StageTerms.readOnBad(needs, from: entry)
            try entry.finish()
            drafts.append(
                StageDraft(
                    name: name, kind: kind, needs: needs, onBad: onBad, terms: terms,
                    parameters: parameters, entry: entry))
        }
        return drafts
    }

    private static func stages(_ drafts: [StageDraft], _ space: SearchSpace) throws -> [Stage] {
        let graph = try StageGraph(drafts)
        let stages = try drafts.map { draft in
            let inputs = try graph.inputs(of: draft)
            try StageTerms.check(draft.onBad, inputs, draft.entry)
            return Stage(
                name: draft.name, kind: draft.kind, needs: draft.needs, onBad: draft.onBad,
                terms: draft.terms, parameters: draft.parameters, inputs: inputs,
                places: Dictionary(
                    uniqueKeysWithValues: dataKeys.map { ($0, draft.entry.place($0)) }))
        }
        let entries = Dictionary(uniqueKeysWithValues: drafts.map { ($0.name, $0.entry) })
        let check = TrainedCheck(stages, entries, space)
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

/// A parsed stage before its inputs are resolved.
struct StageDraft {
    let name: String
    let kind: StageKind
    let needs: [String]
    let onBad: [String: OnBad]
    let terms: StageTerms?
    let parameters: StageParameters
    let entry: YAMLReader
}

/// The graph of the stages' needs and outputs.
private struct StageGraph {
    private let byName: [String: StageDraft]

    /// Throws `invalidGraph` for a cycle, naming the stages of the cycle and the line of one of these stages.
    init(_ drafts: [StageDraft]) throws {
        byName = Dictionary(uniqueKeysWithValues: drafts.map { ($0.name, $0) })
        var finished: Set<String> = []
        for draft in drafts { try visit(draft, path: [], &finished) }
    }

    private func visit(_ draft: StageDraft, path: [String], _ finished: inout Set<String>) throws {
        if let start = path.firstIndex(of: draft.name) {
            let circle = (path[start...] + [draft.name]).joined(separator: " → ")
            throw draft.entry.error("needs", "is part of a cycle: \(circle)", code: .invalidGraph)
        }
        guard !finished.contains(draft.name) else { return }
        for need in draft.needs.compactMap({ byName[$0] }) {
            try visit(need, path: path + [draft.name], &finished)
        }
        finished.insert(draft.name)
    }

    /// Returns the source of each input that `draft` requires: the stage named by a parameter, or the nearest ancestor
    /// that makes the input. Errors: `missingInput`.
    func inputs(of draft: StageDraft) throws -> [ArtifactRole: InputReference] {
        var result: [ArtifactRole: InputReference] = [:]
        for (role, key) in draft.parameters.namedInputs {
            let stage = key.stage
            guard ancestors(of: draft).contains(where: { $0.contains(stage) }) else {
                throw draft.entry.error(
                    key.key,
                    "names '\(stage)', which \(draft.name) does not need, directly or through others",
                    remedy: NearestName.remedy(
                        stage, among: byName.keys.filter { $0 != stage }.sorted()),
                    code: .missingInput)
            }
            guard let maker = byName[stage], maker.kind.outputs.contains(role.made) else {
                throw draft.entry.error(
                    key.key, "names '\(stage)', which makes no \(role.made.rawValue)",
                    code: .missingInput)
            }
            result[role] = .stage(stage)
        }
        for role in draft.parameters.requiredRoles where result[role] == nil {
            result[role] = .stage(try nearest(role.made, for: draft))
        }
        return result
    }

    private func nearest(_ role: ArtifactRole, for draft: StageDraft) throws -> String {
        for level in ancestors(of: draft) {
            let makers = level.filter { byName[$0]?.kind.outputs.contains(role) ?? false }.sorted()
            if makers.count == 1 { return makers[0] }
            if makers.count > 1 {
                throw draft.entry.error(
                    "needs",
                    "reaches several stages that make a \(role.rawValue) (\(makers.joined(separator: ", ")))",
                    remedy: "need only one of them", code: .missingInput)
            }
        }
        let kinds = StageKind.allCases.filter { $0.outputs.contains(role) }.map(\.rawValue).joined(
            separator: " or ")
        throw draft.entry.error(
            "needs",
            "leads to no stage that makes a \(role.rawValue)",
            remedy: "add a stage of kind \(kinds) to its needs",
            code: .missingInput)
    }

    /// Returns the ancestors by distance, direct needs first; a stage counts at its shortest distance.
    private func ancestors(of draft: StageDraft) -> [[String]] {
        var levels: [[String]] = [], seen: Set<String> = []
        var current = draft.needs
        while !current.isEmpty {
            let level = current.filter { seen.insert($0).inserted }
            if level.isEmpty { break }
            levels.append(level)
            current = level.flatMap { byName[$0]?.needs ?? [] }
        }
        return levels
    }
}
