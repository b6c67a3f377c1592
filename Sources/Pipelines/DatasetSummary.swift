// The summary of a data set that `ofa artifacts show`, `ofa dataset show` and pages print: classes, sizes, means, and the files
// that were left out; and its contact sheet.

import Artifacts
import Datasets
import Foundation
import Postgres

/// The summary of a picture set.
public struct DatasetSummary: Encodable, Sendable {
    /// A class and its number of pictures.
    public struct Class: Encodable, Sendable {
        /// The label: the class's place in the order of classes.
        public let label: Int
        /// The name; the label for an image shard, which has no names.
        public let name: String
        /// The number of pictures.
        public let pictures: Int
    }

    /// The form of the imported files, how pictures are stored, and how they were resized.
    public let form, store, resize: String
    /// The most pixels of the shorter side; nil if pictures were not made smaller.
    public let size: Int?
    /// The number of channels, of pictures, and of the files (shards) that hold them.
    public let channels, pictures: Int
    public let shards: Int
    /// The least and the most pixels.
    public let heights, widths: [Int]
    /// The mean and the standard deviation of the pixels of each channel, 0…1.
    public let mean, deviation: [Float]
    /// The classes in their order.
    public let classes: [Class]
    /// The numbers of files that were left out, by reason.
    public let refused, ignored: [String: Int]

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

    /// Reads and summarises the images of an artifact; an image shard is opened from `cache`. Errors: `invalidArtifact` for
    /// an artifact without images, and errors of reading the artifact.
    public init(
        reading artifact: Artifact, _ connection: Connection, cache: BlobCache = HomeFolder.cache
    ) throws {
        if let manifest = try ImportedImages.manifest(of: artifact, connection) {
            self.init(manifest)
        } else {
            try self.init(shard: artifact, connection, cache)
        }
    }

    /// Returns the summary of the artifact's images; nil for an artifact without images, or if the artifact's bytes
    /// cannot be read.
    public static func known(_ artifact: Artifact, _ connection: Connection) throws
        -> DatasetSummary?
    {
        guard ImportedImages.isOfImages(artifact) else { return nil }
        do {
            return try DatasetSummary(reading: artifact, connection)
        } catch let error as ArtifactsError where error.isOfBytes {
            return nil
        } catch is DatasetError {
            return nil
        } catch is PipelineError {
            return nil  // Such as no disk space for a copy of the shard.
        }
    }

    private init(shard artifact: Artifact, _ connection: Connection, _ cache: BlobCache) throws {
        let summary = try ImportedImages.shardSummary(artifact, connection, cache: cache)
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
}

extension ContactSheet {
    /// Returns the contact sheet of a data set with at most `pictures` pictures of each of the first `classes` classes. A sheet
    /// of many pictures shows each picture smaller, so that the sheet stays within 100 MB of pixels.
    public static func usual(
        _ source: any ImageSource, pictures: Int = 8, classes: Int = 200
    ) -> ContactSheet {
        let isLarge = min(classes, source.classCount) * pictures > 2000
        return ContactSheet(
            source, perClass: pictures, mostClasses: classes, tile: isLarge ? 32 : 96)
    }
}
