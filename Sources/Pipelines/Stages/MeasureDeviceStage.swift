// measure-device: measures a latency table of this machine, part by part, and times whole networks to check and correct
// the table. The stage saves a checkpoint every few seconds, so that a later attempt continues an interrupted
// measurement.

import Artifacts
import Devices
import Foundation
import Metering
import Networks
import Tensors

enum MeasureDeviceStage {
    /// Seconds between two checkpoints.
    private static let checkpointSeconds = 5.0

    static func run(_ context: StageContext, _ parameters: StageParameters.MeasureDevice) throws
        -> StageOutput
    {
        guard parameters.device.kind == .computer else {
            throw PipelineError(
                .invalidValue,
                "device \(parameters.device.name) is a \(parameters.device.kind.rawValue): only a computer is"
                    + " measured, by its own worker; for others give a table with ofa device add")
        }
        let space = context.space
        let resolutions = Set(parameters.resolutions ?? space.resolutions).sorted()
        let measurement = try LatencyMeasurement(
            supernet: try Weights(supernetOf: space, seed: 1), batch: parameters.device.batch,
            threads: parameters.device.threads)
        let known = try knownTable(context, measurement)
        var survey = LatencySurvey(
            resolutions: resolutions, known: known ?? LatencyTable(), repeats: parameters.repeats,
            wholeNetworks: parameters.wholeNetworks, seed: context.arguments.seed,
            threads: measurement.threads)
        if let saved = try context.job.latestCheckpoint() {
            do {
                let begun = try JSONText.decode(
                    LatencySurvey.self, from: saved.payload,
                    what: "the checkpoint of the measurement")
                if begun.isContinued(by: measurement) {
                    survey = begun
                } else {
                    context.job.log(
                        "the checkpoint is of another method of measuring: measuring from the beginning"
                    )
                }
            } catch let error as PipelineError {
                // The checkpoint is of another version. The measurement starts over, which costs only minutes.
                context.job.log("\(error): measuring from the beginning")
            }
        }
        let processors = ThreadPinning.leastBusy(measurement.threads)
        let machine = try processors.whilePinned { pinning in
            measurement.onEachThread(pinning.pin)
            return try measure(&survey, context, measurement, pinning)
        }
        return try output(survey, context, parameters, measurement, machine)
    }

    /// Returns the input table, whose entries are not measured again. Nil if there is no input table, or if it was
    /// measured on another host, for another space, with another instruction set or number of threads, or by another
    /// method.
    private static func knownTable(_ context: StageContext, _ measurement: LatencyMeasurement)
        throws -> LatencyTable?
    {
        guard context.arguments.inputs[.latencyTable] != nil else { return nil }
        let artifact = try context.input(.latencyTable)
        if let difference = try context.metadata(Origin.self, of: artifact)
            .difference(from: measurement)
        {
            context.job.log("the existing table was measured \(difference): measuring anew")
            return nil
        }
        let made = try context.metadata(TableOrigin.self, of: artifact)
        if try made.isForeign(to: context.space) {
            context.job.log(
                "the existing table was measured for space \(made.space ?? ""): measuring anew")
            return nil
        }
        return try context.content(LatencyTable.self, of: artifact)
    }

    /// The origin that a table records; all fields are nil for user-supplied and calibrated tables.
    struct Origin: Decodable {
        let host, instructionSet, method: String?
        let threads: Int?

        /// Returns how the table's measurement differed from `measurement` on this host, such that their entries are not
        /// comparable; nil if it did not, or if the table was not measured by this program.
        func difference(from measurement: LatencyMeasurement) -> String? {
            guard let host else { return nil }
            if host != ProcessInfo.processInfo.hostName { return "on \(host)" }
            if let other = instructionSet, other != measurement.instructionSet {
                return "with \(other) kernels"
            }
            if method != LatencyMeasurement.method { return "by another method" }
            let own = threads ?? 1
            return own == measurement.threads ? nil : "on \(own) threads"
        }
    }

