// The summary of a data set that `ofa artifacts show` and `ofa dataset show` print: classes, sizes, means, and the
// files that were left out.

import Artifacts
import Datasets
import Foundation
import Pipelines
import Postgres

/// The summary of a picture set.
struct DatasetRows: Encodable {
    /// A class and its number of pictures.
    struct Class: Encodable {
        let label: Int
        let name: String
        let pictures: Int
    }

    let form, store, resize: String
    let size: Int?
    let channels, pictures: Int
    let shards: Int
    let heights, widths: [Int]
    let mean, deviation: [Float]
    let classes: [Class]
    let refused, ignored: [String: Int]

    /// Summarises a data set's manifest.
    init(_ manifest: PictureSetManifest) {
        form = manifest.form.rawValue
        store = manifest.store.rawValue
        resize = manifest.resize.rawValue
        size = manifest.size
        channels = manifest.channels
        pictures = manifest.count
        shards = manifest.shards.count
        heights = [manifest.heights.lowerBound, manifest.heights.upperBound]
        widths = [manifest.widths.lowerBound, manifest.widths.upperBound]
        mean = manifest.normalization.mean
        deviation = manifest.normalization.deviation
        classes = zip(manifest.classes, manifest.classCounts).enumerated().map { label, entry in
            Class(label: label, name: entry.0.description, pictures: entry.1)
        }
        refused = manifest.refused
        ignored = manifest.ignored
    }

    /// Reads and summarises the images of an artifact. Errors: `invalidArtifact` for an artifact without images, and
    /// errors of reading the artifact.
    init(reading artifact: Artifact, _ connection: Connection) throws {
        if let manifest = try ImportedImages.manifest(of: artifact, connection) {
            self.init(manifest)
        } else {
            try self.init(shard: artifact, connection)
        }
    }

    /// Returns the summary of the artifact's images; nil for an artifact without images, or if the artifact's bytes
    /// cannot be read.
    static func known(_ artifact: Artifact, _ connection: Connection) throws -> DatasetRows? {
        guard ImportedImages.isOfImages(artifact) else { return nil }
        do {
            return try DatasetRows(reading: artifact, connection)
        } catch let error as ArtifactsError where error.isOfBytes {
            return nil
        } catch is DatasetError {
            return nil
        } catch is PipelineError {
            return nil  // Such as no disk space for a copy of the shard.
        }
    }

    private init(shard artifact: Artifact, _ connection: Connection) throws {
        let summary = try ImportedImages.shardSummary(
            artifact, connection, cache: BlobCache(folder: DatabaseOptions.home + "/cache"))
        let layout = summary.layout
        form = DatasetForm.idx.rawValue
        store = PictureShard.Store.pixels.rawValue
        resize = PicturePreprocessor.Resizing.none.rawValue
        size = nil
        channels = layout.channels
        pictures = layout.count
        shards = 1
        heights = [layout.height, layout.height]
        widths = [layout.width, layout.width]
        mean = summary.normalization.mean
        deviation = summary.normalization.deviation
        classes = summary.counts.enumerated().map {
            Class(label: $0, name: "\($0)", pictures: $1)
        }
        refused = [:]
        ignored = [:]
    }

    /// The maximum number of classes that `rows` lists; JSON lists all.
    private static let mostListed = 100

    /// The rows of a table of fields and values.
    var rows: [[String]] {
        let counts = classes.map(\.pictures)
        let listed = classes.prefix(Self.mostListed).map {
            "\($0.name) \(Format.grouped($0.pictures))"
        }
        func numbers(_ values: [Float]) -> String {
            values.map { Format.decimal(Double($0), 4) }.joined(separator: ", ")
        }
        func tally(_ counts: [String: Int]) -> String {
            counts.isEmpty
                ? "none"
                : counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
                    "\(Format.grouped($0.value)) × \($0.key)"
                }.joined(separator: ", ")
        }
        func range(_ ends: [Int]) -> String {
            ends[0] == ends[1] ? "\(ends[0])" : "\(ends[0]) to \(ends[1])"
        }
        let each = range([counts.min() ?? 0, counts.max() ?? 0])
        return [
            ["form", form],
            [
                "stored as",
                store + (size.map { ", shorter side at most \($0)" } ?? "")
                    + ", \(channels == 1 ? "grey" : "colour"), in \(shards) shard\(shards == 1 ? "" : "s")",
            ],
            ["resize", resize],
            ["pictures", Format.grouped(pictures)],
            ["sizes", "\(range(widths)) × \(range(heights)) pixels"],
            ["means", numbers(mean)], ["deviations", numbers(deviation)],
            [
                "classes",
                "\(classes.count), of \(each) pictures: "
                    + listed.joined(separator: ", ") + (classes.count > listed.count ? ", …" : ""),
            ],
            ["left out", tally(refused)], ["ignored", tally(ignored)],
        ]
    }
}

/// An artifact; if the artifact is a data set, also the summary of the data set.
struct ShownArtifact: Encodable {
    let document: ArtifactDocument
    let dataset: DatasetRows?

    private enum CodingKeys: String, CodingKey {
        case dataset = "data_set"
    }

    /// Encodes the document's fields, and the data set's summary under `data_set`.
    func encode(to encoder: any Encoder) throws {
        try document.encode(to: encoder)
        guard let dataset else { return }
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(dataset, forKey: .dataset)
    }
}
