// Opens the images that a stage reads: a shard of images of one size, or a set of pictures in many
// shards.

import Artifacts
import Datasets
import Foundation
import Training

/// The metadata of imported images.
struct DatasetMetadata: Codable, Sendable, Equatable {
    let dataset: String
    let fingerprint: String
    let images: Int
    /// The number of held-out images, and the seed that chose them.
    let heldOut: Int
    let splitSeed: UInt64
    /// The form of the imported data set, if the artifact is a `PictureSetManifest`; nil if the artifact is an image
    /// shard.
    var form: DatasetForm?
    /// The number of validation images, which are the last images of a picture set; only these can be held out. Nil if
    /// any image can be held out.
    var validation: Int?

    init(
        dataset: String, fingerprint: String, images: Int, heldOut: Int, splitSeed: UInt64,
        form: DatasetForm? = nil, validation: Int? = nil
    ) {
        self.dataset = dataset
        self.fingerprint = fingerprint
        self.images = images
        self.heldOut = heldOut
        self.splitSeed = splitSeed
        self.form = form
        self.validation = validation
    }

    /// Checks that `source`, the images of `artifact`, has as many images as the metadata says. Errors:
    /// `invalidArtifact`.
    func check(_ source: any ImageSource, of artifact: Artifact) throws {
        guard source.count == images else {
            throw PipelineError(
                .invalidArtifact,
                "artifact \(artifact.id) has \(source.count) images; its metadata says \(images)")
        }
    }

    /// Returns the division of the images into training images and held-out images.
    func split() throws -> Split {
        guard let validation else {
            return try Split(trainCount: images, heldOut: heldOut, seed: splitSeed)
        }
        return try Split(
            trainCount: images, validation: validation, heldOut: heldOut, seed: splitSeed)
    }
}

/// Training images and held-out images.
struct TrainingImages {
    let data: TrainingData
    let heldOut: [Int]
    let normalization: PixelNormalization
    /// The names of the classes; empty if the data set has none.
    let classNames: [ByteName]
}

extension StageContext {
    /// Returns the images of the input `role`, and the metadata of the artifact.
    ///
    /// Errors: `invalidArtifact` if channels, classes or number of the images do not fit the run's space or the
    /// metadata.
    func images(_ role: ArtifactRole) throws
        -> (source: any ImageSource, metadata: DatasetMetadata)
    {
        let artifact = try input(role)
        let metadata = try metadata(DatasetMetadata.self, of: artifact)
        let source: any ImageSource =
            metadata.form == nil
            ? try shard(artifact.digest)
            : try pictureSet(try content(PictureSetManifest.self, of: artifact))
        guard source.channels == space.inputChannels, source.classCount <= space.classes
        else {
            throw PipelineError(
                .invalidArtifact,
                "data set \(metadata.dataset) has \(source.channels) channels and \(source.classCount) classes;"
                    + " space \(space.name) takes \(space.inputChannels) and \(space.classes)")
        }
        try metadata.check(source, of: artifact)
        return (source, metadata)
    }

    /// Returns the picture set of a manifest; its shards are memory-mapped from files in this machine's cache.
    private func pictureSet(_ manifest: PictureSetManifest) throws -> PictureSet {
        var shards: [PictureShard] = []
        for (place, shard) in manifest.shards.enumerated() {
            try job.stopIfAsked()
            shards.append(try pictureShard(try Digest(hex: shard.digest)))
            // Fetching a shard takes time only for the first stage on a machine; later stages find the files in the
            // cache.
            if place % 16 == 15 {
                job.progress(
                    fraction: 0,
                    message: "opening data set \(manifest.dataset): \(place + 1) of"
                        + " \(manifest.shards.count) shards")
            }
        }
        return try PictureSet(manifest, shards: shards)
    }

    /// Returns the training images and held-out images of the input `dataset`. Pixels are normalised by the statistics
    /// of the training images, or by `normalization` if given: the statistics that a supernet was trained with.
    func trainingImages(normalization given: PixelNormalization? = nil) throws -> TrainingImages {
        let (source, metadata) = try images(.dataset)
        let split = try metadata.split()
        let normalization = try given ?? source.normalization(of: split.training)
        return TrainingImages(
            data: TrainingData(
                BatchLoader(source, normalization: normalization), images: split.training),
            heldOut: split.heldOut, normalization: normalization, classNames: source.classNames)
    }
}
