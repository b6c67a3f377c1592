// PictureImport: the jobs of an import that read the data set. The survey (the list of the data set's classes and
// units) and the records of the child jobs are stored as artifacts, because they are too large for the arguments and
// results of jobs.

import Artifacts
import Datasets
import Foundation
import Jobs

/// The import of a data set as picture sets.
struct PictureImport {
    /// The result of a child job, which imports some units of the data set; a unit is a set of pictures or an archive.
    struct ChildResult: Codable, Sendable {
        /// The digest of the survey.
        let survey: Digest
        /// The digest of the child's `ImportRecord`.
        let record: Digest
        /// The number of pictures that the child imported.
        let pictures: Int
    }

    /// The metadata of a shard or of an import record.
    private struct PieceMetadata: Encodable {
        let dataset: String
        var part: DatasetPart?
        var units: Int?
        var pictures: Int?
    }

    /// The largest number of child jobs. If a data set has more units than this, each child job imports several units.
    private static let mostChildren = 2048
    /// The seconds between two reports of progress.
    private static let reportSeconds = 0.5

    let context: StageContext
    let parameters: StageParameters.ImportDataset

    init(_ context: StageContext, _ parameters: StageParameters.ImportDataset) {
        self.context = context
        self.parameters = parameters
    }

    /// Returns how pictures of a data set of this form are stored.
    ///
    /// Errors: `invalidValue` if image files are to be stored but the form has only pixels, or if the networks of the
    /// space take neither one nor three channels.
    func storage(_ form: DatasetForm) throws -> PictureStorage {
        let holdsPixels = StageParameters.ImportDataset.pixelForms.contains(form)
        let store = parameters.store ?? (holdsPixels ? .pixels : .files)
        guard !holdsPixels || store == .pixels else {
            throw PipelineError(
                .invalidValue,
                "stages.\(context.arguments.stage).store \(StageParameters.ImportDataset.noFiles(form))",
                remedy: "leave it out")
        }
        let channels = context.space.inputChannels
        guard channels == 1 || channels == 3 else {
            throw PipelineError(
                .invalidValue,
                "networks of space \(context.space.name) take \(channels) channels, and pictures have 1 or 3"
            )
        }
        return PictureStorage(store: store, size: parameters.size, channels: channels)
    }

    // MARK: The first job

    /// Lists the classes and units of the data set (the survey), and fans out to child jobs.
    func plan(_ source: any DatasetSource) throws -> StageOutput {
        _ = try storage(source.form)
        context.job.progress(fraction: 0, message: "listing \(parameters.folder)")
        var listed = 0
        let survey = try ImportDatasetStage.here {
            try source.survey { event in
                guard case .refused(let notice) = event else { return }
                listed += 1
                if listed <= ImportTally.mostEntries {
                    context.job.log("cannot be read: \(notice.name): \(notice.reason)")
                }
            }
        }
        try check(survey)
        try context.job.stopIfAsked()
        let digest = try context.put(
            Array(try JSONText.encode(survey).utf8), elementSize: 1, as: .importRecord,
            isShared: true)
        let counts = survey.units.compactMap(\.count)
        context.job.log(
            "\(parameters.folder): \(survey.form.rawValue), "
                + (survey.classes.isEmpty ? "" : "\(survey.classes.count) classes, ")
                + (counts.count == survey.units.count
                    ? "\(counts.reduce(0, +)) pictures" : "\(survey.units.count) archives"))
        let size = (survey.units.count + Self.mostChildren - 1) / Self.mostChildren
        let children = try stride(from: 0, to: survey.units.count, by: size).map { first in
            try job(
                .units(
                    survey: digest, first: first, count: min(size, survey.units.count - first)))
        }
        return try StageOutput(
            [
                try StageOutput.Made(
                    .importRecord, name: "\(parameters.dataset)-survey", digest: digest,
                    metadata: PieceMetadata(
                        dataset: parameters.dataset, units: survey.units.count))
            ], result: NoResult(), fanOut: FanOut(children: children, then: try job(.gather)))
    }

    private func job(_ part: StageArguments.Part) throws -> JobSpec {
        var arguments = context.arguments
        arguments.part = part
        return try arguments.job()
    }

    /// Throws the errors that can be found before any picture is decoded.
    private func check(_ survey: DatasetSurvey) throws {
        let refused = ImportRecord(survey).refused
        if refused.count > 0, !parameters.skipsBadFiles {
            throw Self.unreadable(refused, of: parameters.folder)
        }
        guard !survey.units.isEmpty else {
            throw DatasetError(
                .wrongDimensions, "\(parameters.folder) has no pictures",
                remedy: "put the pictures of each class in a folder named for it")
        }
        try check(classes: survey.classes.count)
        let parts = survey.parts.map(\.part)
        guard parts.contains(.train), parts.contains(.val) || parts.contains(.test) else {
            throw noTest(parts)
        }
    }

    /// Throws if the data set has more classes than the stage permits.
    func check(classes: Int) throws {
        guard classes > parameters.classes else { return }
        throw PipelineError(
            .invalidValue,
            "\(parameters.folder) has \(classes) classes; stage \(context.arguments.stage) permits"
                + " \(parameters.classes), and networks of space \(context.space.name) tell"
                + " \(context.space.classes) apart",
            remedy: "give the space as many: space: {base: …, classes: \(classes)}")
    }

    /// The error of a data set without pictures to train or to test on.
    func noTest(_ parts: [DatasetPart]) -> DatasetError {
        let names = parts.map(\.rawValue).joined(separator: ", ")
        return DatasetError(
            .wrongDimensions,
            "\(parameters.folder) has \(names.isEmpty ? "no pictures" : "pictures of \(names) only");"
                + " some to train on and some to test on are needed",
            remedy: "add a folder test or val, or put the class folders directly into the root:"
                + " then a tenth of the pictures is taken for testing")
    }

