// The report of `ofa-bench data` for one data set, as JSON and as a table.
import Foundation
import Networks

/// The speed of the loader compared with the training of one network.
struct LoaderReport: Encodable {
    /// The speed of the loader alone, with one augmentation.
    struct Line: Encodable {
        /// The augmentation.
        let augmentation: String
        /// The images per second that the loader's threads make.
        let imagesPerS: Double
        /// MB (1e6 bytes) per second: of stored images that the loader reads, and of batches that it writes.
        let readMbPerS: Double, writtenMbPerS: Double
        /// The loader's rate divided by the rate of training.
        let timesTraining: Double
    }

    /// The description of the images.
    let data: String
    /// The network in training: its space, its genes and its name.
    let space: String, arch: SubnetConfig, archName: String
    /// Images of a batch, and threads of the training.
    let batch, threads: Int
    /// Threads of the loader.
    let loaderThreads: Int
    /// Images per second and milliseconds per step of training on images in memory.
    let trainingImagesPerS, trainingStepMs: Double
    /// Milliseconds of a step with the loader and the published augmentation.
    let withLoaderStepMs: Double
    /// Milliseconds of a step without a loader: the engine's threads make the images before they train.
    let inlineStepMs: Double
    /// Milliseconds per step spent waiting for the loader.
    let waitedMs: Double
    /// The results of the loader alone, by augmentation.
    let lines: [Line]

    /// Prints the report as text with a table.
    func print() throws {
        try Output.line(
            "\(data): training \(space) \(archName) at \(arch.resolution) pixels, batch \(batch),"
                + " \(threads) threads: \(decimal(trainingImagesPerS, 1)) images/s")
        try Output.line(
            "a step on images in memory \(decimal(trainingStepMs, 2)) ms; with the loader"
                + " \(decimal(withLoaderStepMs, 2)) ms, of which \(decimal(waitedMs, 2)) waiting;"
                + " with the engine making the images first \(decimal(inlineStepMs, 2)) ms")
        var table = Table(
            text: ["loader alone, threads: \(loaderThreads)"],
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
