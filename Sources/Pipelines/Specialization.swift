// Builds runs that specialise for new devices after training: each device's stages measure a latency table if needed,
// search, and materialise the network; a report with costs follows. No supernet is trained; supernet, predictor and data
// set come from an earlier run. Every device is a separate branch. If a branch fails, another branch is affected only
// if it needs a table that the failed branch was to measure.

import Artifacts
import Devices
import Foundation
import Jobs
import Networks
import Postgres
import Schema

/// Builds specialisation runs.
public struct Specialization: Sendable {
    /// The steps of one device.
    public enum Step: String, Sendable, CaseIterable {
        /// Measures a latency table of this machine.
        case measure
        /// Searches for the network.
        case search
        /// Materialises, calibrates and measures the network.
        case network
        /// Trains the network further.
        case tune

        /// Returns the name of the stage of this step for a device.
        func stage(_ device: String) -> String { "\(rawValue)-\(device)" }
    }

    /// Returns the step of the stage called `name`; nil for stages that serve no single device.
    public static func step(ofStage name: String) -> Step? {
        Step.allCases.first { name.hasPrefix($0.rawValue + "-") }
    }

    /// Returns the device of the stage called `name`; nil for stages that serve no single device.
    public static func device(ofStage name: String) -> String? {
        step(ofStage: name).map { String(name.dropFirst($0.rawValue.count + 1)) }
    }

    /// Returns the run that specialises for `devices` in parallel branches, each with the device's stored table if
    /// there is one, and then reports. Stages that measure latency reserve `timingThreads` processors; if that is the
    /// number of the machine's processors, no other job runs during a measurement. Given `fineTuning`, each network is
    /// trained further.
    public static func runSpec(
        _ devices: [StoredDevice], from sources: Sources, timingThreads: Int? = nil,
        fineTuning: StageParameters.FineTune? = nil
    ) throws -> RunSpec {
        let terms = timingThreads.map { StageTerms(threads: $0) }
        var measured: [Setting: String] = [:]
        let branches = try devices.map {
            try branch($0, sources, timing: terms, fineTuning, &measured)
        }
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

    /// What a latency table of this machine is measured for.
    private struct Setting: Hashable {
        let batch, threads: Int
    }

    /// Returns the stages of one device; the last of them makes the network. A latency table of this machine is
    /// measured once for each setting, by a stage of the first device that needs the table. `measured` maps each setting
    /// to the name of that stage.
    private static func branch(
        _ device: StoredDevice, _ sources: Sources, timing: StageTerms?,
        _ fineTuning: StageParameters.FineTune?, _ measured: inout [Setting: String]
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
            let setting = Setting(batch: target.batch, threads: target.threads)
            if measured[setting] == nil || target.kind != .computer {
                let measurement = try Self.measurement(
                    target, space: sources.space, seed: sources.seed, terms: timing)
                stages.append(measurement)
                measured[setting] = measurement.name
            }
            needs = [measured[setting]].compactMap(\.self)
            table[.latencyTable] = needs.first.map(InputReference.stage)
        }
        if let energies = device.energyTable {
            table[.energyTable] = .artifact(energies.description)
        }
        if let predictor = sources.predictor(for: target) {
            table[.predictor] = .artifact(predictor.description)
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
        if var fineTuning {
            let network = Step.network.stage(target.name)
            (fineTuning.from, fineTuning.device) = (network, target)
            try add(
                Step.tune.stage(target.name), .fineTune(fineTuning), [.subnet: .stage(network)],
                needs: [network], terms: target.kind == .computer ? timing : nil)
        }
        return stages
    }

    /// Returns the run that only measures a device's latency table for `space` on this machine.
    ///
    /// Entries of the device's existing table are reused, unless `isAnew`. Errors: `missingInput` for a device that is
    /// not a computer.
    public static func measureSpec(
        _ device: StoredDevice, space: SearchSpace, resolutions: [Int]? = nil, repeats: Int? = nil,
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
        // A run for many devices has a long name, which is cut off at `limit` characters.
        let limit = 200
        let name = name.count <= limit ? name : name.prefix(limit - 1) + "…"
        return RunSpec(
            name: name, definition: definition,
            definitionHash: Digest.of(Array((definition + "\(stages)").utf8)).hex, stages: stages)
    }

    private static func measurement(
        _ device: DeviceTarget, space: SearchSpace, seed: UInt64, terms: StageTerms? = nil
    ) throws -> StageSpec {
        var arguments = try measuring(device, space: space, seed: seed)
        arguments.terms = terms
        return StageSpec(name: arguments.stage, job: try arguments.job())
    }

    private static func measuring(_ device: DeviceTarget, space: SearchSpace, seed: UInt64) throws
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