    /// The error that names the first files that cannot be read.
    static func unreadable(_ refused: ImportTally, of folder: String) -> DatasetError {
        let most = 20
        let names = refused.entries.prefix(most).map { "\($0.name): \($0.reason)" }
        let isOne = refused.count == 1
        return DatasetError(
            .corrupt,
            "\(refused.count) \(isOne ? "file" : "files") of \(folder) cannot be read: "
                + names.joined(separator: "; ") + (refused.count > most ? "; …" : ""),
            remedy: "mend or remove \(isOne ? "it" : "them"), or set on_bad_file: skip")
    }

    // MARK: The children

    /// Decodes a survey.
    func survey(_ digest: Digest) throws -> DatasetSurvey {
        try JSONText.decode(
            DatasetSurvey.self, from: String(decoding: try context.bytes(digest), as: UTF8.self),
            what: "the survey of \(parameters.dataset)")
    }

    /// Imports the units at indices `range` of the survey with `digest`.
    func importUnits(_ range: Range<Int>, of digest: Digest) throws -> StageOutput {
        let survey = try survey(digest)
        let units = survey.units[range.clamped(to: survey.units.indices)]
        let name = "\(parameters.dataset)-\(range.lowerBound)"
        var made: [StageOutput.Made] = []
        let importer = try UnitImporter(
            try storage(survey.form), threads: context.job.threads,
            digest: { Digest.of($0).bytes },
            emit: { shard in
                let stored = try put(shard, name: "\(name)-\(made.count / 2)", &made)
                try context.job.stopIfAsked()
                return stored
            })
        var progress = UnitProgress(units, first: range.lowerBound)
        try ImportDatasetStage.here {
            let source = try parameters.source(seed: context.arguments.seed)
            for unit in units {
                try source.read(unit, classes: survey.classes) { event in
                    try importer.take(event)
                    try context.job.stopIfAsked()
                    if let report = progress.report(importer, every: Self.reportSeconds) {
                        context.job.progress(fraction: report.fraction, message: report.message)
                    }
                }
                progress.end(unit, importer)
            }
        }
        let record = try importer.finish()
        for entry in record.refused.entries.prefix(ImportTally.mostEntries) {
            context.job.log("cannot be read: \(entry.name): \(entry.reason)")
        }
        for entry in record.warned.entries.prefix(100) {
            context.job.log("warning: \(entry.name): \(entry.reason)")
        }
        let bytes = Array(try JSONText.encode(record).utf8)
        let stored = try context.put(bytes, elementSize: 1, as: .importRecord, isShared: true)
        made.append(
            try StageOutput.Made(
                .importRecord, name: name, digest: stored,
                metadata: PieceMetadata(
                    dataset: parameters.dataset, units: units.count, pictures: record.count)))
        return try StageOutput(
            made,
            result: ChildResult(survey: digest, record: stored, pictures: record.count))
    }

    /// Stores a shard and the names of its pictures.
    private func put(
        _ shard: UnitImporter.Shard, name: String, _ made: inout [StageOutput.Made]
    ) throws -> ImportRecord.Shard {
        let digest = try context.put(shard.bytes, elementSize: 1, as: .datasetShard)
        let names = try context.put(
            shard.names.encoded, elementSize: 1, as: .importRecord, isShared: true)
        for (role, name, digest) in [
            (ArtifactRole.datasetShard, name, digest), (.importRecord, name + "-names", names),
        ] {
            made.append(
                try StageOutput.Made(
                    role, name: name, digest: digest,
                    metadata: PieceMetadata(
                        dataset: parameters.dataset, part: shard.part, pictures: shard.count)))
        }
        return ImportRecord.Shard(
            shard: PictureSetManifest.Shard(
                digest: digest.hex, count: shard.count, byteCount: shard.bytes.count),
            names: names.hex)
    }
}

/// The progress of a child job.
private struct UnitProgress {
    private let total: Int
    private let names: String
    private let began = ContinuousClock.now
    private var last = ContinuousClock.now
    /// The size of the finished units: their number of pictures, or their bytes if the survey did not count pictures.
    private var done = 0
    private var before = (samples: 0, bytes: 0)
    private let isCounted: Bool

    init(_ units: ArraySlice<ImportUnit>, first: Int) {
        isCounted = units.allSatisfy { $0.count != nil }
        total = max(1, units.reduce(0) { $0 + ($1.count ?? $1.bytes ?? 0) })
        names = units.count == 1 ? "unit \(first)" : "units \(first) to \(first + units.count - 1)"
    }

    /// Returns the finished fraction and a message; nil if the last report is not yet `seconds` old.
    mutating func report(
        _ importer: UnitImporter, every seconds: Double
    ) -> (fraction: Double, message: String)? {
        let now = ContinuousClock.now
        guard now - last >= .seconds(seconds) else { return nil }
        last = now
        let own =
            isCounted
            ? importer.pictures + importer.refused - before.samples
            : importer.bytesRead - before.bytes
        let rate = Double(importer.pictures) / max((now - began) / .seconds(1), 1e-9)
        let refused = importer.refused == 0 ? "" : ", \(importer.refused) not read"
        let count = isCounted ? " of \(total)" : ""
        return (
            min(0.99, Double(done + own) / Double(total)),
            "\(names): \(importer.pictures)\(count) pictures, "
                + String(format: "%.0f pictures/s", rate) + refused
        )
    }

    mutating func end(_ unit: ImportUnit, _ importer: UnitImporter) {
        done += isCounted ? unit.count ?? 0 : unit.bytes ?? 0
        before = (importer.pictures + importer.refused, importer.bytesRead)
    }
}
