// The graph of a pipeline file's stages: their needs, and the source of each of their inputs.

import Devices
import Foundation
import Intake
import Jobs

/// A parsed stage before its inputs are resolved.
struct StageDraft {
    var name: String
    let kind: StageKind
    var needs: [String]
    var onBad: [String: OnBad]
    let terms: StageTerms?
    var parameters: StageParameters
    /// The sources that the stage names.
    var sources: [NamedSource]
    /// The seed of the stage's random draws.
    var seed: UInt64
    let entry: YAMLReader
}

/// The graph of the stages' needs and outputs.
struct StageGraph {
    private let byName: [String: StageDraft]
    /// Looks up artifacts; nil leaves references to artifacts as they are.
    private let artifacts: ArtifactSources?

    /// Throws `invalidGraph` for a cycle, naming the stages of the cycle and the line of one of these stages.
    init(_ drafts: [StageDraft], _ artifacts: ArtifactSources?) throws {
        self.artifacts = artifacts
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

    /// Returns the source of each input of `draft`: the source that the stage names, or that of `nearest`. Test images
    /// are those imported with the data set, if that is an artifact. Errors: `missingInput`; those of `ArtifactSources`.
    func inputs(of draft: StageDraft) throws -> [ArtifactRole: InputReference] {
        var result: [ArtifactRole: InputReference] = [:]
        var named: [ArtifactRole: NamedSource] = [:]
        func take(_ source: NamedSource) throws {
            let (role, reference) = try input(source, of: draft)
            result[role] = reference
            named[role] = source
        }
        for source in draft.sources { try take(source) }
        var required = draft.parameters.requiredRoles
        // A network that a search chose has yet to be extracted.
        if draft.kind == .fineTune, result[.choice] != nil { required.append(.supernet) }
        for role in required where result[role] == nil {
            if role == .testImages, let data = named[.dataset], data.artifact != nil {
                try take(data.with(role: .testImages))
                continue
            }
            switch try nearest(role.made, for: draft) {
            case .stage(let stage): result[role] = .stage(stage)
            case .artifact(let source): try take(source)
            }
        }
        return result
    }

    /// Returns the role and the reference of a source that `draft` or one of its ancestors names.
    private func input(_ source: NamedSource, of draft: StageDraft) throws -> (
        ArtifactRole, InputReference
    ) {
        if let reference = source.artifact {
            return try artifacts?.input(source, of: draft)
                ?? (source.role, .artifact(reference))
        }
        let stage = source.value
        guard ancestors(of: draft).contains(where: { $0.contains(stage) }) else {
            throw source.error(
                "names '\(stage)', which \(draft.name) does not need, directly or through others",
                remedy: NearestName.remedy(
                    stage, among: byName.keys.filter { $0 != stage }.sorted()))
        }
        let made = byName[stage]?.kind.outputs ?? []
        // A fine-tuning starts from a network, or from a search result that chose one.
        for role in source.role == .subnet ? [.subnet, .choice] : [source.role]
        where made.contains(role.made) { return (role, .stage(stage)) }
        throw source.error("names '\(stage)', which makes no \(source.role.made.rawValue)")
    }

    /// A candidate for an input.
    private enum Candidate {
        case stage(String)
        case artifact(NamedSource)
    }

    /// Returns the nearest ancestor that makes `role`, or the artifact that the nearest ancestor names as its own input
    /// of this role. A stage's output comes before its input.
    private func nearest(_ role: ArtifactRole, for draft: StageDraft) throws -> Candidate {
        for level in ancestors(of: draft) {
            let makers = level.filter { byName[$0]?.kind.outputs.contains(role) ?? false }.sorted()
            var sources: [String: NamedSource] = [:]
            for source in level.filter({ !makers.contains($0) }).flatMap({
                byName[$0]?.sources ?? []
            }) where source.role == role && source.artifact != nil {
                sources[source.value] = source
            }
            if makers.count == 1, sources.isEmpty { return .stage(makers[0]) }
            if makers.isEmpty, sources.count == 1, let source = sources.values.first {
                return .artifact(source)
            }
            guard makers.isEmpty, sources.isEmpty else {
                let names = (makers + sources.keys.sorted()).joined(separator: ", ")
                throw draft.entry.error(
                    "needs", "reaches several stages that make a \(role.rawValue) (\(names))",
                    remedy: "need only one of them", code: .missingInput)
            }
        }
        let kinds = StageKind.allCases.filter { $0.outputs.contains(role) }.map(\.rawValue).joined(
            separator: " or ")
        let key = draft.kind.sourceKeys.first { $0.role == role }?.key
        throw draft.entry.error(
            "needs",
            "leads to no stage that makes a \(role.rawValue)",
            remedy: "add a stage of kind \(kinds) to its needs"
                + (key.map { ", or name an artifact: \($0): \(NamedSource.prefix)NUMBER" } ?? ""),
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

    /// Returns the parameters of `draft`; those of a fine-tuning with the device of its network.
    func parameters(of draft: StageDraft, _ inputs: [ArtifactRole: InputReference])
        -> StageParameters
    {
        guard case .fineTune(var tuning) = draft.parameters,
            let reference = inputs[.subnet] ?? inputs[.choice]
        else { return draft.parameters }
        switch reference {
        case .artifact(let id): tuning.device = artifacts?.devices[id]
        case .stage(let stage): tuning.device = device(of: stage)
        }
        return .fineTune(tuning)
    }

    /// Returns the device for which a stage makes or chooses a network; nil if there is none or if it is unknown.
    private func device(of stage: String) -> DeviceTarget? {
        switch byName[stage]?.parameters {
        case .materialise(let cut): cut.device
        case .search(let search): search.device
        case .fineTune(let tuning): device(of: tuning.from)
        default: nil
        }
    }
}