    private static func measure(
        _ survey: inout LatencySurvey, _ context: StageContext, _ measurement: LatencyMeasurement,
        _ pinning: ThreadPinning
    ) throws -> MachineRecord {
        let start = try Clocks.monotonicNanoseconds(), cpu = try Clocks.processCPUNanoseconds()
        let busy = HostLoad.busyNanoseconds()
        let before = ProcessorState.now(processor: pinning.processor)
        var frequencies = [before.megahertz].compactMap { $0 }
        var saved = start
        while !survey.isDone {
            try survey.step(context.space, measurement)
            context.job.progress(fraction: 0.99 * survey.fraction, message: survey.place)
            frequencies += [ProcessorState.now(processor: pinning.processor).megahertz]
                .compactMap { $0 }
            let now = try Clocks.monotonicNanoseconds()
            if Double(now - saved) * 1e-9 > checkpointSeconds || context.job.isDraining {
                try context.job.saveCheckpoint(seq: now, payload: try JSONText.encode(survey))
                saved = now
            }
            try context.job.stopIfAsked()
        }
        let seconds = Double(try Clocks.monotonicNanoseconds() - start) * 1e-9
        let mine = Double(try Clocks.processCPUNanoseconds() - cpu) * 1e-9
        let all = busy.flatMap { start in HostLoad.busyNanoseconds().map { Double($0 - start) } }
        let processors = Double(ProcessInfo.processInfo.activeProcessorCount)
        return MachineRecord(
            processor: pinning.processor, before: before,
            after: ProcessorState.now(processor: pinning.processor),
            megahertzLow: frequencies.min(), megahertzHigh: frequencies.max(),
            othersBusy: all.map { max(0, $0 * 1e-9 - mine) / max(1e-9, processors * seconds) },
            seconds: seconds, processors: pinning.processors)
    }

    private static func output(
        _ survey: LatencySurvey, _ context: StageContext,
        _ parameters: StageParameters.MeasureDevice, _ measurement: LatencyMeasurement,
        _ machine: MachineRecord
    ) throws -> StageOutput {
        let check = try LatencyCheck(survey.table, survey.wholes, context.space)
        var table = survey.table
        let name = try context.space.tableName
        for resolution in Set(parameters.resolutions ?? context.space.resolutions) {
            table[correctionOf: name, resolution] = check.correction
        }
        context.job.log(
            "\(survey.measuredEntries) parts measured, \(survey.knownEntries) known before,"
                + " \(survey.outliers) timings while the machine changed its speed")
        context.job.log(
            String(
                format:
                    "table against %d whole networks: %.1f %% mean error, %.1f %% at worst; corrected and held out: %.1f %%",
                check.rows.count, 100 * check.meanError, 100 * check.worstError,
                100 * check.heldOutError))
        let metadata = LatencyTableMetadata(
            device: parameters.device.name, space: context.space.name,
            batch: parameters.device.batch,
            entries: table.entries.values.reduce(0) { $0 + $1.count },
            meanError: check.meanError, wholeNetworks: check.rows.count,
            instructionSet: measurement.instructionSet,
            host: ProcessInfo.processInfo.hostName, resolutions: table.resolutions,
            measured: survey.measuredEntries, known: survey.knownEntries,
            outliers: survey.outliers, check: check, machine: machine,
            spaceHash: try context.space.definitionHash, method: LatencyMeasurement.method,
            threads: measurement.threads)
        let digest = try context.put(
            Array(try JSONText.encode(table).utf8), elementSize: 1, as: .latencyTable)
        return try StageOutput(
            [
                try StageOutput.Made(
                    .latencyTable, name: "\(parameters.device.name)-latency", digest: digest,
                    metadata: metadata,
                    tableOf: parameters.device)
            ],
            result: metadata)
    }
}
