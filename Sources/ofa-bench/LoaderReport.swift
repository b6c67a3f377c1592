// The report of `data` for one data set, as JSON and as a table.
import Foundation
import Networks

/// The loader beside the training of one network.
struct LoaderReport: Encodable {
    /// The loader alone, with one augmentation.
    struct Line: Encodable {
        /// The augmentation.
        let augmentation: String
        /// Images per second of the loader's thread.
        let imagesPerS: Double
        /// MB per second (1e6 bytes) of stored images read, and of batches written.
        let readMbPerS: Double, writtenMbPerS: Double
        /// The loader's rate over that of training.
        let timesTraining: Double
    }

    /// The images.
    let data: String
    /// The network in training.
    let space: String, arch: SubnetConfig, archName: String
    /// Images of a batch, and threads of the training.
    let batch, threads: Int
    /// Images per second and milliseconds per step of training on images in memory.
    let trainingImagesPerS, trainingStepMs: Double
    /// Milliseconds of a step with the loader, published augmentation.
    let withLoaderStepMs: Double
    /// Milliseconds of a step whose images the engine's threads make first (no prefetching).
    let inlineStepMs: Double
    /// Milliseconds per step spent waiting for the loader.
    let waitedMs: Double
    /// The loader alone.
    let lines: [Line]

    /// Prints it as a table.
    func print() throws {
        try Output.line(
            "\(data): training \(space) \(archName) at \(arch.resolution) pixels, batch \(batch),"
                + " \(threads) threads: \(decimal(trainingImagesPerS, 1)) images/s")
        try Output.line(
            "a step on images that are there \(decimal(trainingStepMs, 2)) ms; with the loader beside"
                + " it \(decimal(withLoaderStepMs, 2)) ms, of which \(decimal(waitedMs, 2)) waiting;"
                + " with the engine making them first \(decimal(inlineStepMs, 2)) ms")
        var table = Table(
            text: ["loader alone, one thread"],
            numbers: ["images/s", "read MB/s", "made MB/s", "times training"])
        table.rows = lines.map {
            [
                $0.augmentation, decimal($0.imagesPerS, 0), decimal($0.readMbPerS, 0),
                decimal($0.writtenMbPerS, 0), decimal($0.timesTraining, 1),
            ]
        }
        try table.print()
        try Output.line()
    }
}
