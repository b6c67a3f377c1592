// The last job of an import: combines the results of the child jobs, checks them, and stores the manifests.

import Artifacts
import Datasets
import Foundation

extension PictureImport {
    /// Makes the artifacts `dataset` and `test-images`.
    func gather() throws -> StageOutput {
        let results = try context.job.childResults().map {
            try JSONText.decode(ChildResult.self, from: $0, what: "a child's result")
        }
        guard let first = results.first else {
            throw PipelineError(
                .invalidArtifact, "no unit of \(parameters.dataset) was imported")
        }
        let survey = try survey(first.survey)
        var record = ImportRecord(survey)
        for result in results {
            record.add(
                try JSONText.decode(
                    ImportRecord.self,
                    from: String(decoding: try context.bytes(result.record), as: UTF8.self),
                    what: "the record of a child of \(context.arguments.stage)"))
        }
        try checkRefused(record)
        let classes = try checkedClasses(survey, record)
        try checkOverlap(record, survey)
        context.job.progress(fraction: 0.9, message: "\(record.count) pictures checked")
        return try manifests(record, classes, survey)
    }

    /// Throws if pictures could not be read, unless the stage leaves such pictures out.
    private func checkRefused(_ record: ImportRecord) throws {
        let refused = record.refused
        guard refused.count > 0 else { return }
        guard parameters.skipsBadFiles else {
            throw Self.unreadable(refused, of: parameters.folder)
        }
        let mostFirst = refused.counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        for (reason, count) in mostFirst {
            context.job.log("left out: \(count) × \(reason)")
        }
    }

    /// Returns the names of the classes. Throws if a class has no training picture, or if the space has too few
    /// classes.
    private func checkedClasses(
        _ survey: DatasetSurvey, _ record: ImportRecord
    ) throws -> [ByteName] {
        let highest = record.parts.values.flatMap(\.classCounts.keys).max() ?? 0
        let classes =
            survey.form == .webDataset ? (0...highest).map { ByteName("\($0)") } : survey.classes
        guard highest < classes.count else {
            throw PipelineError(
                .invalidArtifact, "a picture has class \(highest) of \(classes.count)")
        }
        try check(classes: classes.count)
        guard let train = record.parts[.train] else { throw noTest(record, survey) }
        // Data sets of pixels may have empty classes: CIFAR's classes are fixed, and labels of IDX files may skip
        // numbers.
        if !StageParameters.ImportDataset.pixelForms.contains(survey.form) {
            try DatasetSurvey.refuseEmpty(
                classes, counts: classes.indices.map { train.classCounts[$0] ?? 0 })
        }
        if classes.count < context.space.classes {
            context.job.log(
                "\(classes.count) classes; networks of space \(context.space.name) tell"
                    + " \(context.space.classes) apart")
        }
        return classes
    }

    /// Throws if a picture is in two parts of the data set, such as training and test. Published data sets of pixels
    /// contain such pictures, so for these data sets the job only logs a warning.
    private func checkOverlap(_ record: ImportRecord, _ survey: DatasetSurvey) throws {
        guard record.parts.count > 1 else { return }
        let shards = DatasetPart.allCases.flatMap { part in
            (record.parts[part]?.shards ?? []).map { (part: part, names: $0.names) }
        }
        func samples(_ shard: Int) throws -> SampleList {
            try SampleList(encoded: try context.bytes(try Digest(hex: shards[shard].names)))
        }
        var overlap = PartOverlap(pictures: record.count)
        for pass in 0..<overlap.passes {
            for (number, shard) in shards.enumerated() {
                try context.job.stopIfAsked()
                overlap.add(try samples(number), part: shard.part, shard: number, pass: pass)
                if number % 16 == 0 {
                    let done = Double(pass * shards.count + number)
                    context.job.progress(
                        fraction: 0.9 * done / Double(overlap.passes * shards.count),
                        message: "looking for pictures in two parts")
                }
            }
            overlap.endPass()
        }
        guard overlap.count > 0 else { return }
        func name(_ place: PartOverlap.Place) throws -> String {
            let name = try samples(place.shard).name(place.picture)
            return "\(name) (\(place.part.rawValue))"
        }
        let names = try overlap.pairs.prefix(10).map { pair in
            "\(try name(pair.0)) is \(try name(pair.1))"
        }
        let text =
            "\(overlap.count) pictures of \(parameters.folder) are in two parts: "
            + names.joined(separator: "; ") + (overlap.count > names.count ? "; …" : "")
        guard !StageParameters.ImportDataset.pixelForms.contains(survey.form) else {
            return context.job.log("warning: " + text)
        }
        throw DatasetError(
            .wrongDimensions, text,
            remedy: "remove one of each: a network would be tested on what it was trained on")
    }

