// What `data` found about one data set, as JSON and as a table.
import Foundation
import Networks

/// The loader beside the training of one network.
struct LoaderReport: Encodable {
    /// The loader alone, with one augmentation.
    struct Line: Encodable {
        /// What is done to the images.
        let augmentation: String
        /// Images a second of the loader's one thread.
        let imagesPerS: Double
        /// 1e6 bytes a second of stored images, and of the batches that are made of them.
        let readMbPerS: Double, writtenMbPerS: Double
        /// Images a second over those that training takes.
        let timesTraining: Double
    }

    /// The images.
    let data: String
    /// The network in training.
    let space: String, arch: SubnetConfig, archName: String
    /// Images of a batch, and threads of the training.
    let batch, threads: Int
    /// Images a second and milliseconds a step of training on images that are there already.
    let trainingImagesPerS, trainingStepMs: Double
    /// Milliseconds of a step whose images the loader makes meanwhile, as published.
    let withLoaderStepMs: Double
    /// Milliseconds of a step whose images the engine's threads make first.
    let inlineStepMs: Double
    /// Milliseconds that a step waits for the loader.
    let waitedMs: Double
    /// The loader alone.
    let lines: [Line]

    /// Prints it for people.
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
