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
    /// The form that a picture set came in: its bytes are a `PictureSetManifest`. Nil for the bytes
    /// of an image shard.
    var form: DatasetForm?
    /// The number of images at the end of a picture set from which the held-out ones are taken; nil
    /// if they are taken from all.
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

    /// The images to train on and the held-out ones.
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
    /// The images of the input `role`.
    ///
    /// Errors: `invalidArtifact` if networks of the run's space do not take such images.
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
        guard source.count == metadata.images else {
            throw PipelineError(
                .invalidArtifact,
                "artifact \(artifact.id) has \(source.count) images; its metadata says \(metadata.images)"
            )
        }
        return (source, metadata)
    }

    /// The picture set of a manifest, whose shards are mapped from this machine's cache.
    private func pictureSet(_ manifest: PictureSetManifest) throws -> PictureSet {
        var shards: [PictureShard] = []
        for (place, shard) in manifest.shards.enumerated() {
            try job.stopIfAsked()
            shards.append(try pictureShard(try Digest(hex: shard.digest)))
            // Only the first stage on a machine waits here; others find the files.
            if place % 16 == 15 {
                job.progress(
                    fraction: 0,
                    message: "opening data set \(manifest.dataset): \(place + 1) of"
                        + " \(manifest.shards.count) shards")
            }
        }
        return try PictureSet(manifest, shards: shards)
    }

    /// The images of the input `dataset` with their split. Pixels are normalised by the statistics
    /// of its training images, or by `normalization` if a network was trained with that.
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
