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
    /// are those of `testImages`. Errors: `missingInput`; `invalidValue` for a named source that has no effect; those of
    /// `ArtifactSources`.
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
            let candidate =
                role == .testImages
                ? try testImages(of: draft, result[.dataset], named[.dataset])
                : try nearest(role.made, for: draft)
            switch candidate {
            case .stage(let stage): result[role] = .stage(stage)
            case .artifact(let source): try take(source)
            }
        }
        try check(draft, result, named)
        return result
    }

    /// Checks inputs against each other. Errors: `invalidValue`, and those of `ArtifactSources.checkSplit`.
    private func check(
        _ draft: StageDraft, _ inputs: [ArtifactRole: InputReference],
        _ named: [ArtifactRole: NamedSource]
    ) throws {
        // Until an artifact is looked up, it is not known whether it is a network or a search result.
        if let supernet = named[.supernet], let network = named[.subnet], draft.kind == .fineTune,
            artifacts != nil || network.artifact == nil
        {
            throw supernet.error(
                "has no effect: from names a network, which is not extracted again",
                remedy: "leave it out", code: .invalidValue)
        }
        if case .train(let train) = draft.parameters, train.newHead == true,
            let teacher = named[.teacher], teacher.artifact != nil,
            inputs[.teacher] == inputs[.supernet]
        {
            throw teacher.error(
                "names the supernet whose classifier new_head replaces: it tells other classes apart",
                remedy: "leave it out", code: .mismatch)
        }
        if let data = named[.dataset], let from = named[.subnet] ?? named[.supernet],
            from.artifact != nil, data.artifact != nil, draft.kind != .evaluate
        {
            try artifacts?.checkSplit(data, of: from)
        }
    }

    /// Returns the source of the test images of `draft`, whose data set is `data`: test images that its nearest ancestor
    /// with the same data set names, unless the stage names the data set itself; otherwise the images imported with the
    /// data set. `source` names the data set, if that is an artifact.
    private func testImages(
        of draft: StageDraft, _ data: InputReference?, _ source: NamedSource?
    ) throws -> Candidate {
        if !draft.sources.contains(where: { $0.role == .dataset }),
            let found = try candidate(
                .testImages, for: draft, making: false,
                where: { try inputs(of: $0)[.dataset] == data })
        {
            return found
        }
        if let source, source.artifact != nil {
            return .artifact(source.with(role: .testImages))
        }
        if case .stage(let stage) = data, byName[stage]?.kind.outputs.contains(.testImages) == true
        {
            return .stage(stage)
        }
        return try nearest(.testImages, for: draft)
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

    /// Returns the nearest ancestor that makes `role`, or the source that the nearest ancestor names for its own input of
    /// this role. A stage's output comes before its input.
    private func nearest(_ role: ArtifactRole, for draft: StageDraft) throws -> Candidate {
        if let found = try candidate(role, for: draft, making: true, where: { _ in true }) {
            return found
        }
        let kinds = StageKind.allCases.filter { $0.outputs.contains(role) }.map(\.rawValue).joined(
            separator: " or ")
        let key = draft.kind.key(of: role)
        throw draft.entry.error(
            "needs",
            "leads to no stage that makes a \(role.rawValue)",
            remedy: "add a stage of kind \(kinds) to its needs"
                + (key.map { ", or name an artifact: \($0): \(NamedSource.prefix)NUMBER" } ?? ""),
            code: .missingInput)
    }

    /// Returns the candidate for an input of `role` among the nearest ancestors that have one: those that make it, if
    /// `making` is true, and what those for which `counts` holds name. Nil without a candidate. Errors: `missingInput`
    /// for several candidates.
    private func candidate(
        _ role: ArtifactRole, for draft: StageDraft, making: Bool,
        where counts: (StageDraft) throws -> Bool
    ) throws -> Candidate? {
        for level in ancestors(of: draft).map({ $0.compactMap { byName[$0] } }) {
            var found: [String: Candidate] = [:]
            for stage in level {
                if making, stage.kind.outputs.contains(role) {
                    found[stage.name] = .stage(stage.name)
                    continue
                }
                for source in stage.sources where source.role == role {
                    guard try counts(stage) else { continue }
                    // An artifact may be named in several ways.
                    let name = try artifacts?.reference(of: source) ?? source.value
                    found[name] = source.artifact == nil ? .stage(name) : .artifact(source)
                }
            }
            guard let first = found.min(by: { $0.key < $1.key })?.value else { continue }
            // Until artifacts are looked up, it is not known whether different names are those of one artifact.
            let isOpen =
                artifacts == nil && found.keys.allSatisfy { $0.hasPrefix(NamedSource.prefix) }
            guard found.count == 1 || isOpen else {
                throw draft.entry.error(
                    "needs",
                    "reaches several sources of a \(role.rawValue): \(found.keys.sorted().joined(separator: ", "))",
                    remedy: "need only one of them"
                        + (draft.kind.key(of: role).map { ", or name one: \($0)" } ?? ""),
                    code: .missingInput)
            }
            return first
        }
        return nil
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
    func parameters(of draft: StageDraft, _ inputs: [ArtifactRole: InputReference]) throws
        -> StageParameters
    {
        guard case .fineTune(var tuning) = draft.parameters else { return draft.parameters }
        tuning.device = try device(of: inputs)
        return .fineTune(tuning)
    }

    /// Returns the device of the network that a fine-tuning with these inputs starts from; nil if there is none or if it
    /// is unknown.
    private func device(of inputs: [ArtifactRole: InputReference]) throws -> DeviceTarget? {
        switch inputs[.subnet] ?? inputs[.choice] {
        case .artifact(let id): return artifacts?.devices[id]
        case .stage(let name):
            guard let stage = byName[name] else { return nil }
            switch stage.parameters {
            case .materialise(let cut): return cut.device
            case .search(let search): return search.device
            case .fineTune: return try device(of: try self.inputs(of: stage))
            default: return nil
            }
        case nil: return nil
        }
    }
}