    private func noTest(_ record: ImportRecord, _ survey: DatasetSurvey) -> DatasetError {
        guard survey.isSplitByHash, record.count > 0 else {
            return noTest(DatasetPart.allCases.filter { record.parts[$0] != nil })
        }
        return DatasetError(
            .wrongDimensions,
            "none of the \(record.count) pictures of \(parameters.folder) fell into the "
                + (record.parts[.train] == nil ? "nine tenths to train on" : "tenth to test on"),
            remedy: "add pictures, or divide them into folders train and test")
    }

    // MARK: Manifests

    private func manifests(
        _ record: ImportRecord, _ classes: [ByteName], _ survey: DatasetSurvey
    ) throws -> StageOutput {
        guard let train = record.parts[.train],
            let test = record.parts[.test] ?? record.parts[.val]
        else { throw noTest(record, survey) }
        let validation = record.parts[.test] == nil ? nil : record.parts[.val]
        let heldOut = try heldOut(train, validation)
        var made: [StageOutput.Made] = []
        // The shards of a trial are no artifacts.
        let ids = Dictionary(
            context.isTrial
                ? [] : try context.madeByStage(.datasetShard).map { ($0.digest.hex, $0.id) }
        ) { first, _ in first }
        var read: [ArtifactID] = []
        for (role, parts) in [
            (ArtifactRole.dataset, [train] + (validation.map { [$0] } ?? [])),
            (.testImages, [test]),
        ] {
            let manifest = try manifest(parts, classes, survey, record)
            for shard in manifest.shards where !context.isTrial {
                guard let id = ids[shard.digest] else {
                    throw PipelineError(
                        .invalidArtifact, "shard \(shard.digest) is no artifact of this stage")
                }
                read.append(id)
            }
            let digest = try context.put(
                Array(try JSONText.encode(manifest).utf8), elementSize: 1, as: role)
            let isTrain = role == .dataset
            let metadata = DatasetMetadata(
                dataset: parameters.dataset, fingerprint: manifest.fingerprint,
                images: manifest.count, heldOut: isTrain ? heldOut : 0,
                splitSeed: context.arguments.seed, form: survey.form,
                validation: isTrain ? validation?.count : nil)
            made.append(
                try StageOutput.Made(
                    role, name: "\(parameters.dataset)-\(role.rawValue)", digest: digest,
                    metadata: metadata))
        }
        context.noteRead(Set(read).sorted(), as: .datasetShard)
        context.job.log(
            "\(train.count - (validation == nil ? heldOut : 0)) pictures to train on, \(heldOut) held out,"
                + " \(test.count) to test on")
        return try StageOutput(made, result: NoResult())
    }

    /// Returns the number of pictures to hold out: of the validation part if there is one, otherwise of the training
    /// part.
    private func heldOut(
        _ train: ImportRecord.Part, _ validation: ImportRecord.Part?
    ) throws -> Int {
        if let validation { return min(parameters.heldOut ?? .max, validation.count) }
        let heldOut =
            parameters.heldOut
            ?? min(StageParameters.ImportDataset.usualHeldOut, max(1, train.count / 10))
        guard heldOut < train.count else {
            throw PipelineError(
                .invalidValue,
                PipelineDefinition.heldOutFault(context.arguments.stage, heldOut, train.count))
        }
        return heldOut
    }

    /// Returns one manifest of the pictures of `parts`, in the order of `parts`.
    private func manifest(
        _ parts: [ImportRecord.Part], _ classes: [ByteName], _ survey: DatasetSurvey,
        _ record: ImportRecord
    ) throws -> PictureSetManifest {
        let storage = try storage(survey.form)
        var counts = Array(repeating: 0, count: classes.count)
        var sums = PixelSums(channels: storage.channels)
        for part in parts {
            for (label, count) in part.classCounts { counts[label] += count }
            sums.add(part.sums)
        }
        let heights = parts.compactMap(\.heights), widths = parts.compactMap(\.widths)
        func joined(_ ranges: [ClosedRange<Int>]) -> ClosedRange<Int> {
            (ranges.map(\.lowerBound).min() ?? 1)...(ranges.map(\.upperBound).max() ?? 1)
        }
        let (height, width) = (joined(heights), joined(widths))
        let isOfPixels = StageParameters.ImportDataset.pixelForms.contains(survey.form)
        typealias Resizing = PicturePreprocessor.Resizing
        let usual = isOfPixels ? Resizing.none : Resizing.published
        let resize: Resizing = parameters.resize ?? usual
        guard resize == .published || (height.count == 1 && width.count == 1) else {
            throw PipelineError(
                .invalidValue,
                "stages.\(context.arguments.stage).resize is none, and pictures of \(parameters.folder) have"
                    + " \(width.lowerBound) to \(width.upperBound) × \(height.lowerBound) to"
                    + " \(height.upperBound) pixels", remedy: "leave it out")
        }
        return PictureSetManifest(
            dataset: parameters.dataset, form: survey.form, store: storage.store,
            size: storage.size, channels: storage.channels, resize: resize, classes: classes,
            shards: parts.flatMap { $0.shards.map(\.shard) }, classCounts: counts, heights: height,
            widths: width, sums: sums, refused: record.refused.counts,
            ignored: record.ignored.counts)
    }
}
