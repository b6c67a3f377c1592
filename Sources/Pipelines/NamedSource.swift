// The sources of inputs that a pipeline file names: a stage of the file, or an artifact of an earlier run.

import Foundation
import Intake

/// The source of an input, as a pipeline file names it.
struct NamedSource {
    let role: ArtifactRole
    /// The key that names the source.
    let key: String
    /// The key's value: a stage's name, or `artifact:` and a number, name or digest.
    let value: String
    private let entry: YAMLReader

    /// The beginning of a value that names an artifact.
    static let prefix = "artifact:"

    /// The number, name or digest of the artifact; nil if the source is a stage.
    var artifact: String? {
        value.hasPrefix(Self.prefix) ? String(value.dropFirst(Self.prefix.count)) : nil
    }

    /// Reads the sources that a stage names, those among its parameters included; the caller calls `entry.finish`.
    static func read(
        _ kind: StageKind, _ parameters: StageParameters, from entry: YAMLReader
    ) throws -> [NamedSource] {
        var sources = parameters.namedInputs.map {
            NamedSource(role: $0.role, key: $0.key.key, value: $0.key.stage, entry: entry)
        }
        for (key, role) in kind.sourceKeys
        where !parameters.namedInputs.contains(where: { $0.key.key == key }) {
            guard let value = try entry.text(key) else { continue }
            let source = NamedSource(role: role, key: key, value: value, entry: entry)
            if let why = parameters.whyUnread(role) {
                throw source.error(
                    "has no effect: \(why)", remedy: "leave it out", code: .invalidValue)
            }
            sources.append(source)
        }
        return sources
    }

    /// Returns a copy for an input of another role.
    func with(role: ArtifactRole) -> NamedSource {
        NamedSource(role: role, key: key, value: value, entry: entry)
    }

    /// Returns a copy with the name of a stage replaced.
    func renamed(_ name: (String) -> String) -> NamedSource {
        NamedSource(role: role, key: key, value: name(value), entry: entry)
    }

    /// Returns an error about the key's value.
    func error(
        _ why: String, remedy: String? = nil, code: PipelineError.Code = .missingInput
    ) -> PipelineError {
        entry.error(key, why, remedy: remedy, code: code)
    }
}

extension StageParameters {
    /// Returns why a stage with these parameters reads no input of `role`, although its kind has a key for it; nil if it
    /// reads one.
    fileprivate func whyUnread(_ role: ArtifactRole) -> String? {
        switch (self, role) {
        case (.sampleAccuracy(let sampling), .predictor) where sampling.after == nil:
            "a predictor helps to choose subnets only with after"
        case (.materialise(let cut), .choice) where cut.network != nil:
            "network says which network is extracted"
        case (.search(let search), .latencyTable) where search.device.limits.latencyMsMax == nil:
            "device \(search.device.name) has no latency limit"
        default: nil
        }
    }
}

extension StageKind {
    /// Returns the key that names the source of an input of `role`; nil if there is none.
    func key(of role: ArtifactRole) -> String? { sourceKeys.first { $0.role == role }?.key }

    /// The keys that name the sources of inputs, each with the input's role. Any of them may be missing.
    var sourceKeys: [(key: String, role: ArtifactRole)] {
        switch self {
        case .importDataset, .report: []
        case .train:
            [
                ("from", .supernet), ("teacher", .teacher), ("dataset", .dataset),
                ("architecture", .choice),
            ]
        case .sampleAccuracy:
            [
                ("after", .samples), ("dataset", .dataset), ("supernet", .supernet),
                ("predictor", .predictor),
            ]
        case .fitPredictor: [("samples", .samples)]
        case .measureDevice: [("latency_table", .latencyTable)]
        case .search:
            [
                ("predictor", .predictor), ("latency_table", .latencyTable),
                ("energy_table", .energyTable), ("supernet", .supernet),
            ]
        case .materialise:
            [
                ("dataset", .dataset), ("test_images", .testImages), ("supernet", .supernet),
                ("choice", .choice),
            ]
        case .evaluate:
            [
                ("dataset", .dataset), ("test_images", .testImages), ("supernet", .supernet),
                ("architecture", .choice),
            ]
        case .fineTune:
            [
                ("from", .subnet), ("teacher", .teacher), ("dataset", .dataset),
                ("test_images", .testImages), ("supernet", .supernet),
            ]
        }
    }

    /// The keys that name sources, in words.
    var sourceWords: String {
        let keys = sourceKeys.map(\.key)
        return keys.isEmpty ? "this kind of stage reads none" : keys.joined(separator: ", ")
    }
}
