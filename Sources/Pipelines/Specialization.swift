// A new device target after training: measure its table if it needs one, search, materialise, and at the end of all a
// report with what it cost. Nothing is trained; the supernet, the predictor and the data set are those of an earlier
// run. Every device is a branch of its own: what fails for one is nothing to the others.

import Artifacts
import Foundation
import Jobs
import Networks
import Postgres
import Schema
import Search

/// What a new device is cut from.
public struct Specialization: Sendable {
    /// What a stage of a specialisation does for its device.
    public enum Step: String, Sendable, CaseIterable {
        /// Times the blocks of a space on this machine.
        case measure
        /// Finds the network.
        case search
        /// Cuts it out, recalibrates and measures it.
        case network

        /// What the stage of a device is called.
        func stage(_ device: String) -> String { "\(rawValue)-\(device)" }
    }

    /// What a stage of that name does; nil for one that is for no device.
    public static func step(ofStage name: String) -> Step? {
        Step.allCases.first { name.hasPrefix($0.rawValue + "-") }
    }

    /// The device that a stage of that name works for; nil for one that is for none.
    public static func device(ofStage name: String) -> String? {
        step(ofStage: name).map { String(name.dropFirst($0.rawValue.count + 1)) }
    }

    /// The run that cuts networks for `devices`, each with its stored table where it has one, all branches beside each
    /// other, and then reports. Where latency is measured, `timingThreads` processors are reserved, so that nothing
    /// else of the queue runs beside it.
    public static func runSpec(
        _ devices: [StoredDevice], from sources: Sources, timingThreads: Int? = nil
    ) throws -> RunSpec {
        let terms = timingThreads.map { StageTerms(threads: $0) }
        var measured: [Int: String] = [:]
        let branches = try devices.map { try branch($0, sources, timing: terms, &measured) }
        let networks = branches.compactMap(\.last?.name)
        let report = StageArguments(
            stage: "report", parameters: .report(.init()), inputs: [:], space: sources.space,
            seed: sources.seed)
        let stages =
            branches.flatMap(\.self) + [
                StageSpec(
                    name: report.stage, job: try report.job(), needs: networks,
                    onBad: Dictionary(uniqueKeysWithValues: networks.map { ($0, .run) }))
            ]
        let names = devices.map(\.target.name).joined(separator: "+")
        let definition = try JSONText.encode(devices.map(\.target)) + " from run \(sources.run)"
        return run("specialize-\(names)", definition, stages)
    }

    /// The stages of one device, the last of which makes its network. This machine is measured once for a batch, by
    /// the first device that needs it; `measured` has the stage.
    private static func branch(
        _ device: StoredDevice, _ sources: Sources, timing: StageTerms?,
        _ measured: inout [Int: String]
    ) throws -> [StageSpec] {
        let target = device.target
        var stages: [StageSpec] = []
        func add(
            _ name: String, _ parameters: StageParameters,
            _ more: [ArtifactRole: InputReference], needs: [String], terms: StageTerms? = nil
        ) throws {
            let wanted = Set(parameters.requiredRoles + parameters.optionalRoles)
            let inputs = sources.artifacts.mapValues { InputReference.artifact($0.description) }
            let arguments = StageArguments(
                stage: name, parameters: parameters,
                inputs: inputs.merging(more) { $1 }.filter { wanted.contains($0.key) },
                space: sources.space, seed: sources.seed, terms: terms)
            stages.append(StageSpec(name: name, job: try arguments.job(), needs: needs))
        }
        var table: [ArtifactRole: InputReference] = [:]
        var needs: [String] = []
        if let known = device.latencyTable {
            table[.latencyTable] = .artifact(known.description)
        } else if target.limits.latencyMsMax != nil {
            if measured[target.batch] == nil || target.kind != .computer {
                let measurement = try Self.measurement(
                    target, space: sources.space, seed: sources.seed, terms: timing)
                stages.append(measurement)
                measured[target.batch] = measurement.name
            }
            needs = [measured[target.batch]].compactMap(\.self)
            table[.latencyTable] = needs.first.map(InputReference.stage)
        }
        if let energies = device.energyTable {
            table[.energyTable] = .artifact(energies.description)
        }
        let search = Step.search.stage(target.name)
        try add(search, .search(.init(device: target)), table, needs: needs)
        try add(
            Step.network.stage(target.name),
            .materialise(
                .init(
                    device: target, network: nil, calibrationImages: sources.calibrationImages,
                    testOffset: sources.testOffset,
                    calibrationAugmentation: sources.calibrationAugmentation)),
            [.choice: .stage(search)], needs: [search],
            terms: target.kind == .computer ? timing : nil)
        return stages
    }

    /// The run that measures a device's latency table for networks of `space` on this machine, and does nothing else.
    ///
    /// Entries of the table that the device has are kept, unless it is to be measured anew.
    public static func measureSpec(
        _ device: StoredDevice, space: String, resolutions: [Int]? = nil, repeats: Int? = nil,
        wholeNetworks: Int = 20, isAnew: Bool = false
    ) throws -> RunSpec {
        let target = device.target
        var arguments = try measuring(target, space: space, seed: 0)
        arguments.parameters = .measureDevice(
            .init(
                device: target, repeats: repeats ?? StageParameters.usualRepeats,
                wholeNetworks: wholeNetworks, resolutions: resolutions))
        if !isAnew, let table = device.latencyTable {
            arguments.inputs[.latencyTable] = .artifact(table.description)
        }
        let definition = try JSONText.encode(target) + " in \(space)"
        return run(
            "measure-\(target.name)", definition,
            [StageSpec(name: arguments.stage, job: try arguments.job())])
    }

    private static func run(_ name: String, _ definition: String, _ stages: [StageSpec]) -> RunSpec
    {
        // A run for many devices is called by the first of them.
        let limit = 200
        let name = name.count <= limit ? name : name.prefix(limit - 1) + "…"
        return RunSpec(
            name: name, definition: definition,
            definitionHash: Digest.of(Array((definition + "\(stages)").utf8)).hex, stages: stages)
    }

    private static func measurement(
        _ device: DeviceTarget, space: String, seed: UInt64, terms: StageTerms? = nil
    ) throws -> StageSpec {
        var arguments = try measuring(device, space: space, seed: seed)
        arguments.terms = terms
        return StageSpec(name: arguments.stage, job: try arguments.job())
    }

    private static func measuring(_ device: DeviceTarget, space: String, seed: UInt64) throws
        -> StageArguments
    {
        guard device.kind == .computer else {
            throw PipelineError(
                .missingInput,
                "device \(device.name) is a \(device.kind.rawValue) without a latency table, and only this machine can be"
                    + " measured",
                remedy: "give one with ofa device add \(device.name) --latency-table FILE")
        }
        return StageArguments(
            stage: Step.measure.stage(device.name),
            parameters: .measureDevice(
                .init(
                    device: device, repeats: StageParameters.usualRepeats, wholeNetworks: 20,
                    resolutions: nil)),
            inputs: [:], space: space, seed: seed)
    }
}
